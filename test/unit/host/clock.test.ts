import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { waitUntil } from '../../support/wait.ts';

/** Timers that keep this process alive. */
const liveTimers = (): number => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;

describe('the clock of the system', () => {
  it('tells the time of day, and a time that never goes back', async () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
    const before = systemClock.monotonic();
    await systemClock.sleep(5);
    expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(4);
  });

  it('ends a sleep with the reason of its signal, and leaves no timer behind', async () => {
    const timers = liveTimers();
    const controller = new AbortController();
    const sleep = systemClock.sleep(60_000, controller.signal);
    expect(liveTimers()).toBe(timers + 1);
    const reason = new Error('stopping');
    controller.abort(reason);
    await expect(sleep).rejects.toBe(reason);
    expect(liveTimers()).toBe(timers);
  });

  it('does not begin a sleep whose signal was given before', async () => {
    const timers = liveTimers();
    const reason = new Error('stopped');
    const sleep = systemClock.sleep(60_000, AbortSignal.abort(reason));
    expect(liveTimers()).toBe(timers);
    await expect(sleep).rejects.toBe(reason);
  });

  it('leaves nothing on a signal that outlives many sleeps', async () => {
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 5 }, () => systemClock.sleep(1, signal)));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('calls once when a timer is due, and never when it was cancelled', async () => {
    const kept = vi.fn();
    const cancelled = vi.fn();
    systemClock.setTimer(1, cancelled).cancel();
    systemClock.setTimer(2, kept);
    await waitUntil('the timer is due', () => kept.mock.calls.length > 0);
    await systemClock.sleep(5);
    expect(kept).toHaveBeenCalledOnce();
    expect(cancelled).not.toHaveBeenCalled();
  });

  it('waits for a time that is longer than a timer of Node.js can, instead of firing at once', async () => {
    const due = vi.fn();
    const controller = new AbortController();
    const sleep = systemClock.sleep(2 ** 40, controller.signal).then(due, () => undefined);
    const timers = [systemClock.setTimer(2 ** 31, due), systemClock.every(2 ** 32, due)];
    await systemClock.sleep(20);
    expect(due).not.toHaveBeenCalled();
    for (const timer of timers) timer.cancel();
    controller.abort();
    await sleep;
  });

  it('repeats until it is told to end, and keeps no process alive by that', async () => {
    const tick = vi.fn();
    const timers = liveTimers();
    const repetition = systemClock.every(1, tick);
    expect(liveTimers()).toBe(timers);
    await waitUntil('it ticked three times', () => tick.mock.calls.length >= 3);
    repetition.cancel();
    const count = tick.mock.calls.length;
    await systemClock.sleep(10);
    expect(tick).toHaveBeenCalledTimes(count);
  });
});
