import type { Clock } from '../host/clock.ts';

/** How fast work goes, and how long it goes on. */
export interface PaceFacts {
  readonly bytesPerSecond?: number | undefined;
  readonly secondsLeft?: number | undefined;
}

/** Before that, what was done says little of what is to come. */
const MEANINGFUL_SECONDS = 1;

/** Tells from its progress how long work will go on, if it goes on as it went since it was begun. */
export class Pace {
  readonly #clock: Clock;
  readonly #beganAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganAt = clock.monotonic();
  }

  /**
   * @param share of the work that is done, 0 to 1
   * @param doneBytes bytes that are done, where it has to do with bytes
   */
  at(share: number, doneBytes: number | undefined): PaceFacts {
    const seconds = (this.#clock.monotonic() - this.#beganAt) / 1000;
    if (seconds < MEANINGFUL_SECONDS || share <= 0) return {};
    const secondsLeft = Math.ceil((seconds * (1 - Math.min(1, share))) / share);
    return { secondsLeft, ...(doneBytes === undefined ? {} : { bytesPerSecond: Math.round(doneBytes / seconds) }) };
  }
}
