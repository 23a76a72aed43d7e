import type { Driver } from '../drivers/driver.ts';
import { AgentError, messageOf } from '../errors.ts';
import type { Clock, Timer } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { ServerCounters } from '../host/server-counters.ts';
import type { ServerFigures } from '../model/performance-figures.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type PerformanceSample, type PerformanceStore, SERVER_SERIES } from '../store/performance-store.ts';
import { GuestMeter, type MeasuredGuest } from './guest-meter.ts';
import type { GuestRecords } from './guest-records.ts';
import { PerformanceHistory, type Span } from './performance-history.ts';
import { SHORTEST_SPAN_MS } from './rate-meter.ts';
import { ServerMeter } from './server-meter.ts';

export interface PerformanceParts {
  readonly driver: Pick<Driver, 'onEvent' | 'statistics'>;
  readonly records: Pick<GuestRecords, 'find' | 'get'>;
  readonly store: PerformanceStore | undefined;
  readonly readServer: () => ServerCounters;
  readonly clock: Clock;
  readonly log: Log;
  /** Time between two samples; 0 takes none, and measures when it is asked. */
  readonly intervalMs: number;
}

export interface MeasuredServer {
  readonly figures: ServerFigures;
  readonly counters: ServerCounters;
}

/** Time for which a measurement that was taken for a question answers the next one as well. */
const FRESH_MS = 1_000;
/** Interval that is meant where none is set. */
const USUAL_INTERVAL_MS = 5_000;

/** Something that was measured, and when (monotonic milliseconds). */
interface Measured<T> {
  readonly at: number;
  readonly value: T;
}

/** Measures this server and its guests at an interval, keeps the latest in memory and the past in a store. */
export class Performance {
  readonly #parts: PerformanceParts;
  readonly #serverMeter: ServerMeter;
  readonly #guestMeter: GuestMeter;
  readonly #history: PerformanceHistory;
  #server: Measured<MeasuredServer> | undefined;
  #guests: Measured<Map<GuestPath, MeasuredGuest>> | undefined;
  #measuring: Promise<ReadonlyMap<GuestPath, MeasuredGuest>> | undefined;
  #sampling: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(parts: PerformanceParts) {
    const { clock, driver, intervalMs, log, readServer, store } = parts;
    this.#parts = parts;
    this.#serverMeter = new ServerMeter(clock, readServer);
    this.#guestMeter = new GuestMeter(driver, clock);
    this.#history = new PerformanceHistory({ store, clock, log, intervalMs: intervalMs || USUAL_INTERVAL_MS });
    driver.onEvent(event => {
      if (event.kind === 'ended') this.#guests?.value.delete(event.path);
    });
  }

  /** Begins to take samples. A sample that takes longer than the interval is not overtaken by the next. */
  start(): void {
    const { clock, intervalMs } = this.#parts;
    if (intervalMs === 0) return;
    this.#measureServer();
    this.#timer = clock.every(intervalMs, () => {
      this.#sampling ??= this.#sample().finally(() => {
        this.#sampling = undefined;
      });
    });
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#sampling;
    this.#history.close();
  }

  /** This server now: its latest sample, or measured for this question, over a fifth of a second if need be. */
  async server(): Promise<MeasuredServer> {
    const latest = this.#isOld(this.#server) ? this.#measureServer() : this.#server!.value;
    if (latest.figures.cpu !== undefined) return latest;
    await this.#parts.clock.sleep(SHORTEST_SPAN_MS);
    return this.#measureServer();
  }

  /**
   * A guest now: its latest sample, or measured for this question.
   * @throws AgentError NO_SUCH_GUEST when it is not known, WRONG_STATE when it does not run here
   */
  async guest(path: GuestPath): Promise<MeasuredGuest> {
    let found = this.#isOld(this.#guests) ? undefined : this.#guests!.value.get(path);
    if (found?.figures.cpu === undefined) found = (await this.#measureGuests()).get(path);
    if (found && found.figures.cpu === undefined) {
      await this.#parts.clock.sleep(SHORTEST_SPAN_MS);
      found = (await this.#measureGuests()).get(path);
    }
    if (found) return found;
    const { status } = this.#parts.records.get(path);
    throw new AgentError(
      'WRONG_STATE',
      `measure ${path}: it is ${status} and has no domain on this server; it must have been started`,
    );
  }

  /** All guests that have a domain here now, measured for this question. */
  async guests(): Promise<ReadonlyMap<GuestPath, MeasuredGuest>> {
    // A measurement that is under way may have begun before what the caller has just done.
    await this.#measuring?.catch(() => undefined);
    return this.#measureGuests();
  }

  /** Percent of one processor that a guest used in the latest sample, where it is known. */
  cpuPercentOf(path: GuestPath): number | undefined {
    return this.#isOld(this.#guests) ? undefined : this.#guests!.value.get(path)?.figures.cpu;
  }

  /** @throws as `PerformanceHistory.read` does */
  serverHistory(span: Span): readonly PerformanceSample[] {
    return this.#history.read(SERVER_SERIES, span);
  }

  /** @throws AgentError NO_SUCH_GUEST when neither the guest nor a past of it is known */
  guestHistory(path: GuestPath, span: Span): readonly PerformanceSample[] {
    const samples = this.#history.read(path, span);
    if (samples.length === 0) this.#parts.records.get(path);
    return samples;
  }

  #isOld(measured: Measured<unknown> | undefined): boolean {
    const { clock, intervalMs } = this.#parts;
    return !measured || clock.monotonic() - measured.at > Math.max(FRESH_MS, 2 * intervalMs);
  }

  #measureServer(): MeasuredServer {
    const value = this.#serverMeter.measure();
    this.#server = { at: this.#parts.clock.monotonic(), value };
    return value;
  }

  /** Those who ask together share one measurement. */
  #measureGuests(): Promise<ReadonlyMap<GuestPath, MeasuredGuest>> {
    this.#measuring ??= this.#guestMeter
      .measure()
      .then(value => {
        this.#guests = { at: this.#parts.clock.monotonic(), value: new Map(value) };
        return value;
      })
      .finally(() => {
        this.#measuring = undefined;
      });
    return this.#measuring;
  }

  async #sample(): Promise<void> {
    const { clock, log } = this.#parts;
    try {
      const { figures } = this.#measureServer();
      const guests = await this.#measureGuests();
      const at = Math.floor(clock.now() / 1000);
      this.#history.add(SERVER_SERIES, { at, figures });
      for (const [path, guest] of guests) this.#history.add(path, { at, figures: guest.figures });
      await this.#history.takeTurn();
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'a sample of performance data could not be taken');
    }
  }
}
