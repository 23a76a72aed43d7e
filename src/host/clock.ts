/** A call that is due later and can be taken back. */
export interface Timer {
  cancel(): void;
}

/** Time, and waiting for it. The only place that asks the system for either. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC; it may jump. */
  now(): number;
  /** Milliseconds since some moment; it never goes back. */
  monotonic(): number;
  /** @throws the signal's reason when it is aborted first */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  setTimer(ms: number, callback: () => void): Timer;
  /** Calls again and again; does not keep the process alive. */
  every(ms: number, callback: () => void): Timer;
}

/** Longest delay of setTimeout: a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const aborted = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', aborted);
          resolve();
        },
        Math.min(ms, LONGEST_DELAY_MS),
      );
      signal?.addEventListener('abort', aborted, { once: true });
    }),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_DELAY_MS));
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, callback) {
    const timer = setInterval(callback, Math.min(ms, LONGEST_DELAY_MS)).unref();
    return { cancel: () => clearInterval(timer) };
  },
};
