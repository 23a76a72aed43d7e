import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/host/clock.ts';

interface Due {
  readonly at: number;
  readonly fire: () => void;
}

/** A clock whose time moves by `advance` alone. */
export class ManualClock implements Clock {
  readonly #startMs: number;
  #elapsedMs = 0;
  readonly #due = new Set<Due>();

  /** @param startMs what `now` says at first, in milliseconds since 1970 */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs;
  }

  /** How many timers and sleepers wait. */
  get waiting(): number {
    return this.#due.size;
  }

  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const timer = this.setTimer(ms, () => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      });
      const aborted = (): void => {
        timer.cancel();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  setTimer(ms: number, callback: () => void): Timer {
    const due: Due = {
      at: this.#elapsedMs + Math.max(0, ms),
      fire: () => {
        this.#due.delete(due);
        callback();
      },
    };
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }

  every(ms: number, callback: () => void): Timer {
    const again = (): void => {
      next = this.setTimer(ms, again);
      callback();
    };
    let next = this.setTimer(ms, again);
    return { cancel: () => next.cancel() };
  }

  /** Fires what becomes due, in its order, and lets those that were woken go on before the next. */
  async advance(ms: number): Promise<void> {
    const target = this.#elapsedMs + ms;
    for (;;) {
      const [next] = [...this.#due].filter(({ at }) => at <= target).sort((one, other) => one.at - other.at);
      if (!next) break;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at);
      next.fire();
      await nextTurn();
    }
    this.#elapsedMs = target;
  }
}
