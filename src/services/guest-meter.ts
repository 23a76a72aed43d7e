import type { DomainStatistics, Driver } from '../drivers/driver.ts';
import type { Clock } from '../host/clock.ts';
import type { GuestFigures } from '../model/performance-figures.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { RateMeter } from './rate-meter.ts';

/** One guest as it was measured. */
export interface MeasuredGuest {
  readonly statistics: DomainStatistics;
  readonly figures: GuestFigures;
}

interface Meters {
  readonly id: number | undefined;
  readonly processor: RateMeter<'time' | 'net_received' | 'net_sent'>;
  readonly blocks: RateMeter<'block_read' | 'block_written' | 'block_reads' | 'block_writes'>;
}

/** Age of a hypervisor's answer above which rates made of it say nothing of now. */
const OLD_ANSWER_MS = 300_000;

/** Measures the guests that run on this server. */
export class GuestMeter {
  readonly #driver: Pick<Driver, 'statistics'>;
  readonly #clock: Clock;
  #meters = new Map<GuestPath, Meters>();

  constructor(driver: Pick<Driver, 'statistics'>, clock: Clock) {
    this.#driver = driver;
    this.#clock = clock;
  }

  /** Figures of now, with rates since an earlier call. Guests that are gone are forgotten. */
  async measure(): Promise<ReadonlyMap<GuestPath, MeasuredGuest>> {
    const all = await this.#driver.statistics();
    const at = this.#clock.monotonic();
    const meters = new Map<GuestPath, Meters>();
    const measured = new Map<GuestPath, MeasuredGuest>();
    for (const statistics of all) {
      const { path, id } = statistics;
      const known = this.#meters.get(path);
      // Another process is another start: its counters began anew.
      const own = known?.id === id && known ? known : newMeters(id);
      meters.set(path, own);
      measured.set(path, { statistics, figures: figuresOf(statistics, own, at) });
    }
    this.#meters = meters;
    return measured;
  }
}

function newMeters(id: number | undefined): Meters {
  return { id, processor: new RateMeter(), blocks: new RateMeter() };
}

function figuresOf(statistics: DomainStatistics, meters: Meters, at: number): GuestFigures {
  const { answerAgeMs, blocks, maxMemoryMib, memoryMib, network, processorTimeMs, vcpus } = statistics;
  const used = meters.processor.update(
    { time: processorTimeMs, net_received: network.receivedBytes, net_sent: network.sentBytes },
    at,
  );
  // Blocks are as old as the hypervisor's answer, and their rate is one over the time between two answers.
  const blockRates = meters.blocks.update(
    {
      block_read: blocks.readBytes,
      block_written: blocks.writtenBytes,
      block_reads: blocks.reads,
      block_writes: blocks.writes,
    },
    at - answerAgeMs,
  );
  return {
    // Milliseconds of each second, as percent.
    ...(used ? { cpu: used.time / 10 } : {}),
    vcpus,
    memory: memoryMib,
    max_memory: maxMemoryMib,
    ...(used ? { net_received: used.net_received, net_sent: used.net_sent } : {}),
    ...(answerAgeMs <= OLD_ANSWER_MS ? blockRates : {}),
  };
}
