import { guestNameOf, type GuestPath } from '../model/guest-path.ts';
import { type DomainState, type GuestStatus, statusFrom } from '../model/guest-state.ts';
import type { MeasuredGuest } from './guest-meter.ts';
import type { GuestRecords } from './guest-records.ts';
import type { MeasuredServer, Performance } from './performance.ts';

/** One row of `xm list` and `xm top`. */
export interface DomainRow {
  readonly name: string;
  readonly path: string;
  readonly id: number;
  readonly memoryMib: number;
  readonly maxMemoryMib: number;
  readonly vcpus: number;
  /** The six letters of xl(1), list. */
  readonly state: string;
  readonly status: GuestStatus;
  readonly processorTimeMs: number;
  /** Percent of one processor, where it is known. */
  readonly cpuPercent: number | undefined;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export interface DomainListParts {
  readonly performance: Pick<Performance, 'guests' | 'server'>;
  readonly records: GuestRecords;
  /** Number of this server's processors. */
  readonly processors: number;
}

/** Letters of xl(1): r runs, b waits for something to do, p paused, s shut down, c crashed, d about to end. */
const LETTERS: Readonly<Record<string, string>> = {
  running: 'r-----',
  // Xen keeps a domain paused while it is built.
  starting: '--p---',
  paused: '--p---',
  // Stopped by the hypervisor, as a paused one is.
  stuck: '--p---',
  halted: '---s--',
  crashed: '----c-',
};
const BLOCKED = '-b----';
const NO_LETTERS = '------';
/** A guest that uses less of a processor waits for something to do most of the time. */
const BUSY_PERCENT = 10;

/** What runs on this server, as `xm list` tells it: the server itself first, in the place of Xen's Domain-0. */
export class DomainList {
  readonly #parts: DomainListParts;

  constructor(parts: DomainListParts) {
    this.#parts = parts;
  }

  async rows(): Promise<readonly DomainRow[]> {
    const { performance, processors, records } = this.#parts;
    const [server, guests] = await Promise.all([performance.server(), performance.guests()]);
    const stored = new Map(records.list().map(({ path, status }) => [path, status]));
    return [serverRow(server, processors), ...[...guests].map(([path, guest]) => guestRow(path, guest, stored))];
  }
}

function serverRow({ counters, figures }: MeasuredServer, processors: number): DomainRow {
  const { disks, memory, network } = counters;
  return {
    name: 'Domain-0',
    path: '',
    id: 0,
    memoryMib: memory.totalMib,
    maxMemoryMib: memory.totalMib,
    vcpus: processors,
    state: LETTERS['running']!,
    status: 'RUNNING',
    processorTimeMs: counters.processors.userMs + counters.processors.systemMs,
    cpuPercent: figures.cpu === undefined ? undefined : figures.cpu * processors,
    ...network,
    ...disks,
  };
}

function guestRow(
  path: GuestPath,
  { figures, statistics }: MeasuredGuest,
  stored: ReadonlyMap<GuestPath, GuestStatus>,
): DomainRow {
  const { blocks, id, maxMemoryMib, memoryMib, network, processorTimeMs, state, vcpus } = statistics;
  return {
    name: guestNameOf(path),
    path,
    id: id ?? -1,
    memoryMib,
    maxMemoryMib,
    vcpus,
    state: lettersOf(state, figures.cpu),
    status: stored.get(path) ?? statusFrom('UNKNOWN', state),
    processorTimeMs,
    cpuPercent: figures.cpu,
    ...network,
    ...blocks,
  };
}

function lettersOf(state: DomainState, cpuPercent: number | undefined): string {
  if (state === 'running' && cpuPercent !== undefined && cpuPercent < BUSY_PERCENT) return BLOCKED;
  return LETTERS[state] ?? NO_LETTERS;
}
