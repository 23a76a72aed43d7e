import { describe, expect, it } from 'vitest';
import { brakeRestart, recentRestarts } from '../../../src/model/restart-brake.ts';

const limits = { most: 10, windowMs: 600_000 };
const now = 10_000_000;
const ago = (...seconds: number[]): number[] => seconds.map(second => now - second * 1000);
const many = (count: number): number[] => ago(...Array.from({ length: count }, (_, index) => index + 1));

describe('the brake on restarts', () => {
  it.each([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 2],
    [5, 4],
    [6, 8],
    [7, 16],
    [8, 32],
    [9, 60],
  ])('after %i restarts lets the next one wait %i s', (count, seconds) => {
    expect(brakeRestart(many(count), now, limits)).toEqual({ restarts: true, delayMs: seconds * 1000 });
  });

  it.each([10, 11, 50])('gives up after %i', count => {
    expect(brakeRestart(many(count), now, limits)).toEqual({ restarts: false, count });
  });

  it.each<[string, number[], number]>([
    ['one that is as old as the window', ago(600), 0],
    ['those before a long time without any', [...ago(9000, 8000, 7000, 700), ...ago(10)], 1],
    ['one just inside the window', ago(599.9), 1],
    ['one that lies ahead by more than the window, as where a clock was set back', ago(-601), 0],
    ['one that lies ahead by less', ago(-5), 1],
  ])('counts %s', (_what, moments, count) => {
    expect(recentRestarts(moments, now, limits)).toHaveLength(count);
  });

  it('lets a guest restart for ever that does it seldom', () => {
    const moments: number[] = [];
    for (let moment = 0; moment < 100 * limits.windowMs; moment += limits.windowMs / 2) {
      expect(brakeRestart(moments, moment, limits)).toEqual({ restarts: true, delayMs: 0 });
      moments.push(moment);
    }
  });

  it('stops a guest that crashes as fast as it can, at the limit and no earlier', () => {
    const moments: number[] = [];
    let moment = now;
    for (;;) {
      const decision = brakeRestart(moments, moment, limits);
      if (!decision.restarts) break;
      moment += decision.delayMs + 1;
      moments.push(moment);
    }
    expect(moments).toHaveLength(limits.most);
  });

  it('never gives up without a limit, and never waits longer than a minute', () => {
    expect(brakeRestart(many(500), now, { ...limits, most: 0 })).toEqual({ restarts: true, delayMs: 60_000 });
  });

  it('gives up at once after the first, where the limit is one', () => {
    expect(brakeRestart([], now, { ...limits, most: 1 })).toEqual({ restarts: true, delayMs: 0 });
    expect(brakeRestart(many(1), now, { ...limits, most: 1 })).toEqual({ restarts: false, count: 1 });
  });
});
