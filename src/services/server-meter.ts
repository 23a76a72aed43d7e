import type { Clock } from '../host/clock.ts';
import type { ServerCounters } from '../host/server-counters.ts';
import type { ServerFigures } from '../model/performance-figures.ts';
import { RateMeter } from './rate-meter.ts';

type Counter = 'disk_read' | 'disk_written' | 'disk_reads' | 'disk_writes' | 'net_received' | 'net_sent';
type Share = 'cpu_user' | 'cpu_system' | 'cpu_iowait' | 'cpu_steal' | 'cpu_idle';

/** Measures this server. */
export class ServerMeter {
  readonly #clock: Clock;
  readonly #read: () => ServerCounters;
  readonly #rates = new RateMeter<Counter>();
  readonly #times = new RateMeter<Share>();

  constructor(clock: Clock, read: () => ServerCounters) {
    this.#clock = clock;
    this.#read = read;
  }

  /** Figures of now, with rates since an earlier call, and the counters that they are made of. */
  measure(): { readonly figures: ServerFigures; readonly counters: ServerCounters } {
    const counters = this.#read();
    const { disks, load, memory, network, processors } = counters;
    const at = this.#clock.monotonic();
    const rates = this.#rates.update(
      {
        disk_read: disks.readBytes,
        disk_written: disks.writtenBytes,
        disk_reads: disks.reads,
        disk_writes: disks.writes,
        net_received: network.receivedBytes,
        net_sent: network.sentBytes,
      },
      at,
    );
    const times = this.#times.update(
      {
        cpu_user: processors.userMs,
        cpu_system: processors.systemMs,
        cpu_iowait: processors.iowaitMs,
        cpu_steal: processors.stealMs,
        cpu_idle: processors.idleMs,
      },
      at,
    );
    const figures = {
      ...(times ? shares(times) : {}),
      load: load[0] ?? 0,
      mem_total: memory.totalMib,
      mem_available: memory.availableMib,
      swap_total: memory.swapTotalMib,
      swap_free: memory.swapFreeMib,
      ...rates,
    };
    return { figures, counters };
  }
}

/** The kernel's own sum stands for the time that passed: so the shares make up 100 on any number of processors. */
function shares(times: Readonly<Record<Share, number>>): ServerFigures {
  const total = Object.values(times).reduce((sum, time) => sum + time, 0);
  if (total === 0) return {};
  const percent = (time: number): number => (time / total) * 100;
  const { cpu_idle, cpu_iowait, cpu_steal, cpu_system, cpu_user } = times;
  return {
    // Time that was stolen was neither used here nor free.
    cpu: percent(cpu_user + cpu_system),
    cpu_user: percent(cpu_user),
    cpu_system: percent(cpu_system),
    cpu_iowait: percent(cpu_iowait),
    cpu_steal: percent(cpu_steal),
    cpu_idle: percent(cpu_idle),
  };
}
