import { describe, expect, it } from 'vitest';
import { absentDomain } from '../../../src/drivers/driver.ts';
import { startSizes } from '../../../src/drivers/qemu/start-sizes.ts';
import { type MeasuredDomain, QemuStatistics } from '../../../src/drivers/qemu/statistics.ts';
import { AgentError } from '../../../src/errors.ts';
import { type Clock, systemClock } from '../../../src/host/clock.ts';
import type { ProcessTimes } from '../../../src/host/kernel-counters.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import type { DomainState } from '../../../src/model/guest-state.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/silent-log.ts';

class FakeQemu {
  state: DomainState = 'running';
  hasEnded = false;
  /** Commands that were sent, and those that are never answered. */
  readonly asked: string[] = [];
  readonly silentTo = new Set<string>();
  taps: Record<string, string> = {};
  writtenBytes = 4096;
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  get domain(): MeasuredDomain {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the getters below are those of the domain
    const qemu = this;
    const path = parseGuestPath(`/OVS/running_pool/g${this.id}`);
    const answers: Readonly<Record<string, () => unknown>> = {
      'query-balloon': () => ({ actual: 100 * 2 ** 20 }),
      'query-blockstats': () => [
        { stats: { rd_bytes: 512, wr_bytes: qemu.writtenBytes, rd_operations: 1, wr_operations: 2 } },
        { stats: { rd_bytes: 512, wr_bytes: 0, rd_operations: 1, wr_operations: 0 } },
      ],
      'query-cpus-fast': () => [{}, {}],
    };
    return {
      path,
      process: { id: this.id, ended: new Promise(() => undefined) },
      get hasEnded() {
        return qemu.hasEnded;
      },
      isAlive: () => true,
      get note() {
        return { taps: qemu.taps } as unknown as MeasuredDomain['note'];
      },
      async inspect() {
        await this.execute('query-status');
        return { ...absentDomain(path), state: qemu.state, id: qemu.id };
      },
      execute(command: string) {
        qemu.asked.push(command);
        return qemu.silentTo.has(command) ? new Promise(() => undefined) : Promise.resolve(answers[command]?.());
      },
    };
  }
}

function statisticsOf(
  qemus: readonly FakeQemu[],
  clock: Clock = systemClock,
): {
  readonly statistics: QemuStatistics;
  readonly domains: MeasuredDomain[];
  readonly times: Map<number, ProcessTimes>;
} {
  const domains = qemus.map(qemu => qemu.domain);
  const times = new Map(qemus.map(({ id }) => [id, { processorTimeMs: id * 10, startedAtTicks: id }]));
  const statistics = new QemuStatistics({
    domains: () => domains,
    clock,
    log: silentLog,
    process: id => times.get(id),
    argumentsOf: () => ['qemu', '-m', 'size=96M,slots=32,maxmem=352M', '-smp', 'cpus=1,maxcpus=2'],
    interfaces: () =>
      new Map([
        ['vm1.a', { receivedBytes: 10, sentBytes: 20 }],
        ['vm1.b', { receivedBytes: 1, sentBytes: 2 }],
        ['eth0', { receivedBytes: 1000, sentBytes: 1000 }],
      ]),
  });
  return { statistics, domains, times };
}

const many = (count: number): FakeQemu[] => Array.from({ length: count }, (_, index) => new FakeQemu(index + 1));

describe('what QEMU guests use', () => {
  it('is put together from the kernel and from QEMU, from the point of view of the guest', async () => {
    const qemu = new FakeQemu(7);
    qemu.taps = { a: 'vm1.a', b: 'vm1.b', gone: 'vm1.c' };
    const { statistics } = statisticsOf([qemu], new ManualClock());
    expect(await statistics.read()).toEqual([
      {
        path: '/OVS/running_pool/g7',
        state: 'running',
        id: 7,
        vcpus: 2,
        processorTimeMs: 70,
        memoryMib: 100,
        maxMemoryMib: 352,
        blocks: { readBytes: 1024, writtenBytes: 4096, reads: 2, writes: 2 },
        network: { receivedBytes: 22, sentBytes: 11 },
        answerAgeMs: 0,
      },
    ]);
  });

  it('is told of all others at once when one does not answer, and of that one with what is known', async () => {
    const [silent, ...others] = many(20);
    silent!.silentTo.add('query-status');
    const { statistics } = statisticsOf([silent!, ...others]);
    const startedAt = performance.now();
    const all = await statistics.read();
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(all).toHaveLength(20);
    expect(all.find(one => one.id === silent!.id)).toMatchObject({
      state: 'unreachable',
      processorTimeMs: 10,
      memoryMib: 96,
      vcpus: 1,
    });
    expect(all.filter(one => one.state === 'running')).toHaveLength(19);
    // It is not asked again while its answer is due.
    await statistics.read();
    expect(silent!.asked).toEqual(['query-status']);
  });

  it('keeps what a guest said last when it says no more, with how old that is', async () => {
    const clock = new ManualClock();
    const qemu = new FakeQemu(1);
    const { statistics } = statisticsOf([qemu], clock);
    await statistics.read();
    qemu.state = 'unreachable';
    await clock.advance(5000);
    expect(await statistics.read()).toMatchObject([
      { state: 'unreachable', memoryMib: 100, blocks: { writtenBytes: 4096 }, answerAgeMs: 5000 },
    ]);
  });

  it('is asked of many guests by turns: the kernel each time, QEMU at a bounded pace', async () => {
    const clock = new ManualClock();
    const qemus = many(500);
    const { statistics } = statisticsOf(qemus, clock);
    const askedNow = (): number => qemus.filter(qemu => qemu.asked.splice(0).length > 0).length;
    expect(await statistics.read()).toHaveLength(500);
    expect(askedNow()).toBe(150);
    let asked = 0;
    for (let second = 0; second < 20; second += 5) {
      await clock.advance(5000);
      await statistics.read();
      asked += askedNow();
    }
    expect(asked).toBe(500);
    expect((await statistics.read()).every(one => one.state === 'running')).toBe(true);
  });

  it('is asked once of many readings that follow closely', async () => {
    const clock = new ManualClock();
    const qemu = new FakeQemu(1);
    const { statistics } = statisticsOf([qemu], clock);
    for (let reading = 0; reading < 10; reading++) {
      await statistics.read();
      await clock.advance(50);
    }
    expect(qemu.asked).toEqual(['query-status', 'query-balloon', 'query-blockstats', 'query-cpus-fast']);
  });

  it('is asked at once of a guest to which something happened, however many wait for their turn', async () => {
    const clock = new ManualClock();
    const qemus = many(400);
    const { domains, statistics } = statisticsOf(qemus, clock);
    for (let round = 0; round < 4; round++) {
      await clock.advance(6000);
      await statistics.read();
    }
    await statistics.read();
    for (const index of [0, 399]) {
      qemus[index]!.state = 'paused';
      statistics.changed(domains[index]!);
      expect((await statistics.read())[index]).toMatchObject({ state: 'paused' });
    }
  });

  it('is not told of a process that has ended, nor of another one that got its number', async () => {
    const qemus = many(3);
    const { statistics, times } = statisticsOf(qemus);
    expect(await statistics.read()).toHaveLength(3);
    times.delete(1);
    times.set(2, { processorTimeMs: 5, startedAtTicks: 99 });
    expect((await statistics.read()).map(one => one.id)).toEqual([3]);
    qemus[2]!.hasEnded = true;
    expect(await statistics.read()).toEqual([]);
  });

  it('survives a QEMU that refuses a question', async () => {
    const qemu = new FakeQemu(1);
    const { domains, statistics } = statisticsOf([qemu]);
    const { execute } = domains[0]!;
    domains[0]!.execute = command =>
      command === 'query-balloon' ? Promise.reject(new AgentError('HYPERVISOR', 'no')) : execute(command);
    expect(await statistics.read()).toMatchObject([{ processorTimeMs: 10, memoryMib: 96 }]);
  });

  it.each([
    [['-m', 'size=96M', '-smp', 'cpus=2'], { memoryMib: 96, maxMemoryMib: 96, vcpus: 2 }],
    [
      ['-m', 'size=96M,slots=32,maxmem=1024M', '-smp', 'cpus=1,maxcpus=4'],
      { memoryMib: 96, maxMemoryMib: 1024, vcpus: 1 },
    ],
    [[], { memoryMib: 0, maxMemoryMib: 0, vcpus: 0 }],
  ])('reads the sizes of a start from %j', (args, sizes) => {
    expect(startSizes(args)).toEqual(sizes);
  });
});
