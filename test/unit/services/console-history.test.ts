import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConsoleHistory } from '../../../src/services/console-history.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

function history(limitBytes: number, directory = temporaryDirectory()): { history: ConsoleHistory; directory: string } {
  const made = new ConsoleHistory(join(directory, 'console', 'guest.log'), limitBytes);
  onTestFinished(() => made.close());
  return { history: made, directory: join(directory, 'console') };
}

const bytesIn = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

describe('the history of a console', () => {
  it('is empty before anything was printed, and makes no file for that', () => {
    const { history: made, directory } = history(100);
    expect(made.tail(100)).toEqual(Buffer.alloc(0));
    expect(() => readdirSync(directory)).toThrow('ENOENT');
  });

  it('gives the last bytes, at most as many as asked for, over both of its files', () => {
    const { history: made } = history(10);
    for (const text of ['abc', 'def', 'gh']) made.append(Buffer.from(text));
    expect([0, 1, 3, 6, 100].map(bytes => made.tail(bytes).toString())).toEqual(['', 'h', 'fgh', 'cdefgh', 'abcdefgh']);
  });

  it('keeps bytes as they are', () => {
    const { history: made } = history(1000);
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    made.append(all);
    expect(made.tail(1000)).toEqual(all);
  });

  it('is for its owner alone', () => {
    const { history: made, directory } = history(4);
    made.append(Buffer.from('abcdef'));
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory).map(name => statSync(join(directory, name)).mode & 0o777)).toEqual([0o600, 0o600]);
  });

  it('outlives its maker', () => {
    const { history: first, directory } = history(100);
    first.append(Buffer.from('before '));
    const { history: second } = history(100, join(directory, '..'));
    second.append(Buffer.from('after'));
    expect(second.tail(100).toString()).toBe('before after');
  });

  it('is gone when it was removed, and begins anew', () => {
    const { history: made, directory } = history(4);
    made.append(Buffer.from('abcdef'));
    made.remove();
    expect(readdirSync(directory)).toEqual([]);
    made.append(Buffer.from('x'));
    expect(made.tail(100).toString()).toBe('x');
  });

  it('never holds more than its limit, and always the newest half of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { minLength: 1, maxLength: 12 }),
        (limitBytes, chunks) => {
          const { history: made, directory } = history(limitBytes);
          for (const chunk of chunks) {
            made.append(chunk);
            expect(bytesIn(directory)).toBeLessThanOrEqual(limitBytes);
          }
          const all = Buffer.concat(chunks);
          const kept = made.tail(limitBytes);
          expect(kept).toEqual(all.subarray(all.length - kept.length));
          // A piece that does not fit leaves its file a little short.
          expect(kept.length).toBeGreaterThanOrEqual(Math.min(all.length, Math.floor(limitBytes / 2)));
          made.remove();
        },
      ),
      { numRuns: 60 },
    );
  });
});
