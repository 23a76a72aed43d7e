import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentPaths } from '../config/paths.ts';
import { effectiveMemoryReserveMib } from '../config/effective.ts';
import type { Settings } from '../config/settings.ts';
import type { XendConfig } from '../config/xend-config.ts';
import { detectDriver } from '../drivers/detect.ts';
import type { Clock } from '../host/clock.ts';
import { ownAddresses, readAvailableMemoryMib, readHostFacts } from '../host/inventory.ts';
import { allProcessors, setAffinity } from '../host/affinity.ts';
import type { Log } from '../host/log.ts';
import { readServerCounters } from '../host/server-counters.ts';
import { allMethods } from '../methods/all.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { Job } from '../operations/job-record.ts';
import { Jobs } from '../operations/jobs.ts';
import { peerProbe } from '../peers/peer-probe.ts';
import { StandAloneRouter } from '../roles/route.ts';
import { Dispatcher } from '../rpc/dispatch.ts';
import { Introspection } from '../rpc/introspection.ts';
import { JobCalls } from '../rpc/job-calls.ts';
import { Registry } from '../rpc/registry.ts';
import type { Services } from '../rpc/services.ts';
import { AgentLog } from '../services/agent-log.ts';
import { type AgentIdentity, AgentStatus } from '../services/agent-status.ts';
import type { Credentials } from '../services/credentials.ts';
import { Databases } from '../services/databases.ts';
import { DomainList } from '../services/domain-list.ts';
import { EventLog, type NewEvent } from '../services/event-log.ts';
import { GuestCatalog } from '../services/guest-catalog.ts';
import type { GuestConsoles } from '../services/guest-consoles.ts';
import { GuestTimeline } from '../services/guest-timeline.ts';
import { HostFigures } from '../services/host-figures.ts';
import { Neighbours } from '../services/neighbours.ts';
import { Performance } from '../services/performance.ts';
import { StoragePools } from '../services/storage-pools.ts';
import type { GuestDefaults } from '../vmcfg/guest-config.ts';
import { GuestReader } from '../vmcfg/guest-reader.ts';
import { bootDirectory, bootFileFinder, makeBootDirectory } from './boot-files.ts';
import { registerFoundGuests } from './found-guests.ts';
import { makeGuestServices } from './guest-services.ts';
import { capacityFacts, driverMakers, type HypervisorParts, probeFileOf } from './hypervisors.ts';
import { makeRepositories, openRepositoryFiles } from './repositories.ts';
import { openEventStore, openPerformanceStore, openStore } from './stores.ts';

export interface CoreParts {
  readonly paths: AgentPaths;
  readonly settings: Settings;
  readonly xend: XendConfig;
  readonly version: string;
  readonly processId: number;
  readonly searchPath: string;
  /** Compiled program that works on the files of a repository. */
  readonly storageHelper: string;
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
  readonly eventLog: EventLog;
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
  const { driver, probe } = await detectDriver(settings.hypervisor, driverMakers(hypervisorParts(parts)));
  log.info({ hypervisor: driver.name, accelerator: probe.accelerator }, probe.description);
  await holdToProcessors(parts);

  const { store, isRebuilt } = openStore(paths, clock, log);
  const eventLog = new EventLog({ store: openEventStore(parts), clock, log });
  const facts = { ...readHostFacts(), ...capacityFacts(await driver.capacity()) };
  const addresses = (): readonly string[] =>
    settings.address === null ? ownAddresses() : [settings.address, ...ownAddresses()];
  const availableMemoryMib = async (): Promise<number> => {
    const capacity = await driver.capacity();
    // What the hypervisor has is for guests alone.
    return capacity ? capacity.freeMemoryMib : readAvailableMemoryMib() - effectiveMemoryReserveMib(settings, xend);
  };
  const repositoryFiles = openRepositoryFiles(parts);
  const guests = makeGuestServices({
    paths,
    repositoryFiles,
    settings,
    driver,
    hypervisor: probe,
    agentVersion: parts.version,
    store,
    reader: new GuestReader({ uname: facts.uname }, guestDefaults(xend)),
    facts,
    bootFiles: bootFileFinder(clock),
    makeBootDirectory: path => makeBootDirectory(paths, path),
    availableMemoryMib,
    consoleBytes: xend.values.consoleLimitKib * 1024,
    dumpsEveryCrash: xend.values.enableDump,
    ownAddress: () => addresses()[0] ?? '127.0.0.1',
    events: eventLog,
    clock,
    log,
  });
  const { records } = guests;
  const repositories = makeRepositories(parts, { files: repositoryFiles, driver, guests });
  if (!isRebuilt && !eventLog.wasClosed) records.tellMissed(eventLog.newestChanges());
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
  const jobCalls = new JobCalls({
    registry,
    dispatcher: () => dispatcher,
    log,
    statusOf: path => records.find(path as GuestPath)?.status,
  });
  const jobs = new Jobs({
    store,
    clock,
    log,
    perform: (job, context) => jobCalls.perform(job, context),
    isRepeatable: method => jobCalls.isRepeatable(method),
    hasHappened: job => jobCalls.hasHappened(job),
    onChange: job => eventLog.emit(jobEvent(job)),
    atOnce: settings.limits.jobsAtOnce,
    queue: settings.limits.jobQueue,
    kept: settings.limits.jobsKept,
  });
  const dispatcher: Dispatcher = new Dispatcher({
    registry,
    router: new StandAloneRouter(addresses),
    services: () => services,
    attend: (request, work) => jobs.attend(request, work),
    log,
    audit: parts.audit,
    events: eventLog,
  });
  const services: Services = {
    agentLog: new AgentLog(name => join(paths.logDirectory, `${name}.log`)),
    agentStatus: new AgentStatus(identity, records),
    credentials: parts.credentials,
    databases: new Databases(store),
    eventLog,
    domainList: new DomainList({ performance, records, processors: facts.processors }),
    foreignGuests: guests.foreign,
    guestCatalog: new GuestCatalog(records, guests.files, performance),
    guestChecks: guests.checks,
    guestConfiguration: guests.configuration,
    guestConsoles: guests.consoles,
    guestCopies: guests.copies,
    guestLifecycle: guests.lifecycle,
    guestMembership: guests.membership,
    guestStops: guests.stops,
    guestSuspension: guests.suspension,
    hostPower: guests.hostPower,
    guestTimeline: new GuestTimeline(eventLog, records),
    hostFigures: new HostFigures({
      facts,
      performance,
      availableMemoryMib,
      hypervisor: () => ({ name: driver.name, version: probe.version }),
      messages: () => driver.messages(),
    }),
    introspection: new Introspection(registry, dispatcher),
    jobCalls,
    jobs,
    neighbours: new Neighbours(address => addresses().includes(address), peerProbe(settings.port)),
    performance,
    repositories,
    templates: guests.templates,
    images: guests.images,
    guestCreation: guests.creation,
    guestInstallation: guests.installation,
    diskCreation: guests.diskCreation,
    imageImports: guests.imageImports,
    unregisteredGuests: guests.unregistered,
    storagePools: new StoragePools({ store, repositories }),
  };

  // Of an agent that was killed meanwhile.
  rmSync(bootDirectory(paths), { recursive: true, force: true });
  const register = (): Promise<void> => registerFoundGuests(repositoryFiles, guests.membership, log);
  await repositories.start();
  await jobs.recover(await guests.recover(isRebuilt ? register : undefined));
  performance.start();
  return {
    dispatcher,
    registry,
    eventLog,
    guestConsoles: guests.consoles,
    identity,
    async stop() {
      guests.acts.interrupt();
      guests.ends.stop();
      repositories.stop();
      await jobs.stop();
      await dispatcher.stop();
      await guests.lanes.idle();
      await guests.consoles.close();
      await performance.close();
      repositoryFiles.close();
      await driver.close();
      await store.close();
      eventLog.close();
    },
  };
}

/** A change of a job, as those hear it who follow events. */
function jobEvent({ error, guest, id, method, percent, state, step, user }: Job): NewEvent {
  const what = step === undefined || state !== 'running' ? state : `${state}: ${step}`;
  return {
    kind: 'job',
    ...(guest === undefined ? {} : { guest: guest as GuestPath }),
    user,
    summary: `job ${method}${guest === undefined ? '' : ` for ${guest}`}: ${error ?? what}`,
    data: { job: id, method, state, progress: Math.round(percent), ...(step === undefined ? {} : { step }) },
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

function hypervisorParts({ clock, log, paths, searchPath, settings, xend }: CoreParts): HypervisorParts {
  // What the agent is held to, its children would be held to as well.
  const processors = xend.values.dom0Processors === 0 ? [] : allProcessors();
  return { settings, paths, searchPath, processors, probeFile: probeFileOf(paths), clock, log };
}
