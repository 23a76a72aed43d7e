import { describe, expect, it } from 'vitest';
import { Resets } from '../../../src/drivers/qemu/resets.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const asked = { event: 'RESET', data: { guest: false, reason: 'host-qmp-system-reset' } };
const ofGuest = { event: 'RESET', data: { guest: true, reason: 'guest-reset' } };

describe('a reboot', () => {
  it.each<[string, readonly (readonly [number, typeof asked])[], number]>([
    [
      'is told once, whatever firmware adds',
      [
        [0, ofGuest],
        [25, ofGuest],
        [1, ofGuest],
      ],
      1,
    ],
    [
      'is none where the machine was reset from outside',
      [
        [0, asked],
        [25, ofGuest],
        [1, ofGuest],
      ],
      0,
    ],
    [
      'is told after one that was asked for',
      [
        [0, asked],
        [25, ofGuest],
        [5000, ofGuest],
        [25, ofGuest],
      ],
      1,
    ],
    [
      'is told each time',
      [
        [0, ofGuest],
        [25, ofGuest],
        [4000, ofGuest],
        [25, ofGuest],
        [4000, ofGuest],
      ],
      3,
    ],
    ['is told of a machine that resets without end', Array.from({ length: 100 }, () => [100, ofGuest] as const), 5],
    ['is nothing else', [[0, { ...ofGuest, event: 'RESUME' }]], 0],
  ])('%s', async (_what, events, reboots) => {
    const clock = new ManualClock();
    const resets = new Resets(clock);
    let told = 0;
    for (const [afterMs, event] of events) {
      await clock.advance(afterMs);
      if (resets.isReboot(event)) told++;
    }
    expect(told).toBe(reboots);
  });
});
