import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { unpackArchive } from '../../../src/archives/unpack.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { HOSTILE_LIMITS, hostileArchives } from '../../support/hostile-archives.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** Far more than any of them takes, and far less than the largest of them would. */
const TIME_MS = 20_000;
const MEMORY_BYTES = 100 * 2 ** 20;

describe('hostile archives', () => {
  it('are many, and each of its own kind', () => {
    const kinds = hostileArchives.map(({ what }) => what);
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(kinds.length).toBeGreaterThan(120);
  });
});

describe('a hostile archive', () => {
  it.each(hostileArchives.map(({ bytes, what }) => [what, bytes] as const))(
    'is refused, and leaves nothing: %s',
    async (_what, bytes) => {
      const place = temporaryDirectory();
      const directory = join(place, 'inner', 'guest');
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(place, 'passwd'), 'root');
      const given = bytes();
      const source = Readable.from(Buffer.isBuffer(given) ? [given] : given, { objectMode: false });
      const before = process.memoryUsage().rss;
      const unpacking = unpackArchive(source, {
        directory,
        limits: HOSTILE_LIMITS,
        clock: systemClock,
        timeoutMs: TIME_MS,
      });
      await expect(unpacking).rejects.toMatchObject({ code: 'BAD_VALUE' });
      expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES);
      expect(readdirSync(directory)).toEqual([]);
      expect(readdirSync(place).sort()).toEqual(['inner', 'passwd']);
      expect(readdirSync(join(place, 'inner'))).toEqual(['guest']);
      expect(readFileSync(join(place, 'passwd'), 'utf8')).toBe('root');
      for (const outside of ['/evil', '/tmp/evil', '/etc/cron.d/evil']) expect(existsSync(outside)).toBe(false);
    },
    TIME_MS + 5000,
  );
});
