import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findBootFiles } from '../bootloader/find-boot-files.ts';
import type { AgentPaths } from '../config/paths.ts';
import { effectiveMemoryReserveMib } from '../config/effective.ts';
import type { Settings } from '../config/settings.ts';
import type { XendConfig } from '../config/xend-config.ts';
import { detectDriver, type DriverMakers } from '../drivers/detect.ts';
import type { Driver } from '../drivers/driver.ts';
import { probeQemu } from '../drivers/qemu/probe.ts';
import { QemuDriver } from '../drivers/qemu/qemu-driver.ts';
import { SimulatedDriver, SimulatedMachine } from '../drivers/simulated/simulated-driver.ts';
import { messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { ownAddresses, readAvailableMemoryMib, readHostFacts } from '../host/inventory.ts';
import { allProcessors, setAffinity } from '../host/affinity.ts';
import type { Log } from '../host/log.ts';
import { readServerCounters } from '../host/server-counters.ts';
import { allMethods } from '../methods/all.ts';
import {
  DEFAULT_REPOSITORY,
  guestNameOf,
  type GuestPath,
  isGuestName,
  isRepositoryId,
  MOUNT_DIRECTORY,
  parseGuestPath,
} from '../model/guest-path.ts';
import { GuestLanes } from '../operations/guest-lanes.ts';
import { peerProbe } from '../peers/peer-probe.ts';
import { StandAloneRouter } from '../roles/route.ts';
import { Dispatcher } from '../rpc/dispatch.ts';
import { Introspection } from '../rpc/introspection.ts';
import { Registry } from '../rpc/registry.ts';
import type { Services } from '../rpc/services.ts';
import { AgentLog } from '../services/agent-log.ts';
import { type AgentIdentity, AgentStatus } from '../services/agent-status.ts';
import { CheckHost } from '../services/check-host.ts';
import { CoreDumps } from '../services/core-dumps.ts';
import type { Credentials } from '../services/credentials.ts';
import { Databases } from '../services/databases.ts';
import { DomainList } from '../services/domain-list.ts';
import { GuestCatalog } from '../services/guest-catalog.ts';
import { GuestChecks } from '../services/guest-checks.ts';
import { GuestConfiguration } from '../services/guest-configuration.ts';
import { GuestConsoles } from '../services/guest-consoles.ts';
import { GuestDisks } from '../services/guest-disks.ts';
import { GuestEditing } from '../services/guest-editing.ts';
import { GuestFiles } from '../services/guest-files.ts';
import { GuestLifecycle } from '../services/guest-lifecycle.ts';
import { GuestMembership } from '../services/guest-membership.ts';
import { GuestRecords } from '../services/guest-records.ts';
import { HostFigures } from '../services/host-figures.ts';
import { Neighbours } from '../services/neighbours.ts';
import { Performance } from '../services/performance.ts';
import type { PerformanceStore } from '../store/performance-store.ts';
import { SqlitePerformanceStore } from '../store/sqlite-performance-store.ts';
import { DamagedDatabaseError, setDatabaseAside, SqliteStore } from '../store/sqlite-store.ts';
import type { Store } from '../store/store.ts';
import { type BootFileFinder, StartPlanner } from '../services/start-planner.ts';
import type { GuestDefaults } from '../vmcfg/guest-config.ts';
import { GuestReader } from '../vmcfg/guest-reader.ts';

export interface CoreParts {
  readonly paths: AgentPaths;
  readonly settings: Settings;
  readonly xend: XendConfig;
  readonly version: string;
  readonly processId: number;
  readonly searchPath: string;
  readonly log: Log;
  /** Lines of who did what. */
  readonly audit: Log;
  readonly clock: Clock;
  readonly credentials: Credentials;
  /** Addresses on which the agent listens, once it does. */
  readonly listeningOn: () => readonly string[];
  readonly certificateFingerprint: () => string | undefined;
}

/** The agent without its wire: everything that a call needs once it has been read. */
export interface Core {
  readonly dispatcher: Dispatcher;
  readonly registry: Registry;
  readonly guestConsoles: GuestConsoles;
  readonly identity: () => AgentIdentity;
  /** Ends the waiting of acts, waits for the calls in flight, and lets go of guests and files. */
  stop(): Promise<void>;
}

/**
 * Composes the agent, finds the guests that run, and brings every record in line with the truth.
 * The caller holds the agent's lock: two cores on one root would start guests twice.
 */
export async function openCore(parts: CoreParts): Promise<Core> {
  const { clock, log, paths, settings, xend } = parts;
  for (const directory of [paths.databaseDirectory, paths.runtimeDirectory]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  const startedAt = clock.now();
  const { driver, probe } = await detectDriver(settings.hypervisor, driverMakers(parts));
  log.info({ hypervisor: driver.name, accelerator: probe.accelerator }, probe.description);
  await holdToProcessors(parts);

  const { store, isRebuilt } = openStore(paths, clock, log);
  const records = new GuestRecords(store, clock);
  const lanes = new GuestLanes(settings.limits.callQueue);
  const facts = readHostFacts();
  const addresses = (): readonly string[] =>
    settings.address === null ? ownAddresses() : [settings.address, ...ownAddresses()];
  const ownAddress = (): string => addresses()[0] ?? '127.0.0.1';
  const availableMemoryMib = (): number => readAvailableMemoryMib() - effectiveMemoryReserveMib(settings, xend);
  const reader = new GuestReader({ uname: facts.uname }, guestDefaults(xend));
  const { kernelDirectories } = settings.guests;
  const files = new GuestFiles({ paths, reader });
  const disks = new GuestDisks({ paths, files, holdings: () => driver.holdings() });
  const host = new CheckHost({ driver, accelerator: probe.accelerator, facts });
  const planner = new StartPlanner({
    driver,
    files,
    disks,
    reader,
    host,
    bootFiles: bootFileFinder(clock),
    makeDirectory: path => makeBootDirectory(paths, path),
    kernelDirectories,
    availableMemoryMib,
    processors: facts.processors,
  });
  const guestConsoles = new GuestConsoles({
    driver,
    records,
    directory: paths.consoleDirectory,
    historyBytes: xend.values.consoleLimitKib * 1024,
    clock,
    log,
  });
  const membership = new GuestMembership({ driver, records, files, lanes, consoles: guestConsoles });
  const coreDumps = new CoreDumps({
    driver,
    clock,
    directory: paths.dumpDirectory,
    always: xend.values.enableDump,
    keptPerGuest: settings.guests.coreDumpsKept,
    spaceBytes: settings.guests.coreDumpBytes,
  });
  const guestLifecycle = new GuestLifecycle({
    driver,
    records,
    membership,
    planner,
    consoles: guestConsoles,
    coreDumps,
    lanes,
    clock,
    log,
    stopTimeoutMs: settings.guests.stopTimeoutMs,
    ownAddress,
  });
  const editing = new GuestEditing({ driver, records, files, disks, planner, reader, lanes });
  const performance = new Performance({
    driver,
    records,
    store: openPerformanceStore(parts),
    readServer: readServerCounters,
    clock,
    log,
    intervalMs: settings.performance.intervalMs,
  });
  const identity = (): AgentIdentity => ({
    version: parts.version,
    processId: parts.processId,
    startedAt,
    addresses: parts.listeningOn(),
    ssl: settings.ssl,
    hypervisor: driver.name,
    accelerator: probe.accelerator,
    certificateFingerprint: parts.certificateFingerprint(),
  });

  const registry = new Registry(allMethods);
  const dispatcher: Dispatcher = new Dispatcher({
    registry,
    router: new StandAloneRouter(addresses),
    services: () => services,
    log,
    audit: parts.audit,
  });
  const services: Services = {
    agentLog: new AgentLog(name => join(paths.logDirectory, `${name}.log`)),
    agentStatus: new AgentStatus(identity, records),
    credentials: parts.credentials,
    databases: new Databases(store),
    domainList: new DomainList({ performance, records, processors: facts.processors }),
    guestCatalog: new GuestCatalog(records, files, performance),
    guestChecks: new GuestChecks({
      driver,
      host,
      records,
      files,
      disks,
      editing,
      reader,
      kernelDirectories,
    }),
    guestConfiguration: new GuestConfiguration({ editing, files, disks, reader, paths }),
    guestConsoles,
    guestLifecycle,
    guestMembership: membership,
    hostFigures: new HostFigures({
      facts,
      performance,
      availableMemoryMib,
      hypervisor: () => ({ name: driver.name, version: probe.version }),
    }),
    introspection: new Introspection(registry, dispatcher),
    neighbours: new Neighbours(address => addresses().includes(address), peerProbe(settings.port)),
    performance,
  };

  if (isRebuilt) await registerFoundGuests(paths, membership, log);
  // Of an agent that was killed meanwhile.
  coreDumps.removeUnfinished();
  rmSync(bootDirectory(paths), { recursive: true, force: true });
  await guestLifecycle.adopt();
  performance.start();
  return {
    dispatcher,
    registry,
    guestConsoles,
    identity,
    async stop() {
      guestLifecycle.interrupt();
      await dispatcher.stop();
      await lanes.idle();
      await guestConsoles.close();
      await performance.close();
      await driver.close();
      await store.close();
    },
  };
}

/** dom0-cpus of xend-config.sxp is about the agent's own work: guests get all processors back when they start. */
async function holdToProcessors({ clock, log, processId, xend }: CoreParts): Promise<void> {
  const count = Math.min(xend.values.dom0Processors, readHostFacts().processors);
  if (count === 0) return;
  await setAffinity(
    processId,
    Array.from({ length: count }, (_, number) => number),
    clock,
  );
  log.info({ processors: count }, 'the agent uses the first processors only (dom0-cpus)');
}

/** The file's own words say what an empty password is there: no authentication. */
function guestDefaults({ defaultBridge, values }: XendConfig): GuestDefaults {
  const { keymap, vncListen, vncPassword } = values;
  return {
    display: {
      vncListen,
      vncPassword: vncPassword === '' ? undefined : vncPassword,
      keymap: keymap === '' ? undefined : keymap,
    },
    bridge: defaultBridge,
  };
}

const BOOT_FILES_MS = 60_000;

/** Entries of a boot menu are named by their title or their number. */
function bootFileFinder(clock: Clock): BootFileFinder {
  return {
    find: ({ commandLine, directory, entry, image }) =>
      findBootFiles(
        {
          image,
          format: 'raw',
          directory,
          ...(entry === undefined ? {} : { entry: /^\d+$/.test(entry) ? Number(entry) : entry }),
          extraArguments: commandLine,
          timeoutMs: BOOT_FILES_MS,
        },
        { clock },
      ),
  };
}

function bootDirectory(paths: AgentPaths): string {
  return join(paths.runtimeDirectory, 'boot');
}

/** Kernels of guests are private while they lie there: they hold what the guest's owner put into them. */
function makeBootDirectory(paths: AgentPaths, path: GuestPath): string {
  const parent = bootDirectory(paths);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  return mkdtempSync(join(parent, `${guestNameOf(path)}-`));
}

function driverMakers({ clock, log, paths, searchPath, settings, xend }: CoreParts): DriverMakers {
  const { accelerator, qemuBinary, startTimeoutMs, userNetwork, vncPorts } = settings.guests;
  return {
    qemu: (): Driver =>
      new QemuDriver({
        program: qemuBinary,
        runtimeDirectory: paths.guestRuntimeDirectory,
        startTimeoutMs,
        host: { userNetwork, vncPorts },
        // What the agent is held to, its children would be held to as well.
        processors: xend.values.dom0Processors === 0 ? [] : allProcessors(),
        probe: () =>
          probeQemu({
            program: qemuBinary,
            accelerator,
            memoryFile: join(paths.runtimeDirectory, 'qemu-probe.json'),
            searchPath,
            clock,
          }),
        clock,
        log,
      }),
    simulated: (): Driver => new SimulatedDriver(new SimulatedMachine(clock)),
  };
}

/** A damaged database is no reason not to run: guests are found again from their directories and by their hypervisor. */
function openStore(paths: AgentPaths, clock: Clock, log: Log): { readonly store: Store; readonly isRebuilt: boolean } {
  try {
    return { store: SqliteStore.open(paths.databaseFile), isRebuilt: false };
  } catch (error) {
    if (!(error instanceof DamagedDatabaseError)) throw error;
    const aside = setDatabaseAside(paths.databaseFile, new Date(clock.now()).toISOString().replaceAll(':', ''));
    log.error(
      { err: error, aside },
      'the database is damaged; it was set aside and is made anew from the directories of the guests',
    );
    return { store: SqliteStore.open(paths.databaseFile), isRebuilt: true };
  }
}

/** Without it the agent does all else: the past of performance is nothing that guests depend on. */
function openPerformanceStore({ log, paths, settings }: CoreParts): PerformanceStore | undefined {
  if (settings.performance.intervalMs === 0 && !existsSync(paths.performanceFile)) return undefined;
  try {
    return new SqlitePerformanceStore(paths.performanceFile, (cause, aside) =>
      log.warn({ reason: messageOf(cause), aside }, 'the performance data are damaged; they were set aside'),
    );
  } catch (error) {
    log.error({ err: error }, 'performance data cannot be kept');
    return undefined;
  }
}

async function registerFoundGuests(paths: AgentPaths, membership: GuestMembership, log: Log): Promise<void> {
  for (const repository of repositoriesOn(paths)) {
    const pool = `${repository}/running_pool`;
    for (const name of entriesOf(paths.onDisk(pool)).filter(isGuestName)) {
      await membership
        .register({ user: 'agent', log }, parseGuestPath(`${pool}/${name}`))
        .catch((error: unknown) =>
          log.warn({ err: error, guest: `${pool}/${name}` }, 'a guest could not be registered again'),
        );
    }
  }
}

function repositoriesOn(paths: AgentPaths): string[] {
  const mounted = entriesOf(paths.onDisk(MOUNT_DIRECTORY)).filter(isRepositoryId);
  return [DEFAULT_REPOSITORY, ...mounted.map(name => `${MOUNT_DIRECTORY}/${name}`)];
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
