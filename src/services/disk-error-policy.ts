/** What is done with guests that a failed disk has stopped (setting disk_error). */
export type DiskErrorPolicy = 'keep' | 'resume' | 'destroy';

export type DiskErrorStep =
  /** It stays until somebody unpauses or stops it. */
  | { readonly step: 'keep' }
  /** It is unpaused after that time, which tries again what failed. */
  | { readonly step: 'resume'; readonly delayMs: number }
  | { readonly step: 'destroy' };

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;
/** A guest that ran for that long since its last failure has got over it. */
const RECOVERED_MS = 300_000;

/**
 * What to do next with a guest that is stuck. Trying again never ends, for space may be made at any time, but it costs less
 * and less: the delay doubles with each failure that follows another.
 * @param failures moments at which its disks failed, in milliseconds, the one it is stuck at last
 */
export function nextDiskErrorStep(policy: DiskErrorPolicy, failures: readonly number[]): DiskErrorStep {
  if (policy !== 'resume') return { step: policy };
  let repetitions = 0;
  for (let index = failures.length - 1; index > 0; index--) {
    if (failures[index]! - failures[index - 1]! > RECOVERED_MS) break;
    repetitions++;
  }
  return { step: 'resume', delayMs: Math.min(FIRST_DELAY_MS * 2 ** repetitions, LONGEST_DELAY_MS) };
}
