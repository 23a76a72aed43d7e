import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { AgentPaths } from '../../src/config/paths.ts';
import type { Driver } from '../../src/drivers/driver.ts';
import { SimulatedDriver, SimulatedMachine } from '../../src/drivers/simulated/simulated-driver.ts';
import { systemClock } from '../../src/host/clock.ts';
import type { HostFacts } from '../../src/host/inventory.ts';
import { type GuestPath, parseGuestPath } from '../../src/model/guest-path.ts';
import { GuestLanes } from '../../src/operations/guest-lanes.ts';
import { CheckHost } from '../../src/services/check-host.ts';
import { CoreDumps } from '../../src/services/core-dumps.ts';
import { GuestChecks } from '../../src/services/guest-checks.ts';
import { GuestConfiguration } from '../../src/services/guest-configuration.ts';
import { GuestConsoles } from '../../src/services/guest-consoles.ts';
import { GuestDisks } from '../../src/services/guest-disks.ts';
import { GuestEditing } from '../../src/services/guest-editing.ts';
import { GuestFiles } from '../../src/services/guest-files.ts';
import { GuestLifecycle } from '../../src/services/guest-lifecycle.ts';
import { GuestMembership } from '../../src/services/guest-membership.ts';
import { GuestRecords } from '../../src/services/guest-records.ts';
import { type BootFileFinder, StartPlanner } from '../../src/services/start-planner.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';
import { silentLog } from './silent-log.ts';
import { temporaryDirectory } from './temporary.ts';

export const caller = { user: 'tester', log: silentLog };
export const guestPath = parseGuestPath('/OVS/running_pool/guest');

export interface GuestServices {
  readonly machine: SimulatedMachine;
  readonly driver: Driver;
  readonly files: GuestFiles;
  readonly lifecycle: GuestLifecycle;
  readonly membership: GuestMembership;
  readonly records: GuestRecords;
  readonly configuration: GuestConfiguration;
  readonly checks: GuestChecks;
  readonly consoles: GuestConsoles;
  readonly lanes: GuestLanes;
  readonly root: string;
  readonly status: () => string | undefined;
}

const hostFacts: HostFacts = {
  hostname: 'ovs1',
  uname: facts64.uname,
  processors: 4,
  processorMhz: 2000,
  totalMemoryMib: 2048,
};

/** A guest's directory with its file, below a root directory. */
export function writeGuest(root: string, path: GuestPath, lines: readonly string[]): void {
  mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, path, 'vm.cfg'), lines.join('\n'));
}

const noBootFiles: BootFileFinder = { find: () => Promise.reject(new Error('no boot loader is asked')) };

/** The services over a simulated machine, with a guest whose directory and guest file are there. */
export function guestServices({
  machine = new SimulatedMachine(),
  lines = [] as string[],
  stopTimeoutMs = 10_000,
  wrap = (driver: Driver): Driver => driver,
  root = temporaryDirectory(),
  historyBytes = 1024,
  bootFiles = noBootFiles,
} = {}): GuestServices {
  const paths = new AgentPaths(root);
  mkdirSync(paths.onDisk('/boot'), { recursive: true });
  writeFileSync(paths.onDisk('/boot/vmlinuz'), '');
  writeGuest(root, guestPath, ["kernel = '/boot/vmlinuz'", 'memory = 64', ...lines]);
  const store = SqliteStore.open(join(root, 'agent.db'));
  onTestFinished(() => store.close());
  const driver = wrap(new SimulatedDriver(machine));
  const records = new GuestRecords(store, systemClock);
  const lanes = new GuestLanes(8);
  const reader = new GuestReader(facts64);
  const files = new GuestFiles({ paths, reader });
  const disks = new GuestDisks({ paths, files, holdings: () => driver.holdings() });
  const kernelDirectories = ['/boot'];
  const host = new CheckHost({ driver, accelerator: 'tcg', facts: hostFacts });
  const planner = new StartPlanner({
    driver,
    files,
    disks,
    reader,
    host,
    bootFiles,
    makeDirectory: () => temporaryDirectory(),
    kernelDirectories,
    availableMemoryMib: () => 1000,
    processors: hostFacts.processors,
  });
  const consoles = new GuestConsoles({
    driver,
    records,
    clock: systemClock,
    log: silentLog,
    directory: paths.onDisk('/consoles'),
    historyBytes,
  });
  onTestFinished(() => consoles.close());
  const membership = new GuestMembership({ driver, records, files, lanes, consoles });
  const lifecycle = new GuestLifecycle({
    driver,
    records,
    membership,
    planner,
    consoles,
    coreDumps: new CoreDumps({
      driver,
      clock: systemClock,
      directory: paths.onDisk('/dumps'),
      always: false,
      keptPerGuest: 2,
      spaceBytes: 2 ** 30,
    }),
    lanes,
    clock: systemClock,
    log: silentLog,
    stopTimeoutMs,
    ownAddress: () => '10.0.0.1',
  });
  const editing = new GuestEditing({ driver, records, files, disks, planner, reader, lanes });
  return {
    machine,
    driver,
    files,
    lifecycle,
    membership,
    records,
    configuration: new GuestConfiguration({ editing, files, disks, reader, paths }),
    checks: new GuestChecks({
      driver,
      host,
      records,
      files,
      disks,
      editing,
      reader,
      kernelDirectories,
    }),
    consoles,
    lanes,
    root,
    status: () => records.find(guestPath)?.status,
  };
}
