import { readFileSync } from 'node:fs';
import { cpus, hostname, machine, networkInterfaces, release, totalmem, type, version } from 'node:os';
import type { SystemName } from '../model/system-name.ts';
import { readMemory } from './server-counters.ts';

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
  return readMemory().availableMib;
}

/** Differs after each start of the server (random(4)). */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Addresses of this server, those that others can reach first. */
export function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? []);
  const usable = all.filter(item => !(item.family === 'IPv6' && item.scopeid !== 0));
  const rank = (item: (typeof all)[number]): number => (item.internal ? 2 : 0) + (item.family === 'IPv6' ? 1 : 0);
  return usable.sort((left, right) => rank(left) - rank(right)).map(item => item.address);
}
