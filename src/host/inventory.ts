import { readFileSync } from 'node:fs';
import { cpus, hostname, machine, networkInterfaces, release, totalmem, type, version } from 'node:os';
import type { SystemName } from '../model/system-name.ts';
import type { Clock } from './clock.ts';

/** Figures of this server. Sources: proc(5), uname(2). */
export interface HostFacts {
  readonly hostname: string;
  readonly uname: SystemName;
  readonly processors: number;
  readonly processorMhz: number;
  readonly totalMemoryMib: number;
}

export function readHostFacts(): HostFacts {
  const processors = cpus();
  return {
    hostname: hostname(),
    uname: { sysname: type(), nodename: hostname(), release: release(), version: version(), machine: machine() },
    processors: processors.length,
    processorMhz: readProcessorMhz(),
    totalMemoryMib: Math.floor(totalmem() / 2 ** 20),
  };
}

function readProcessorMhz(): number {
  return Math.round(Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 0));
}

/** Memory that new programs can have without swapping, in MiB. */
export function readAvailableMemoryMib(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return Math.floor(Number(kib) / 1024);
}

/** Load of the last 1, 5 and 15 minutes. */
export function readLoad(): readonly number[] {
  return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).map(Number);
}

/** Addresses of this server, those that others can reach first. */
export function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? []);
  const usable = all.filter(item => !(item.family === 'IPv6' && item.scopeid !== 0));
  const rank = (item: (typeof all)[number]): number => (item.internal ? 2 : 0) + (item.family === 'IPv6' ? 1 : 0);
  return usable.sort((left, right) => rank(left) - rank(right)).map(item => item.address);
}

interface ProcessorTimes {
  readonly idle: number;
  readonly total: number;
}

/** Shortest time over which idleness is measured: the kernel counts in hundredths of a second. */
const SHORTEST_SPAN_MS = 200;

/** How idle the processors are: measured since the last question, or since the one before when that was just now. */
export class ProcessorMeter {
  readonly #clock: Clock;
  readonly #read: () => ProcessorTimes;
  #from: ProcessorTimes & { readonly at: number };
  #idle: number | undefined;

  constructor(clock: Clock, read: () => ProcessorTimes = readProcessorTimes) {
    this.#clock = clock;
    this.#read = read;
    this.#from = { ...read(), at: clock.monotonic() };
  }

  /** Share of idle time, 0 to 1; waits for the shortest span when asked for the first time. */
  async idleShare(): Promise<number> {
    const elapsed = this.#clock.monotonic() - this.#from.at;
    if (elapsed < SHORTEST_SPAN_MS) {
      if (this.#idle !== undefined) return this.#idle;
      await this.#clock.sleep(SHORTEST_SPAN_MS - elapsed);
    }
    const now = { ...this.#read(), at: this.#clock.monotonic() };
    const total = now.total - this.#from.total;
    this.#idle = total > 0 ? (now.idle - this.#from.idle) / total : 1;
    this.#from = now;
    return this.#idle;
  }
}

function readProcessorTimes(): ProcessorTimes {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const times = line.split(/\s+/).slice(1, 9).map(Number);
  return { idle: (times[3] ?? 0) + (times[4] ?? 0), total: times.reduce((sum, time) => sum + time, 0) };
}
