import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { watchRoom } from '../../../src/host/room-watch.ts';
import { mountSmall, unmount } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const MIB = 2 ** 20;

describe('the watch over room', () => {
  it('ends the work before the disk is full', async () => {
    const directory = join(temporaryDirectory(), 'disk');
    mountSmall(directory, 32);
    onTestFinished(() => unmount(directory));
    const watch = watchRoom(directory, 8 * MIB, { clock: systemClock, signal: new AbortController().signal });
    onTestFinished(() => watch.stop());
    expect(watch.isFull()).toBe(false);
    writeFileSync(join(directory, 'large'), Buffer.alloc(28 * MIB, 'data'));
    await waitUntil('it is told', () => watch.signal.aborted);
    expect(watch.isFull()).toBe(true);
  });

  it('ends with the work, and does not call that full', () => {
    const giveUp = new AbortController();
    const watch = watchRoom('/', 0, { clock: systemClock, signal: giveUp.signal });
    giveUp.abort();
    expect([watch.signal.aborted, watch.isFull()]).toEqual([true, false]);
    watch.stop();
  });
});
