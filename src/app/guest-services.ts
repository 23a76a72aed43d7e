import type { AgentPaths } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import type { Driver } from '../drivers/driver.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import type { HostFacts } from '../host/inventory.ts';
import type { Log } from '../host/log.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { GuestLanes } from '../operations/guest-lanes.ts';
import { Operations, type OperationsParts, type Recovered } from '../operations/operations.ts';
import { CheckHost } from '../services/check-host.ts';
import type { EventLog } from '../services/event-log.ts';
import { DiskCreation } from '../services/disk-creation.ts';
import { GuestCreation } from '../services/guest-creation.ts';
import { GuestInstallation } from '../services/guest-installation.ts';
import { UnregisteredGuests } from '../services/unregistered-guests.ts';
import { ImageImports } from '../services/image-imports.ts';
import { ImageUsers } from '../services/image-users.ts';
import { ImportSources } from '../services/import-sources.ts';
import { PoolImages } from '../services/pool-images.ts';
import { PoolRemoval } from '../services/pool-removal.ts';
import { ForeignGuests } from '../services/foreign-guests.ts';
import { HostPower } from '../services/host-power.ts';
import { CoreDumps } from '../services/core-dumps.ts';
import { GuestActs } from '../services/guest-acts.ts';
import { GuestChecks } from '../services/guest-checks.ts';
import { GuestConfiguration } from '../services/guest-configuration.ts';
import { GuestConsoles } from '../services/guest-consoles.ts';
import { GuestCopies } from '../services/guest-copies.ts';
import { GuestDisks } from '../services/guest-disks.ts';
import { GuestEditing } from '../services/guest-editing.ts';
import { GuestEnds } from '../services/guest-ends.ts';
import { GuestFiles } from '../services/guest-files.ts';
import { GuestLifecycle } from '../services/guest-lifecycle.ts';
import { GuestMembership } from '../services/guest-membership.ts';
import { GuestRecords } from '../services/guest-records.ts';
import { GuestStops } from '../services/guest-stops.ts';
import { GuestSuspension } from '../services/guest-suspension.ts';
import { GuestWatch } from '../services/guest-watch.ts';
import { type BootFileFinder, StartPlanner } from '../services/start-planner.ts';
import { StateFiles } from '../services/state-files.ts';
import { Templates } from '../services/templates.ts';
import type { Store } from '../store/store.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';

export interface GuestServicesParts {
  readonly paths: AgentPaths;
  readonly settings: Pick<Settings, 'guests' | 'host' | 'limits'>;
  readonly driver: Driver;
  /** What the driver runs guests on. */
  readonly hypervisor: { readonly version: string; readonly accelerator: string };
  readonly agentVersion: string;
  readonly store: Store;
  readonly repositoryFiles: RepositoryFiles;
  readonly reader: GuestReader;
  readonly facts: HostFacts;
  readonly bootFiles: BootFileFinder;
  /** A new directory for the kernel and ramdisk of one start. */
  readonly makeBootDirectory: (path: GuestPath) => string;
  /** Memory of this server that a new guest can have now, in MiB. */
  readonly availableMemoryMib: () => Promise<number>;
  /** Bytes of each guest's console that are kept. */
  readonly consoleBytes: number;
  readonly dumpsEveryCrash: boolean;
  readonly ownAddress: () => string;
  /** Told of every change of a guest. */
  readonly events: Pick<EventLog, 'emit'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly atPoint?: OperationsParts['atPoint'];
}

/** Everything that is done with guests on one server, over one driver and one store. */
export type GuestServices = ReturnType<typeof makeGuestServices>;

/** Composes the services of guests; nothing has happened yet when it returns. */
export function makeGuestServices(parts: GuestServicesParts) {
  const { clock, driver, facts, log, paths, reader, repositoryFiles, store } = parts;
  const { guests, limits } = parts.settings;
  const records = new GuestRecords(store, clock, parts.events);
  const lanes = new GuestLanes(limits.callQueue);
  const operations = new Operations({ store, clock, log, lanes, ...(parts.atPoint ? { atPoint: parts.atPoint } : {}) });
  const acts = new GuestActs({ driver, records, lanes, operations, clock });
  const files = new GuestFiles({ paths, files: repositoryFiles, reader });
  const disks = new GuestDisks({ paths, files, repositoryFiles, holdings: () => driver.holdings() });
  const host = new CheckHost({ driver, accelerator: parts.hypervisor.accelerator, facts });
  const { kernelDirectories } = guests;
  const planner = new StartPlanner({
    driver,
    files,
    disks,
    reader,
    host,
    bootFiles: parts.bootFiles,
    makeDirectory: parts.makeBootDirectory,
    kernelDirectories,
    availableMemoryMib: parts.availableMemoryMib,
    processors: facts.processors,
  });
  const consoles = new GuestConsoles({
    driver,
    records,
    directory: paths.consoleDirectory,
    historyBytes: parts.consoleBytes,
    clock,
    log,
  });
  const membership: GuestMembership = new GuestMembership({
    driver,
    records,
    files,
    repositoryFiles,
    lanes,
    operations,
    consoles,
    isSuspended: path => suspension.isSuspended(path),
  });
  const coreDumps = new CoreDumps({
    driver,
    clock,
    directory: paths.dumpDirectory,
    always: parts.dumpsEveryCrash,
    keptPerGuest: guests.coreDumpsKept,
    spaceBytes: guests.coreDumpBytes,
  });
  const lifecycle = new GuestLifecycle({
    driver,
    records,
    acts,
    membership,
    planner,
    coreDumps,
    consoles,
    lanes,
    paths,
    clock,
    log,
    rebootTimeoutMs: guests.stopTimeoutMs,
    ownAddress: parts.ownAddress,
  });
  const suspension = new GuestSuspension({
    driver,
    records,
    acts,
    operations,
    lifecycle,
    planner,
    files,
    stateFiles: new StateFiles(clock),
    paths,
    consoles,
    clock,
    maker: {
      agentVersion: parts.agentVersion,
      hypervisor: driver.name,
      hypervisorVersion: parts.hypervisor.version,
    },
    directories: guests.stateDirectories,
  });
  const stops = new GuestStops({
    driver,
    records,
    acts,
    waits: { agentMs: guests.agentStopTimeoutMs, buttonMs: guests.stopTimeoutMs },
    discardState: path => suspension.discard(path),
  });
  const ends = new GuestEnds({
    driver,
    records,
    acts,
    coreDumps,
    clock,
    log,
    restartLimits: { most: guests.restartLimit, windowMs: guests.restartWindowMs },
    diskErrors: guests.diskError,
  });
  const watch = new GuestWatch({ driver, records, acts, ends, consoles, lanes, log });
  const removal = new PoolRemoval({ repositoryFiles, operations });
  const sources = new ImportSources({ repositoryFiles, clock });
  const templates = new Templates({
    driver,
    records,
    files,
    repositoryFiles,
    lanes,
    operations,
    sources,
    removal,
    clock,
  });
  const users = new ImageUsers({ records, files, repositoryFiles, holdings: () => driver.holdings() });
  const copies = new GuestCopies({
    driver,
    records,
    files,
    repositoryFiles,
    templates,
    reader,
    lanes,
    operations,
    clock,
  });
  const creation = new GuestCreation({
    records,
    files,
    disks,
    planner,
    repositoryFiles,
    reader,
    lanes,
    operations,
    clock,
  });
  const editing = new GuestEditing({ driver, records, files, disks, planner, reader, lanes });
  return {
    /**
     * Finds the guests that run, clears up what an earlier agent has left, and brings every record in line with the truth.
     * To be called before any act.
     * @param register makes records where there are none any more
     */
    async recover(register: () => Promise<void> = () => Promise.resolve()): Promise<readonly Recovered[]> {
      coreDumps.removeUnfinished();
      const found = await driver.adopt({ log });
      await register();
      const recovered = await operations.recover();
      await watch.adopt(found);
      return recovered;
    },
    acts,
    templates,
    copies,
    creation,
    installation: new GuestInstallation({
      driver,
      creation,
      lifecycle,
      membership,
      repositoryFiles,
      paths,
      clock,
      makeDirectory: parts.makeBootDirectory,
      machine: facts.uname.machine,
    }),
    diskCreation: new DiskCreation({ files, repositoryFiles, lanes, users, clock }),
    imageImports: new ImageImports({ files, repositoryFiles, sources, lanes, operations, clock }),
    unregistered: new UnregisteredGuests({ records, repositoryFiles }),
    images: new PoolImages({ repositoryFiles, sources, removal, users, lanes, operations }),
    records,
    lanes,
    operations,
    files,
    consoles,
    coreDumps,
    membership,
    lifecycle,
    suspension,
    stops,
    ends,
    watch,
    hostPower: new HostPower({
      records,
      files,
      disks,
      lifecycle,
      suspension,
      stops,
      clock,
      log,
      settings: parts.settings.host,
    }),
    foreign: new ForeignGuests({ driver, records, files, store, lanes, consoles }),
    checks: new GuestChecks({ driver, host, records, files, disks, editing, reader, kernelDirectories }),
    configuration: new GuestConfiguration({ editing, files, disks, reader, repositoryFiles }),
  };
}
