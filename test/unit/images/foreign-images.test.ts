import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { type ConvertOptions, convertImage } from '../../../src/images/convert-image.ts';
import { type ForeignImage, inspectForeignImage } from '../../../src/images/foreign-image.ts';
import { DISK_BYTES, FORMATS, hostileFile, hostileImages, makeImage, makeRaw } from '../../support/foreign-images.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const TIME_MS = 20_000;
const options = (changed: Partial<ConvertOptions> = {}): ConvertOptions => ({
  clock: systemClock,
  signal: new AbortController().signal,
  timeoutMs: TIME_MS,
  reserveBytes: 0,
  onProgress: () => undefined,
  ...changed,
});

function newTarget(sizeBytes: number): string {
  const file = join(temporaryDirectory(), 'target');
  writeFileSync(file, '', { mode: 0o600 });
  truncateSync(file, sizeBytes);
  return file;
}

async function importInto(
  file: string,
  changed: Partial<ConvertOptions> = {},
): Promise<{ target: string; image: ForeignImage }> {
  const image = await inspectForeignImage(file);
  // As much as a disk of the test could be; the agent asks its file system.
  if (image.virtualBytes > 2 ** 40) throw Object.assign(new Error('too large'), { code: 'BAD_VALUE' });
  const target = newTarget(image.virtualBytes);
  await convertImage(file, image, target, options(changed));
  return { target, image };
}

describe('an image of another hypervisor', () => {
  it.each(Object.keys(FORMATS))('is known by its header, and its disk is the same: %s', async format => {
    const raw = makeRaw();
    const shares: number[] = [];
    const { image, target } = await importInto(makeImage(format, raw), { onProgress: share => shares.push(share) });
    expect(image.virtualBytes).toBe(DISK_BYTES);
    expect(readFileSync(target).equals(readFileSync(raw))).toBe(true);
    expect(statSync(target).blocks * 512).toBeLessThan(4 * 2 ** 20);
    expect(statSync(target)).toMatchObject({ uid: 0, mode: 0o100600 });
    expect(shares).toEqual([...shares].sort((one, other) => one - other));
    expect(shares.at(-1)).toBe(1);
  });

  it('is given up when nobody wants it any more', async () => {
    const image = makeImage('compressed qcow2');
    await expect(importInto(image, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a hostile image', () => {
  it('is of many kinds', () => {
    const kinds = hostileImages.map(({ what }) => what);
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(kinds.length).toBeGreaterThan(80);
  });

  it.each(hostileImages.map(image => [image.what, image] as const))(
    'is refused, and touches nothing: %s',
    async (_what, image) => {
      const file = hostileFile(image);
      const before = readFileSync(file);
      const error: unknown = await importInto(file).then(
        ({ target }) => ({ code: 'taken', size: statSync(target).size }),
        (reason: unknown) => reason,
      );
      expect(['BAD_VALUE', 'NOT_SUPPORTED'], JSON.stringify(error)).toContain((error as { code: string }).code);
      expect(readFileSync(file).equals(before)).toBe(true);
      expect(readdirSync(dirname(file))).toEqual(['hostile']);
    },
    TIME_MS + 5000,
  );
});
