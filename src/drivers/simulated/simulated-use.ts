import type { DomainStatistics } from '../driver.ts';

/** What a simulated domain has used since its start. */
export type SimulatedUse = Pick<DomainStatistics, 'processorTimeMs' | 'blocks' | 'network'>;

export const UNUSED: SimulatedUse = {
  processorTimeMs: 0,
  blocks: { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 },
  network: { receivedBytes: 0, sentBytes: 0 },
};

export function sumOf(used: SimulatedUse, more: SimulatedUse): SimulatedUse {
  const { blocks, network, processorTimeMs } = used;
  return {
    processorTimeMs: processorTimeMs + more.processorTimeMs,
    blocks: {
      readBytes: blocks.readBytes + more.blocks.readBytes,
      writtenBytes: blocks.writtenBytes + more.blocks.writtenBytes,
      reads: blocks.reads + more.blocks.reads,
      writes: blocks.writes + more.blocks.writes,
    },
    network: {
      receivedBytes: network.receivedBytes + more.network.receivedBytes,
      sentBytes: network.sentBytes + more.network.sentBytes,
    },
  };
}

/** What a domain does in a while that keeps so many percent of a processor busy. */
export function steadyWork(elapsedMs: number, percent: number): SimulatedUse {
  const bytes = Math.round(elapsedMs * percent);
  const operations = Math.round(bytes / 4096);
  return {
    processorTimeMs: Math.round((elapsedMs * percent) / 100),
    blocks: { readBytes: bytes, writtenBytes: 2 * bytes, reads: operations, writes: 2 * operations },
    network: { receivedBytes: 3 * bytes, sentBytes: bytes },
  };
}
