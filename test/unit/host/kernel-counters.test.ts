import { describe, expect, it } from 'vitest';
import {
  parseDisks,
  parseInterfaces,
  parseMemory,
  parseProcess,
  parseProcessorTimes,
} from '../../../src/host/kernel-counters.ts';
import { readProcess, readServerCounters, sumOfDisks, sumOfInterfaces } from '../../../src/host/server-counters.ts';

const STAT = `cpu  131071 262 40960 9000000 2048 0 512 1024 4096 0
cpu0 65536 131 20480 4500000 1024 0 256 512 2048 0
intr 12345 0 0
ctxt 987654321
btime 1795000000
`;

const MEMINFO = `MemTotal:       16384000 kB
MemFree:         1024000 kB
MemAvailable:    8192000 kB
Buffers:          204800 kB
SwapCached:            0 kB
SwapTotal:       2097148 kB
SwapFree:        1048576 kB
`;

const DISKSTATS = `   7       0 loop0 12 0 24 3 0 0 0 0 0 8 3 0 0 0 0 0 0
 259       0 nvme0n1 657040 76699 23034898 574961 469797 276208 35269224 184258 0 83648 786061 327208 69 43647160 22519 98137 4322
 259       1 nvme0n1p1 600000 70000 20000000 500000 400000 270000 30000000 180000 0 80000 700000
   8       0 sda 10 0 100 5 20 0 200 7 0 12 12
`;

const NET_DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 5506707019 15012239    0    0    0     0          0         0 5506707019 15012239    0    0    0     0       0          0
  eth0:2180188446   59916    0    0    0     0          0         0  6219596   41553    0    0    0     0       0          0
vm0a1b2c.00000a:  100 2 0 0 0 0 0 0 300 4 0 0 0 0 0 0
eth0:1: 7 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0
`;

describe("the kernel's counters", () => {
  it('of processors are those of all together, in milliseconds', () => {
    expect(parseProcessorTimes(STAT)).toEqual({
      userMs: 1_313_330,
      systemMs: 414_720,
      iowaitMs: 20_480,
      stealMs: 10_240,
      idleMs: 90_000_000,
    });
  });

  it('of an old kernel, which counts less, lack what it does not count', () => {
    expect(parseProcessorTimes('cpu  1 2 3 4\n')).toEqual({
      userMs: 30,
      systemMs: 30,
      iowaitMs: 0,
      stealMs: 0,
      idleMs: 40,
    });
  });

  it('of memory are in MiB', () => {
    expect(parseMemory(MEMINFO)).toEqual({
      totalMib: 16_000,
      availableMib: 8000,
      swapTotalMib: 2047,
      swapFreeMib: 1024,
    });
    expect(parseMemory('')).toEqual({ totalMib: 0, availableMib: 0, swapTotalMib: 0, swapFreeMib: 0 });
  });

  it('of disks are in bytes, with and without the figures of later kernels', () => {
    const disks = parseDisks(DISKSTATS);
    expect(disks.get('nvme0n1')).toEqual({
      reads: 657_040,
      writes: 469_797,
      readBytes: 23_034_898 * 512,
      writtenBytes: 35_269_224 * 512,
    });
    expect(disks.get('sda')).toEqual({ reads: 10, writes: 20, readBytes: 51_200, writtenBytes: 102_400 });
    expect([...disks.keys()]).toEqual(['loop0', 'nvme0n1', 'nvme0n1p1', 'sda']);
  });

  it('of real disks only are summed up', () => {
    const isReal = (name: string): boolean => ['nvme0n1', 'sda'].includes(name);
    expect(sumOfDisks(parseDisks(DISKSTATS), isReal)).toMatchObject({ reads: 657_050, writes: 469_817 });
    expect(sumOfDisks(parseDisks(DISKSTATS), () => false)).toMatchObject({ reads: 0, writtenBytes: 0 });
  });

  it('of network interfaces are found also where no blank follows the colon, and under names that hold one', () => {
    expect(Object.fromEntries(parseInterfaces(NET_DEV))).toEqual({
      lo: { receivedBytes: 5_506_707_019, sentBytes: 5_506_707_019 },
      eth0: { receivedBytes: 2_180_188_446, sentBytes: 6_219_596 },
      'vm0a1b2c.00000a': { receivedBytes: 100, sentBytes: 300 },
      'eth0:1': { receivedBytes: 7, sentBytes: 9 },
    });
    expect(sumOfInterfaces(parseInterfaces(NET_DEV), name => name === 'eth0')).toEqual({
      receivedBytes: 2_180_188_446,
      sentBytes: 6_219_596,
    });
  });

  const process = (name: string, state: string): string =>
    `4711 (${name}) ${state} 1 4711 4711 0 -1 4194560 9000 0 3 0 1234 566 7 8 20 0 5 0 987654 1000000 2000 18446744073709551615`;

  it('of a process are the time of all its threads, and when it started', () => {
    expect(parseProcess(process('qemu-system-x86', 'S'))).toEqual({ processorTimeMs: 18_000, startedAtTicks: 987_654 });
  });

  it('of a process are not misled by its name', () => {
    expect(parseProcess(process(') R 1 2 3 (', 'R'))).toEqual({ processorTimeMs: 18_000, startedAtTicks: 987_654 });
  });

  it('of a process that has ended are none', () => {
    expect(parseProcess(process('qemu', 'Z'))).toBeUndefined();
    expect(readProcess(2 ** 22 + 1)).toBeUndefined();
  });

  it('are there on this server', () => {
    const { load, memory, processors } = readServerCounters();
    expect(memory.totalMib).toBeGreaterThan(memory.availableMib);
    expect(processors.idleMs + processors.userMs).toBeGreaterThan(0);
    expect(load).toHaveLength(3);
    expect(readProcess(globalThis.process.pid)?.processorTimeMs).toBeGreaterThan(0);
  });
});
