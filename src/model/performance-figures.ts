/**
 * What is measured, under the names of the wire, with unit and meaning. Rates are means over the time between two samples.
 * Made from these lists: the replies, their documents, and the columns in which the figures are kept.
 */
export const serverFigures = {
  cpu: 'percent of all processors that is used',
  cpu_user: 'percent for programs, guests under KVM among them',
  cpu_system: 'percent for the kernel',
  cpu_iowait: 'percent idle while a disk was waited for',
  cpu_steal: 'percent taken by the hypervisor under this server',
  cpu_idle: 'percent idle',
  load: 'processes that run or wait, mean of one minute',
  mem_total: 'MiB of memory',
  mem_available: 'MiB that programs can have without swapping',
  swap_total: 'MiB of swap',
  swap_free: 'MiB of swap that is free',
  disk_read: 'bytes read from disks each second',
  disk_written: 'bytes written to disks each second',
  disk_reads: 'reads each second',
  disk_writes: 'writes each second',
  net_received: 'bytes received by network cards each second',
  net_sent: 'bytes sent each second',
} as const;

export const guestFigures = {
  cpu: 'percent of one processor (400 are four that are busy)',
  vcpus: 'processors that it has',
  memory: 'MiB of memory that it has',
  max_memory: 'MiB that it may grow to',
  net_received: 'bytes that it received each second',
  net_sent: 'bytes that it sent each second',
  block_read: 'bytes that it read from its disks each second',
  block_written: 'bytes written each second',
  block_reads: 'reads each second',
  block_writes: 'writes each second',
} as const;

/** The figure of which the greatest value is kept beside the mean, under this name. */
export const PEAK_OF = 'cpu';
export const PEAK = 'cpu_max';

export type ServerFigure = keyof typeof serverFigures;
export type GuestFigure = keyof typeof guestFigures;
/** Those that are known: a rate is not before there are two samples. */
export type ServerFigures = Readonly<Partial<Record<ServerFigure, number>>>;
export type GuestFigures = Readonly<Partial<Record<GuestFigure, number>>>;
