/** Readers of the text in which the kernel gives its counters (proc(5)). All of them count since the start of the server. */

/** Counted in ticks of USER_HZ, which Linux holds at 100 a second towards programs (time(7)). */
const TICK_MS = 10;
/** Sectors of the counters, whatever the disk's own are (Documentation/admin-guide/iostats.rst). */
const SECTOR_BYTES = 512;

/** Time of all processors together, in milliseconds. What runs guests under KVM is part of `userMs`. */
export interface ProcessorTimes {
  readonly userMs: number;
  readonly systemMs: number;
  readonly iowaitMs: number;
  /** Taken by the hypervisor under this server. */
  readonly stealMs: number;
  readonly idleMs: number;
}

/** @param text of /proc/stat */
export function parseProcessorTimes(text: string): ProcessorTimes {
  const ticks = text.slice(0, text.indexOf('\n')).split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = ticks;
  return {
    userMs: (user + nice) * TICK_MS,
    systemMs: (system + irq + softirq) * TICK_MS,
    iowaitMs: iowait * TICK_MS,
    stealMs: steal * TICK_MS,
    idleMs: idle * TICK_MS,
  };
}

export interface MemoryFigures {
  readonly totalMib: number;
  /** What new programs can have without swapping. */
  readonly availableMib: number;
  readonly swapTotalMib: number;
  readonly swapFreeMib: number;
}

/** @param text of /proc/meminfo */
export function parseMemory(text: string): MemoryFigures {
  const mib = (key: string): number => {
    const kib = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return Math.floor(Number(kib ?? 0) / 1024);
  };
  return {
    totalMib: mib('MemTotal'),
    availableMib: mib('MemAvailable'),
    swapTotalMib: mib('SwapTotal'),
    swapFreeMib: mib('SwapFree'),
  };
}

export interface DiskCounters {
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** @param text of /proc/diskstats, with disks and partitions by their names */
export function parseDisks(text: string): ReadonlyMap<string, DiskCounters> {
  const disks = new Map<string, DiskCounters>();
  for (const line of text.split('\n')) {
    const [, , name, reads, , readSectors, , writes, , writtenSectors] = line.trim().split(/\s+/);
    if (name === undefined || writtenSectors === undefined) continue;
    disks.set(name, {
      reads: Number(reads),
      writes: Number(writes),
      readBytes: Number(readSectors) * SECTOR_BYTES,
      writtenBytes: Number(writtenSectors) * SECTOR_BYTES,
    });
  }
  return disks;
}

/** From the point of view of this server: what a guest sends is received by its tap interface. */
export interface InterfaceCounters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** @param text of /proc/net/dev */
export function parseInterfaces(text: string): ReadonlyMap<string, InterfaceCounters> {
  const interfaces = new Map<string, InterfaceCounters>();
  for (const line of text.split('\n')) {
    // Two lines of headings have no colon; names may hold one, figures do not.
    const colon = line.lastIndexOf(':');
    if (colon < 0) continue;
    const figures = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/);
    interfaces.set(line.slice(0, colon).trim(), { receivedBytes: Number(figures[0]), sentBytes: Number(figures[8]) });
  }
  return interfaces;
}

/** Processor time of a process, of all its threads that are and were. */
export interface ProcessTimes {
  readonly processorTimeMs: number;
  /** When it started, in ticks: tells it from a later process with the same number. */
  readonly startedAtTicks: number;
}

/**
 * @param text of /proc/<pid>/stat
 * @returns undefined for a process that has ended and waits for its parent
 */
export function parseProcess(text: string): ProcessTimes | undefined {
  // The name in parentheses may hold anything, parentheses and blanks included: what follows the last one is counted from 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  if (state === 'Z' || state === 'X') return undefined;
  return {
    processorTimeMs: (Number(fields[14 - 3]) + Number(fields[15 - 3])) * TICK_MS,
    startedAtTicks: Number(fields[22 - 3]),
  };
}
