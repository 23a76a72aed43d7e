import type { Clock } from '../host/clock.ts';

const SECOND_MS = 1000;

/** A bucket that gains tokens with time and holds those of one second; a piece may be larger, and is paid off by waiting. */
export class Bandwidth {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAt: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#tokens = bytesPerSecond;
    this.#filledAt = clock.monotonic();
  }

  /** Waits until that many bytes may have gone. @throws the signal's reason when it is aborted first */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#filledAt) / SECOND_MS) * this.#bytesPerSecond;
    this.#tokens = Math.min(this.#bytesPerSecond, this.#tokens + gained) - bytes;
    this.#filledAt = now;
    if (this.#tokens < 0) await this.#clock.sleep((-this.#tokens / this.#bytesPerSecond) * SECOND_MS, signal);
  }
}
