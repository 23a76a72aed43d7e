import { existsSync, readdirSync, readFileSync } from 'node:fs';
import {
  type DiskCounters,
  type InterfaceCounters,
  type MemoryFigures,
  parseDisks,
  parseInterfaces,
  parseMemory,
  parseProcess,
  parseProcessorTimes,
  type ProcessorTimes,
  type ProcessTimes,
} from './kernel-counters.ts';

/** What this server has done since its start, and its memory and load now. */
export interface ServerCounters {
  readonly processors: ProcessorTimes;
  readonly memory: MemoryFigures;
  /** All disks together. */
  readonly disks: DiskCounters;
  /** All network cards together. */
  readonly network: InterfaceCounters;
  /** Processes that ran or waited, means of the last 1, 5 and 15 minutes. */
  readonly load: readonly number[];
}

export function readServerCounters(): ServerCounters {
  return {
    processors: parseProcessorTimes(readText('/proc/stat')),
    memory: readMemory(),
    disks: sumOfDisks(parseDisks(readText('/proc/diskstats')), hasHardware('/sys/block')),
    network: sumOfInterfaces(readInterfaces(), hasHardware('/sys/class/net')),
    load: readLoad(),
  };
}

/** Counters of all network interfaces of this server, in one read: much less work than a file for each. */
export function readInterfaces(): ReadonlyMap<string, InterfaceCounters> {
  return parseInterfaces(readText('/proc/net/dev'));
}

export function readMemory(): MemoryFigures {
  return parseMemory(readText('/proc/meminfo'));
}

function readLoad(): readonly number[] {
  return readText('/proc/loadavg').split(' ').slice(0, 3).map(Number);
}

/** @returns undefined when there is no such process, or it has ended */
export function readProcess(id: number): ProcessTimes | undefined {
  try {
    return parseProcess(readFileSync(`/proc/${id}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Real disks only: partitions, loops, logical volumes and arrays would count the same bytes again. */
export function sumOfDisks(disks: ReadonlyMap<string, DiskCounters>, isReal: (name: string) => boolean): DiskCounters {
  const sum = { reads: 0, writes: 0, readBytes: 0, writtenBytes: 0 };
  for (const [name, counters] of disks) {
    if (!isReal(name)) continue;
    sum.reads += counters.reads;
    sum.writes += counters.writes;
    sum.readBytes += counters.readBytes;
    sum.writtenBytes += counters.writtenBytes;
  }
  return sum;
}

/** Real cards only: bridges, bonds, VLANs and the taps of guests would count the same bytes again. */
export function sumOfInterfaces(
  interfaces: ReadonlyMap<string, InterfaceCounters>,
  isReal: (name: string) => boolean,
): InterfaceCounters {
  const sum = { receivedBytes: 0, sentBytes: 0 };
  for (const [name, counters] of interfaces) {
    if (!isReal(name)) continue;
    sum.receivedBytes += counters.receivedBytes;
    sum.sentBytes += counters.sentBytes;
  }
  return sum;
}

/** Devices that are more than the kernel's own invention have a `device` in sysfs (Documentation/ABI/testing/sysfs-class-net). */
function hasHardware(directory: string): (name: string) => boolean {
  const real = new Set(entriesOf(directory).filter(name => existsSync(`${directory}/${name}/device`)));
  return name => real.has(name);
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Some containers hide a file: its counters are then 0. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
