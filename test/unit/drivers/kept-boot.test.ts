import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Boot } from '../../../src/model/guest-config.ts';
import { KeptBoot } from '../../../src/drivers/xen/kept-boot.ts';
import { makeTemporaryDirectory, temporaryDirectory } from '../../support/temporary.ts';

describe('kernels that were found in images', () => {
  let boot: Extract<Boot, { from: 'kernel' }>;

  let found: string;

  beforeEach(() => {
    found = makeTemporaryDirectory();
    const [kernel, ramdisk] = [join(found, 'vmlinuz'), join(found, 'initrd')];
    writeFileSync(kernel, 'kernel');
    writeFileSync(ramdisk, 'ramdisk');
    boot = { from: 'kernel', kernel, ramdisk, commandLine: 'quiet' };
  });

  afterEach(() => rmSync(found, { recursive: true, force: true }));

  it('are kept apart from where they were found, and forgotten with their guest', () => {
    const place = join(temporaryDirectory(), 'boot');
    const kept = new KeptBoot(place).keep('one', boot);
    expect(kept).toEqual({
      from: 'kernel',
      kernel: join(place, 'one/kernel'),
      ramdisk: join(place, 'one/ramdisk'),
      commandLine: 'quiet',
    });
    expect(readFileSync(join(place, 'one/kernel'), 'utf8')).toBe('kernel');
    expect(readFileSync(join(place, 'one/ramdisk'), 'utf8')).toBe('ramdisk');
    new KeptBoot(place).forget('one');
    expect(existsSync(join(place, 'one'))).toBe(false);
  });

  it('a later start takes the place of an earlier one, ramdisk and all', () => {
    const place = temporaryDirectory();
    const all = new KeptBoot(place);
    all.keep('one', boot);
    expect(all.keep('one', { ...boot, ramdisk: undefined })).toMatchObject({ ramdisk: undefined });
    expect(existsSync(join(place, 'one/ramdisk'))).toBe(false);
  });

  it('those of guests that are no more are removed when the agent starts', () => {
    const place = temporaryDirectory();
    const all = new KeptBoot(place);
    all.keep('one', boot);
    all.keep('two', boot);
    all.forgetAllBut(new Set(['two']));
    expect([existsSync(join(place, 'one')), existsSync(join(place, 'two'))]).toEqual([false, true]);
    new KeptBoot(join(place, 'nothing')).forgetAllBut(new Set());
  });

  it('firmware has none', () => {
    const place = join(temporaryDirectory(), 'boot');
    const firmware = { from: 'firmware', order: 'c' } as const;
    expect(new KeptBoot(place).keep('one', firmware)).toBe(firmware);
    expect(existsSync(place)).toBe(false);
  });
});
