import { describe, expect, it } from 'vitest';
import { nextDiskErrorStep } from '../../../src/services/disk-error-policy.ts';

const every = (count: number, stepMs: number): number[] => Array.from({ length: count }, (_, index) => index * stepMs);

describe('what is done after a disk failed', () => {
  it.each(['keep', 'destroy'] as const)('%s is done whatever was before', policy => {
    expect(nextDiskErrorStep(policy, [1])).toEqual({ step: policy });
    expect(nextDiskErrorStep(policy, every(20, 1))).toEqual({ step: policy });
  });

  it.each([
    [1, 1],
    [2, 2],
    [3, 4],
    [4, 8],
    [6, 32],
    [7, 60],
    [1000, 60],
  ])('after %i failures in a row, resume waits %i s', (count, seconds) => {
    expect(nextDiskErrorStep('resume', every(count, 60_000))).toEqual({ step: 'resume', delayMs: seconds * 1000 });
  });

  it('a guest that ran well for some time begins anew', () => {
    expect(nextDiskErrorStep('resume', [...every(5, 1000), 400_000])).toEqual({ step: 'resume', delayMs: 1000 });
    expect(nextDiskErrorStep('resume', [...every(5, 1000), 400_000, 401_000])).toEqual({
      step: 'resume',
      delayMs: 2000,
    });
  });

  it('a guest of which no failure was noted is tried again soon', () => {
    expect(nextDiskErrorStep('resume', [])).toEqual({ step: 'resume', delayMs: 1000 });
  });
});
