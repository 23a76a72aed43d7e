import { setImmediate as nextTurn } from 'node:timers/promises';
import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import {
  type PerformanceRing,
  performanceRings,
  type PerformanceSample,
  type PerformanceStore,
} from '../store/performance-store.ts';

/** Samples wait in memory for no longer: so much is lost when the agent is killed. */
const WRITTEN_WITHIN_MS = 45_000;
/** Series that are written in one transaction: some milliseconds' work with the samples of 45 seconds. */
const WRITTEN_AT_ONCE = 25;
/** Samples of one series that wait at most, also where they cannot be written. */
const MOST_WAITING = 100;

/** A span of the past. */
export interface Span {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly from: number;
  /** undefined stands for now. */
  readonly to: number | undefined;
  /** Seconds between two values; undefined takes the finest that reaches back so far. */
  readonly resolutionSeconds: number | undefined;
}

export interface PerformanceHistoryParts {
  /** undefined when it cannot be opened; the log says why. */
  readonly store: PerformanceStore | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Time between two samples. */
  readonly intervalMs: number;
}

/**
 * The past of this server and its guests. The series take turns to be written, a part of them after each sample: no turn
 * takes long, and every series is written well within a minute.
 */
export class PerformanceHistory {
  readonly #parts: PerformanceHistoryParts;
  readonly #waiting = new Map<string, PerformanceSample[]>();
  readonly #turns: number;
  #isFailing = false;

  constructor(parts: PerformanceHistoryParts) {
    this.#parts = parts;
    this.#turns = Math.max(1, Math.floor(WRITTEN_WITHIN_MS / parts.intervalMs));
  }

  add(series: string, sample: PerformanceSample): void {
    if (!this.#parts.store) return;
    const samples = this.#waiting.get(series);
    if (!samples) this.#waiting.set(series, [sample]);
    else if (samples.push(sample) > MOST_WAITING) samples.shift();
  }

  /** Writes those series whose turn it is, then removes what is too old, and lets others have their turn in between. */
  async takeTurn(): Promise<void> {
    const series = [...this.#waiting.keys()];
    // Those that are written lose their place, and get one at the end with their next sample.
    const due = series.slice(0, Math.ceil(series.length / this.#turns));
    for (let first = 0; first < due.length; first += WRITTEN_AT_ONCE) {
      await nextTurn();
      this.#write(due.slice(first, first + WRITTEN_AT_ONCE));
    }
    await nextTurn();
    this.#guarded(store => store.prune(this.#nowSeconds()));
  }

  /** @throws AgentError BAD_VALUE when the span ends before it begins, STORE when the past cannot be read */
  read(series: string, { from, resolutionSeconds, to }: Span): readonly PerformanceSample[] {
    const { store } = this.#parts;
    const now = this.#nowSeconds();
    const [first, last] = [Math.floor(from / 1000), to === undefined ? now : Math.floor(to / 1000)];
    if (first > last) {
      throw new AgentError(
        'BAD_VALUE',
        `read performance data: ${isoTime(first)} is after ${isoTime(last)}; from must not be after to`,
      );
    }
    if (!store) {
      throw new AgentError(
        'STORE',
        'read performance data: its database could not be opened; see the log of the agent, and start it again',
      );
    }
    this.#write([series]);
    const ring = resolutionSeconds === undefined ? this.#ringReaching(now - first) : this.#nearest(resolutionSeconds);
    return store.read(series, ring, first, last);
  }

  close(): void {
    this.#write([...this.#waiting.keys()]);
    try {
      this.#parts.store?.close();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'the database of performance data could not be closed');
    }
  }

  #write(series: readonly string[]): void {
    const batch = series.flatMap(name => {
      const samples = this.#waiting.get(name);
      return samples ? [{ series: name, samples }] : [];
    });
    if (batch.length === 0) return;
    for (const { series: name } of batch) this.#waiting.delete(name);
    this.#guarded(store => store.append(batch));
  }

  /** The past is not worth a failure of anything else; one line tells of a row of failures. */
  #guarded(work: (store: PerformanceStore) => void): void {
    const { log, store } = this.#parts;
    if (!store) return;
    try {
      work(store);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.warn({ reason: messageOf(error) }, 'performance data cannot be kept');
      this.#isFailing = true;
    }
  }

  #ringReaching(seconds: number): PerformanceRing {
    return performanceRings.find(ring => seconds <= ring.keptSeconds) ?? performanceRings.at(-1)!;
  }

  #nearest(resolutionSeconds: number): PerformanceRing {
    const distance = ({ spanSeconds }: PerformanceRing): number =>
      Math.abs((spanSeconds || this.#parts.intervalMs / 1000) - resolutionSeconds);
    return performanceRings.reduce<PerformanceRing>(
      (best, ring) => (distance(ring) < distance(best) ? ring : best),
      performanceRings[0],
    );
  }

  #nowSeconds(): number {
    return Math.floor(this.#parts.clock.now() / 1000);
  }
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
