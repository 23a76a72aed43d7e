import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../../src/services/rate-meter.ts';

describe('a rate', () => {
  it('is not known before there are two readings, far enough apart', () => {
    const meter = new RateMeter<'bytes'>();
    expect(meter.update({ bytes: 100 }, 0)).toBeUndefined();
    expect(meter.update({ bytes: 200 }, 100)).toBeUndefined();
    expect(meter.update({ bytes: 300 }, 200)).toEqual({ bytes: 1000 });
  });

  it('is taken over the time that passed, whatever time that was to be', () => {
    const meter = new RateMeter<'bytes'>();
    meter.update({ bytes: 0 }, 1000);
    expect(meter.update({ bytes: 5000 }, 6000)).toEqual({ bytes: 1000 });
    expect(meter.update({ bytes: 5100 }, 16_000)).toEqual({ bytes: 10 });
  });

  it('stays what it was for questions that follow closely, and loses nothing of what they saw', () => {
    const meter = new RateMeter<'bytes'>();
    meter.update({ bytes: 0 }, 0);
    meter.update({ bytes: 1000 }, 1000);
    expect(meter.update({ bytes: 1900 }, 1300)).toEqual({ bytes: 1000 });
    expect(meter.update({ bytes: 3000 }, 2000)).toEqual({ bytes: 2000 });
  });

  it('is never negative: a counter that fell began anew', () => {
    const meter = new RateMeter<'bytes' | 'time'>();
    meter.update({ bytes: 1000, time: 0 }, 0);
    expect(meter.update({ bytes: 10, time: 500 }, 1000)).toEqual({ bytes: 0, time: 500 });
    expect(meter.update({ bytes: 30, time: 500 }, 2000)).toEqual({ bytes: 20, time: 0 });
  });
});
