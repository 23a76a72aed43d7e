import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DomainStatistics } from '../../src/drivers/driver.ts';
import { probeQemu } from '../../src/drivers/qemu/probe.ts';
import { QemuDriver } from '../../src/drivers/qemu/qemu-driver.ts';
import { systemClock } from '../../src/host/clock.ts';
import { Daemon } from '../support/daemon.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitUntil } from '../support/wait.ts';
import { percent, processorMs, restartTime, shareAtRest } from './agent-load.ts';
import { median, milliseconds, type Row } from './measure.ts';

/** Guests for which the cost is computed from those that run. */
const MANY = 500;
const REAL = 20;
const INTERVAL_MS = 5000;
/** QEMU guests that the driver asks each second. */
const ASKED_PER_SECOND = 25;

/** What it costs to know what real guests use, and to find them again. */
export async function benchRealStatistics(): Promise<Row[]> {
  const daemon = await new Daemon(['[performance]', `interval=${INTERVAL_MS / 1000}`]).start();
  try {
    for (let index = 0; index < REAL; index++) {
      const path = daemon.makeGuest(`real${index}`);
      const reply = await daemon.local('start_vm', path);
      if (!String(reply).startsWith('success')) throw new Error(String(reply));
    }
    // What is measured is the agent, and not the boot of its guests beside it.
    await waitUntil(
      'all guests are idle',
      async () => {
        const rows = (await daemon.local('list_domains')) as { cpu_percent?: number }[];
        return rows.slice(1).every(row => (row.cpu_percent ?? 100) < 5);
      },
      300_000,
      1000,
    );
    const share = await shareAtRest(daemon);
    for (let index = 0; index < MANY; index++) {
      const path = daemon.makeGuest(`known${index}`);
      const reply = await daemon.local('register_vm', path);
      if (!String(reply).startsWith('success')) throw new Error(String(reply));
    }
    const restart = await restartTime(daemon, REAL);
    await daemon.stop();
    const costs = await costsOfReal(daemon);
    const asked = Math.min(ASKED_PER_SECOND * (INTERVAL_MS / 1000), MANY);
    const computed = (MANY * costs.kernelMs + asked * costs.askedMs) / INTERVAL_MS;
    return [
      {
        work: `an agent with ${REAL} QEMU guests, at rest`,
        floor: '',
        product: percent(share),
        ratio: undefined,
        target: '< 3 %',
        isMet: share < 0.03,
      },
      {
        work: `statistics of ${MANY} QEMU guests each ${INTERVAL_MS / 1000} s, computed from ${REAL}`,
        floor: '',
        product:
          `${percent(computed)} (a guest: ${(costs.kernelMs * 1000).toFixed(0)} µs for the kernel's figures, ` +
          `${(costs.askedMs * 1000).toFixed(0)} µs when QEMU is asked)`,
        ratio: undefined,
        target: '< 3 %',
        isMet: computed < 0.03,
      },
      {
        work: `restart of an agent with ${REAL} QEMU guests and ${MANY} that are DOWN, until it has found them and answers`,
        floor: '',
        product: milliseconds(restart),
        ratio: undefined,
        target: '< 2 s',
        isMet: restart < 2000,
      },
    ];
  } finally {
    await daemon.dispose();
  }
}

/** Processor time of this process for one guest: read from the kernel alone, and what is added when QEMU is asked. */
async function costsOfReal(daemon: Daemon): Promise<{ readonly kernelMs: number; readonly askedMs: number }> {
  const program = 'qemu-system-x86_64';
  const driver = new QemuDriver({
    program,
    runtimeDirectory: daemon.paths.guestRuntimeDirectory,
    startTimeoutMs: 10_000,
    processors: [],
    host: { userNetwork: 'restricted', vncPorts: { first: 5950, last: 5999 } },
    probe: () =>
      probeQemu({
        program,
        accelerator: 'auto',
        memoryFile: join(daemon.root, 'probe.json'),
        searchPath: process.env['PATH'] ?? '',
        clock: systemClock,
      }),
    clock: systemClock,
    log: silentLog,
  });
  try {
    await driver.adopt({ log: silentLog });
    const read = async (): Promise<void> => requireAll(await driver.statistics());
    for (let round = 0; round < 3; round++) await read();
    const kernel: number[] = [];
    const asked: number[] = [];
    for (let round = 0; round < 10; round++) {
      await sleep(1000);
      asked.push(await processorTimeOf(read));
      kernel.push(
        (await processorTimeOf(async () => {
          for (let again = 0; again < 20; again++) await read();
        })) / 20,
      );
    }
    const kernelMs = median(kernel) / REAL;
    return { kernelMs, askedMs: median(asked) / REAL - kernelMs };
  } finally {
    await driver.close();
  }
}

function requireAll(all: readonly DomainStatistics[]): void {
  if (all.length !== REAL || all.some(one => one.processorTimeMs === 0)) throw new Error('guests are missing');
}

async function processorTimeOf(work: () => Promise<void>): Promise<number> {
  const before = processorMs();
  await work();
  return processorMs() - before;
}
