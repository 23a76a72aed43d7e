import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from '../support/daemon.ts';
import { cpuSeconds, median } from './measure.ts';

const REST_SECONDS = 20;

/** Processor time of this process so far, in milliseconds. */
export function processorMs(): number {
  const { system, user } = process.cpuUsage();
  return (user + system) / 1000;
}

export const percent = (share: number): string => `${(share * 100).toFixed(2)} % of a core`;

/** Processor time that an agent uses of itself, as a share of one core. */
export async function shareAtRest(daemon: Daemon): Promise<number> {
  const before = cpuSeconds(daemon.processId);
  await sleep(REST_SECONDS * 1000);
  return (cpuSeconds(daemon.processId) - before) / REST_SECONDS;
}

/** From the start of the new process until it answers and has found that many guests. */
export async function restartTime(daemon: Daemon, guests: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    await daemon.stop();
    const startedAt = performance.now();
    await daemon.start(1);
    const rows = (await daemon.local('list_domains')) as readonly unknown[];
    times.push(performance.now() - startedAt);
    if (rows.length !== guests + 1) throw new Error(`${rows.length - 1} guests were found`);
  }
  return median(times);
}
