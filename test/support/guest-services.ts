import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type GuestServices, makeGuestServices } from '../../src/app/guest-services.ts';
import { AgentPaths } from '../../src/config/paths.ts';
import { parseSettings } from '../../src/config/settings.ts';
import type { Driver } from '../../src/drivers/driver.ts';
import { SimulatedDriver } from '../../src/drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../../src/drivers/simulated/simulated-machine.ts';
import { systemClock } from '../../src/host/clock.ts';
import type { HostFacts } from '../../src/host/inventory.ts';
import { type GuestPath, parseGuestPath } from '../../src/model/guest-path.ts';
import type { OperationsParts } from '../../src/operations/operations.ts';
import type { BootFileFinder } from '../../src/services/start-planner.ts';
import type { NewEvent } from '../../src/services/event-log.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';
import { repositoryFilesOf } from './repository-files.ts';
import { silentLog } from './silent-log.ts';
import { temporaryDirectory } from './temporary.ts';

export const caller = { user: 'tester', log: silentLog };
export const guestPath = parseGuestPath('/OVS/running_pool/guest');

export interface TestedServices extends GuestServices {
  readonly machine: SimulatedMachine;
  readonly driver: Driver;
  readonly store: SqliteStore;
  /** What was told, in order. */
  readonly events: readonly NewEvent[];
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
  /** Lines of agent.ini. */
  settings = ['[guests]', 'stop_timeout=10'] as readonly string[],
  clock = systemClock,
  atPoint = undefined as OperationsParts['atPoint'],
  wrap = (driver: Driver): Driver => driver,
  /** Of earlier services, whose files and guests are there. */
  earlierRoot = '',
  historyBytes = 1024,
  bootFiles = noBootFiles,
} = {}): TestedServices {
  const root = earlierRoot || temporaryDirectory();
  const paths = new AgentPaths(root);
  mkdirSync(paths.onDisk('/boot'), { recursive: true });
  writeFileSync(paths.onDisk('/boot/vmlinuz'), '');
  if (!earlierRoot) writeGuest(root, guestPath, ["kernel = '/boot/vmlinuz'", 'memory = 64', ...lines]);
  const store = SqliteStore.open(join(root, 'agent.db'));
  onTestFinished(() => store.close());
  const driver = wrap(new SimulatedDriver(machine));
  const events: NewEvent[] = [];
  const made = makeGuestServices({
    paths,
    settings: parseSettings(settings.join('\n'), 'agent.ini'),
    driver,
    hypervisor: { version: '1', accelerator: 'tcg' },
    agentVersion: '1.0.0',
    store,
    repositoryFiles: repositoryFilesOf(paths),
    reader: new GuestReader(facts64),
    facts: hostFacts,
    bootFiles,
    makeBootDirectory: () => temporaryDirectory(),
    availableMemoryMib: () => Promise.resolve(1000),
    consoleBytes: historyBytes,
    dumpsEveryCrash: false,
    ownAddress: () => '10.0.0.1',
    events: { emit: event => void events.push(event) },
    clock,
    log: silentLog,
    ...(atPoint ? { atPoint } : {}),
  });
  onTestFinished(() => made.consoles.close());
  return { ...made, machine, driver, store, events, root, status: () => made.records.find(guestPath)?.status };
}
