import type { Clock } from '../host/clock.ts';
import { BrokenTransfer } from './origin.ts';

interface Patience {
  readonly clock: Clock;
  readonly idleTimeoutMs: number;
}

/**
 * Waits for one answer of a server. Whoever is waited for goes on; the caller ends it.
 * @throws BrokenTransfer when it takes longer than the idle time; the signal's reason when that is aborted first
 */
export function waitPatiently<T>(
  answer: Promise<T>,
  { clock, idleTimeoutMs }: Patience,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', aborted);
    };
    const aborted = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const timer = clock.setTimer(idleTimeoutMs, () => {
      end();
      reject(new BrokenTransfer(`nothing came for ${idleTimeoutMs} ms`, { isIdle: true }));
    });
    answer.then(resolve, reject).finally(end);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
}
