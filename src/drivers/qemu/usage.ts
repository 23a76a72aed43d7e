import type { InterfaceCounters } from '../../host/kernel-counters.ts';
import type { DomainStatistics } from '../driver.ts';
import type { MeasuredDomain } from './statistics.ts';

const MIB = 2 ** 20;

/** Of a guest that was not asked yet. */
export const NOTHING: DomainStatistics['blocks'] = { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 };

/** MiB that the balloon leaves to the guest (QAPI BalloonInfo). */
export async function balloonMib(domain: MeasuredDomain): Promise<number> {
  const { actual } = (await domain.execute('query-balloon')) as { actual: number };
  return Math.round(actual / MIB);
}

/** Sum over the disks and drives that it has now (QAPI BlockDeviceStats). */
export async function blocksOf(domain: MeasuredDomain): Promise<DomainStatistics['blocks']> {
  const devices = (await domain.execute('query-blockstats')) as readonly {
    readonly stats: {
      readonly rd_bytes: number;
      readonly wr_bytes: number;
      readonly rd_operations: number;
      readonly wr_operations: number;
    };
  }[];
  const sum = { ...NOTHING };
  for (const { stats } of devices) {
    sum.readBytes += stats.rd_bytes;
    sum.writtenBytes += stats.wr_bytes;
    sum.reads += stats.rd_operations;
    sum.writes += stats.wr_operations;
  }
  return sum;
}

/** How many processors it has (QAPI CpuInfoFast). */
export async function processorsOf(domain: MeasuredDomain): Promise<number> {
  return ((await domain.execute('query-cpus-fast')) as readonly unknown[]).length;
}

/** A tap receives what the guest sends. The user-mode network inside QEMU counts nothing. */
export function networkOf(
  { note }: MeasuredDomain,
  interfaces: ReadonlyMap<string, InterfaceCounters>,
): DomainStatistics['network'] {
  let [receivedBytes, sentBytes] = [0, 0];
  for (const name of Object.values(note.taps)) {
    const counters = interfaces.get(name);
    receivedBytes += counters?.sentBytes ?? 0;
    sentBytes += counters?.receivedBytes ?? 0;
  }
  return { receivedBytes, sentBytes };
}
