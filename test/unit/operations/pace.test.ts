import { describe, expect, it } from 'vitest';
import { Pace } from '../../../src/operations/pace.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('the pace of work', () => {
  it('is that since it was begun', async () => {
    const clock = new ManualClock();
    const pace = new Pace(clock);
    expect(pace.at(0.1, 1000)).toEqual({});
    await clock.advance(10_000);
    expect(pace.at(0.25, 5_000_000)).toEqual({ bytesPerSecond: 500_000, secondsLeft: 30 });
    expect(pace.at(0.25, undefined)).toEqual({ secondsLeft: 30 });
    expect(pace.at(1, 20_000_000)).toEqual({ bytesPerSecond: 2_000_000, secondsLeft: 0 });
  });

  it('is unknown as long as nothing is done', async () => {
    const clock = new ManualClock();
    const pace = new Pace(clock);
    await clock.advance(10_000);
    expect(pace.at(0, 0)).toEqual({});
  });
});
