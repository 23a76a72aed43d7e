import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SimulatedDriver } from '../../../src/drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import { AgentError } from '../../../src/errors.ts';
import type { ServerCounters } from '../../../src/host/server-counters.ts';
import type { GuestConfig } from '../../../src/model/guest-config.ts';
import { type GuestPath, parseGuestPath } from '../../../src/model/guest-path.ts';
import { DomainList, type DomainRow } from '../../../src/services/domain-list.ts';
import { GuestRecords } from '../../../src/services/guest-records.ts';
import { Performance } from '../../../src/services/performance.ts';
import type { PerformanceSample, PerformanceStore } from '../../../src/store/performance-store.ts';
import { SqlitePerformanceStore } from '../../../src/store/sqlite-performance-store.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const other = parseGuestPath('/OVS/running_pool/other');
const NO_BLOCKS = { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 };
const NO_NETWORK = { receivedBytes: 0, sentBytes: 0 };

/** Shorter than the interval: a sample comes to its end before the next is due. */
const STEP_MS = 2500;

interface Setting {
  readonly clock: ManualClock;
  readonly machine: SimulatedMachine;
  readonly records: GuestRecords;
  readonly performance: Performance;
  readonly file: string;
  readonly boot: (path: GuestPath, changes?: Partial<GuestConfig>) => void;
  readonly use: (path: GuestPath, processorTimeMs: number, bytes?: number) => void;
  readonly server: (change: Partial<ServerCounters>) => void;
  /** Lets time pass, and what is measured then come to its end. */
  readonly pass: (ms: number) => Promise<void>;
}

/** A server whose counters are moved by hand, with simulated guests. */
function setting({ intervalMs = 5000, store = true } = {}): Setting {
  const file = join(temporaryDirectory(), 'performance.db');
  const clock = new ManualClock();
  const machine = new SimulatedMachine();
  const records = new GuestRecords(SqliteStore.open(join(temporaryDirectory(), 'agent.db')), clock, {
    emit: () => undefined,
  });
  let counters: ServerCounters = {
    processors: { userMs: 0, systemMs: 0, iowaitMs: 0, stealMs: 0, idleMs: 0 },
    memory: { totalMib: 2048, availableMib: 1024, swapTotalMib: 512, swapFreeMib: 256 },
    disks: NO_BLOCKS,
    network: NO_NETWORK,
    load: [0.5, 0.4, 0.3],
  };
  let opened: PerformanceStore | undefined;
  if (store) {
    opened = new SqlitePerformanceStore(file, error => {
      throw error;
    });
  }
  const performance = new Performance({
    driver: new SimulatedDriver(machine),
    records,
    store: opened,
    readServer: () => counters,
    clock,
    log: silentLog,
    intervalMs,
  });
  onTestFinished(() => performance.close());
  return {
    clock,
    machine,
    records,
    performance,
    file,
    boot: (which, changes) => machine.boot({ path: which, config: demoConfig('guest', changes) }),
    use: (which, processorTimeMs, bytes = 0) =>
      machine.work(which, {
        processorTimeMs,
        blocks: { readBytes: bytes, writtenBytes: 2 * bytes, reads: 1, writes: 2 },
        network: { receivedBytes: 3 * bytes, sentBytes: 4 * bytes },
      }),
    server: change => {
      counters = { ...counters, ...change };
    },
    pass: async ms => {
      for (let left = ms; left >= 0; left -= STEP_MS) {
        await clock.advance(Math.min(left, STEP_MS));
        for (let turn = 0; turn < 6; turn++) await nextTurn();
      }
    },
  };
}

describe('the figures of this server', () => {
  it('are shares of its processors, and rates over the time between two samples', async () => {
    const { performance, server, pass } = setting();
    performance.start();
    server({
      processors: { userMs: 2000, systemMs: 1000, iowaitMs: 500, stealMs: 500, idleMs: 6000 },
      disks: { readBytes: 5000, writtenBytes: 10_000, reads: 5, writes: 10 },
      network: { receivedBytes: 500, sentBytes: 50 },
    });
    await pass(5000);
    expect((await performance.server()).figures).toEqual({
      cpu: 30,
      cpu_user: 20,
      cpu_system: 10,
      cpu_iowait: 5,
      cpu_steal: 5,
      cpu_idle: 60,
      load: 0.5,
      mem_total: 2048,
      mem_available: 1024,
      swap_total: 512,
      swap_free: 256,
      disk_read: 1000,
      disk_written: 2000,
      disk_reads: 1,
      disk_writes: 2,
      net_received: 100,
      net_sent: 10,
    });
  });

  it('are measured when they are asked for where no samples are taken', async () => {
    const { performance, server, clock, pass } = setting({ intervalMs: 0 });
    performance.start();
    expect(clock.waiting).toBe(0);
    const answer = performance.server();
    server({ processors: { userMs: 50, systemMs: 0, iowaitMs: 0, stealMs: 0, idleMs: 150 } });
    await pass(200);
    expect((await answer).figures.cpu).toBe(25);
  });
});

describe('the figures of guests', () => {
  it('are taken at the interval, as percent of one processor and bytes each second', async () => {
    const { performance, boot, pass, use } = setting();
    boot(path, { vcpus: 2, maxVcpus: 4 });
    performance.start();
    await pass(5000);
    use(path, 7500, 5000);
    await pass(5000);
    expect((await performance.guest(path)).figures).toEqual({
      cpu: 150,
      vcpus: 2,
      memory: 96,
      max_memory: 96,
      net_received: 3000,
      net_sent: 4000,
      block_read: 1000,
      block_written: 2000,
      block_reads: 0.2,
      block_writes: 0.4,
    });
    expect(performance.cpuPercentOf(path)).toBe(150);
  });

  it('are those of zero, not of a first sample, for a guest that does nothing', async () => {
    const { performance, boot, pass } = setting();
    boot(path);
    performance.start();
    await pass(10_000);
    expect((await performance.guest(path)).figures).toMatchObject({ cpu: 0, net_sent: 0, block_read: 0 });
  });

  it('never show a negative rate when a guest was started again', async () => {
    const { performance, boot, machine, pass, use } = setting();
    boot(path);
    use(path, 60_000, 1_000_000);
    performance.start();
    await pass(10_000);
    machine.remove(path, 'it was destroyed');
    boot(path);
    await pass(5000);
    expect(performance.cpuPercentOf(path)).toBeUndefined();
    use(path, 500);
    await pass(5000);
    expect((await performance.guest(path)).figures).toMatchObject({ cpu: 10, block_read: 0, net_sent: 0 });
  });

  it('are measured for the question when a guest was just started', async () => {
    const { performance, boot, pass, use } = setting();
    performance.start();
    await pass(5000);
    boot(path);
    const answer = performance.guest(path);
    await pass(0);
    use(path, 50);
    await pass(200);
    expect((await answer).figures.cpu).toBe(25);
  });

  it('of one that does not run, and of one that nobody knows, are refused', async () => {
    const { performance, records } = setting();
    await expect(performance.guest(path)).rejects.toMatchObject({ code: 'NO_SUCH_GUEST' });
    await records.setStatus(path, 'DOWN');
    await expect(performance.guest(path)).rejects.toThrow(
      'measure /OVS/running_pool/guest: it is DOWN and has no domain on this server; it must have been started',
    );
  });

  it('are forgotten when it has ended', async () => {
    const { performance, boot, machine, pass } = setting();
    boot(path);
    performance.start();
    await pass(10_000);
    machine.remove(path, 'it was destroyed');
    await pass(5000);
    expect(performance.cpuPercentOf(path)).toBeUndefined();
  });

  it('are not those of a driver that failed, and the next sample is taken all the same', async () => {
    const { performance, boot, machine, pass } = setting();
    boot(path);
    const passTime = machine.passTime.bind(machine);
    machine.passTime = () => {
      throw new AgentError('HYPERVISOR', 'no');
    };
    performance.start();
    await pass(10_000);
    machine.passTime = passTime;
    await pass(10_000);
    expect(performance.cpuPercentOf(path)).toBe(0);
  });
});

describe('the past', () => {
  const hours = (clock: ManualClock, count: number): number => clock.now() - count * 3_600_000;

  it('is kept in three rings: samples, minutes and quarters of an hour, with the greatest cpu beside the mean', async () => {
    const { performance, boot, clock, pass, use } = setting();
    boot(path);
    performance.start();
    const from = clock.now();
    for (let second = 0; second < 900; second += 5) {
      use(path, second % 60 === 30 ? 5000 : 500);
      await pass(5000);
    }
    const history = (resolutionSeconds?: number): readonly PerformanceSample[] =>
      performance.guestHistory(path, { from, to: undefined, resolutionSeconds });
    expect(history(5).length).toBeGreaterThan(170);
    expect(history()).toEqual(history(5));
    expect(history(7)).toEqual(history(5));
    const minute = history(60)[3]!;
    expect(minute.figures).toMatchObject({ memory: 96, vcpus: 1, cpu_max: 100 });
    expect(minute.figures['cpu']).toBeCloseTo((11 * 10 + 100) / 12, 1);
    const [quarter] = history(1000);
    expect(quarter).toMatchObject({ at: from / 1000, figures: { cpu_max: 100 } });
    expect(quarter!.figures['cpu']).toBeCloseTo(17.5, 0);
    expect(performance.serverHistory({ from, to: undefined, resolutionSeconds: 60 })[1]!.figures).toMatchObject({
      mem_total: 2048,
      load: 0.5,
    });
  });

  it('is the finest that reaches back so far', async () => {
    const { performance, clock, pass } = setting();
    performance.start();
    await pass(600_000);
    const count = (hoursBack: number): number =>
      performance.serverHistory({ from: hours(clock, hoursBack), to: undefined, resolutionSeconds: undefined }).length;
    expect([count(1), count(20), count(300)]).toEqual([120, 11, 1]);
  });

  it('ends where it is asked to end, and refuses one that ends before it begins', async () => {
    const { performance, clock, pass } = setting();
    performance.start();
    await pass(300_000);
    const [from, to] = [clock.now() - 200_000, clock.now() - 100_000];
    const found = performance.serverHistory({ from, to, resolutionSeconds: 5 });
    expect(found.length).toBe(21);
    expect(() => performance.serverHistory({ from: to, to: from, resolutionSeconds: undefined })).toThrow(
      /is after .*; from must not be after to/,
    );
  });

  it('is there of a guest that has ended, and of nobody else', async () => {
    const { performance, boot, clock, machine, pass } = setting();
    boot(path);
    performance.start();
    await pass(60_000);
    machine.remove(path, 'it was destroyed');
    await pass(60_000);
    const span = { from: clock.now() - 300_000, to: undefined, resolutionSeconds: 5 };
    expect(performance.guestHistory(path, span).length).toBeGreaterThan(8);
    expect(() => performance.guestHistory(other, span)).toThrow(/is not registered/);
  });

  it('loses at most the last minute when the agent is killed', async () => {
    const { performance, boot, clock, file, pass } = setting();
    for (let index = 0; index < 40; index++) boot(parseGuestPath(`/OVS/running_pool/g${index}`));
    performance.start();
    await pass(600_000);
    // What another process sees is what would be left.
    const seen = new SqlitePerformanceStore(file, () => undefined);
    onTestFinished(() => seen.close());
    const now = clock.now() / 1000;
    for (let index = 0; index < 40; index++) {
      const ring = { spanSeconds: 0, keptSeconds: 3600 };
      const samples = seen.read(`/OVS/running_pool/g${index}`, ring, 0, now);
      expect(now - samples.at(-1)!.at).toBeLessThanOrEqual(60);
    }
  });

  it('is written whole when the agent stops', async () => {
    const { performance, clock, file, pass } = setting();
    performance.start();
    await pass(30_000);
    await performance.close();
    const left = new SqlitePerformanceStore(file, () => undefined);
    onTestFinished(() => left.close());
    expect(left.read('', { spanSeconds: 0, keptSeconds: 3600 }, 0, clock.now() / 1000)).toHaveLength(6);
  });

  it('is refused with what to do where its database could not be opened; the present is not', async () => {
    const { performance, boot, clock, pass } = setting({ store: false });
    boot(path);
    performance.start();
    await pass(10_000);
    expect(performance.cpuPercentOf(path)).toBe(0);
    expect(() => performance.serverHistory({ from: clock.now(), to: undefined, resolutionSeconds: undefined })).toThrow(
      /its database could not be opened; see the log/,
    );
  });
});

describe('the list of domains', () => {
  async function listed(): Promise<ReadonlyMap<string, DomainRow>> {
    const all = setting();
    const { boot, machine, pass, performance, records, server, use } = all;
    const names = ['busy', 'idle', 'paused', 'halted', 'crashed', 'unreachable'];
    const paths = names.map(name => parseGuestPath(`/OVS/running_pool/${name}`));
    for (const each of paths) boot(each);
    for (const state of ['paused', 'halted', 'crashed', 'unreachable'] as const) {
      machine.set(parseGuestPath(`/OVS/running_pool/${state}`), state);
    }
    await records.setStatus(paths[0]!, 'RUNNING');
    performance.start();
    await pass(5000);
    use(paths[0]!, 3000, 100);
    server({ processors: { userMs: 5000, systemMs: 5000, iowaitMs: 0, stealMs: 0, idleMs: 10_000 } });
    await pass(5000);
    const rows = await new DomainList({ performance, records, processors: 4 }).rows();
    return new Map(rows.map(row => [row.name, row]));
  }

  it('begins with the server itself, in the place of Domain-0', async () => {
    const rows = await listed();
    expect([...rows.values()][0]).toEqual({
      name: 'Domain-0',
      path: '',
      id: 0,
      memoryMib: 2048,
      maxMemoryMib: 2048,
      vcpus: 4,
      state: 'r-----',
      status: 'RUNNING',
      processorTimeMs: 10_000,
      cpuPercent: 200,
      receivedBytes: 0,
      sentBytes: 0,
      readBytes: 0,
      writtenBytes: 0,
      reads: 0,
      writes: 0,
    });
  });

  it('tells of each guest what it has used since its start', async () => {
    expect((await listed()).get('busy')).toEqual({
      name: 'busy',
      path: '/OVS/running_pool/busy',
      id: expect.any(Number) as number,
      memoryMib: 96,
      maxMemoryMib: 96,
      vcpus: 1,
      state: 'r-----',
      status: 'RUNNING',
      processorTimeMs: 3000,
      cpuPercent: 60,
      receivedBytes: 300,
      sentBytes: 400,
      readBytes: 100,
      writtenBytes: 200,
      reads: 1,
      writes: 2,
    });
  });

  it('has the letters of xl list, and the status of those that nobody registered', async () => {
    const rows = await listed();
    expect([...rows].map(([name, { state, status }]) => `${name} ${state} ${status}`)).toEqual([
      'Domain-0 r----- RUNNING',
      'busy r----- RUNNING',
      'idle -b---- RUNNING',
      'paused --p--- PAUSED',
      'halted ---s-- SHUTTING_DOWN',
      'crashed ----c- ERROR',
      'unreachable ------ UNKNOWN',
    ]);
  });
});
