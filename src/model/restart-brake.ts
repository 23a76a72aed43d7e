/** When a guest has restarted too often. */
export interface RestartLimits {
  /** Restarts within the window after which it is not started again; 0 sets no limit. */
  readonly most: number;
  readonly windowMs: number;
}

export type RestartDecision =
  | { readonly restarts: true; readonly delayMs: number }
  /** `count` restarts lie within the window. */
  | { readonly restarts: false; readonly count: number };

/** Restarts that are nothing unusual, as when a system is set up. */
const FREE_RESTARTS = 3;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;

/**
 * Of the moments at which a guest restarted, those that still count: a guest that ran for longer than the window has none. A
 * moment that lies ahead is of a clock that was set back.
 * @param now milliseconds, of the clock that the moments are of
 */
export function recentRestarts(
  moments: readonly number[],
  now: number,
  { windowMs }: RestartLimits,
): readonly number[] {
  return moments.filter(moment => Math.abs(now - moment) < windowMs);
}

/**
 * Whether a guest whose system ended is to run again now, later, or no more. Restarts of both kinds count: those after a crash
 * and those from inside.
 * @param moments of the restarts before, in any order
 */
export function brakeRestart(moments: readonly number[], now: number, limits: RestartLimits): RestartDecision {
  const count = recentRestarts(moments, now, limits).length;
  if (limits.most > 0 && count >= limits.most) return { restarts: false, count };
  if (count < FREE_RESTARTS) return { restarts: true, delayMs: 0 };
  return { restarts: true, delayMs: Math.min(FIRST_DELAY_MS * 2 ** (count - FREE_RESTARTS), LONGEST_DELAY_MS) };
}
