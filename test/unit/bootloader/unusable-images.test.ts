import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Files, writeInto } from '../../support/disk-image.ts';
import { seededBytes } from '../../support/random.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import {
  expectTheFiles,
  find,
  grub2Entry,
  kernel,
  menuOf,
  newImages,
  otherPartition,
  ramdisk,
  rootPartition,
} from './guest-images.ts';

describe('an image that cannot be used', () => {
  it('that is not there, or no file, is refused', async () => {
    const directory = temporaryDirectory();
    await expect(find({ image: join(directory, 'none.img') })).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    await expect(find({ image: directory })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await expect(find({ image: '/dev/null' })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['of one byte', Buffer.from('x')],
    ['nothing but zeros', Buffer.alloc(2 ** 20)],
    ['noise', seededBytes(1, 2 ** 20)],
    ['a qcow2 image', Buffer.concat([Buffer.from('QFI\xfb\0\0\0\x03', 'latin1'), Buffer.alloc(2 ** 20)])],
  ])('that is %s has neither partitions nor a file system', async (_what, bytes) => {
    const image = join(temporaryDirectory(), 'image');
    writeFileSync(image, bytes);
    await expect(find({ image })).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: `find a boot menu in ${image}: it has neither a partition table nor a file system that can be read; the raw disk image of an installed Linux (ext2/3/4 or xfs, also on LVM, not encrypted) is needed`,
    });
  });

  it('whose partitions have no file system is refused with their number', async () => {
    const images = newImages();
    const image = images.disk('gpt', [{ image: images.empty(2) }, { image: images.empty(2) }]);
    await expect(find({ image })).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringContaining(
        'none of its 2 partitions and volumes has a file system that can be read',
      ) as string,
    });
  });

  it('that has no menu is refused with the places that were looked in', async () => {
    const images = newImages();
    const image = images.disk('dos', [{ image: images.ext(otherPartition) }]);
    await expect(find({ image })).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
      message: `find a boot menu in ${image}: there is no grub.cfg, menu.lst or grub.conf in loop0,msdos1 (ext*); a guest that was installed with GRUB, or kernel and ramdisk in vm.cfg, are needed`,
    });
  });

  it.each([
    ['no entries', '# nothing\n', 'has no entries'],
    ['an entry without a kernel', "menuentry 'Firmware' {\n fwsetup\n}\n", 'it names no kernel'],
    ['a variable that nothing sets', grub2Entry('/k $secret'), 'it uses the variable "secret", which nothing sets'],
    ['no end of a block', 'menuentry x {\n linux /k\n', 'it ends where } is needed'],
    ['a kernel that is a list of blocks', grub2Entry('(hd0)0+1'), 'which is not an absolute path'],
  ])('whose menu has %s is refused with that', async (_what, menu, said) => {
    const image = newImages().ext({ 'boot/grub/grub.cfg': menu, k: 'kernel' });
    await expect(find({ image })).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringContaining(said) as string,
    });
  });

  it('whose menu is too large is refused, and it is not read to the end', async () => {
    const image = newImages().ext({ 'boot/grub/grub.cfg': '#\n'.repeat(5 * 2 ** 20) }, { sizeMib: 24 });
    await expect(find({ image })).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: `read /boot/grub/grub.cfg of ${image}: it is larger than 262144 bytes; a smaller file is needed`,
    });
  });

  it.each([
    ['kernel', { 'boot/initrd-2.6.18.img': ramdisk }, '/boot/vmlinuz-2.6.18'],
    ['ramdisk', { 'boot/vmlinuz-2.6.18': kernel }, '/boot/initrd-2.6.18.img'],
  ])('without its %s is refused, and nothing is left of it', async (_what, files, path) => {
    const directory = temporaryDirectory();
    const image = newImages().ext({ 'boot/grub/menu.lst': menuOf('/boot'), ...files });
    await expect(find({ image, directory })).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
      message: `read ${path} of ${image}: the image has no such file (looked in loop0); the guest's menu must name one that is there`,
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('whose kernel is empty, or larger than 64 MiB, is refused', async () => {
    const directory = temporaryDirectory();
    const menu = { 'boot/grub/grub.cfg': grub2Entry('/k') };
    await expect(find({ image: newImages().ext({ ...menu, k: '' }), directory })).rejects.toMatchObject({
      message: expect.stringContaining('it is empty') as string,
    });
    const image = newImages().ext({ ...menu, k: Buffer.alloc(65 * 2 ** 20, 1) }, { sizeMib: 100 });
    await expect(find({ image, directory })).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: `read /k of ${image}: it is larger than 67108864 bytes; a smaller file is needed`,
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each([
    ['that climbs', '../../../../../../etc/shadow'],
    ['of the device of the host', '(host)/etc/shadow'],
    ['that is a link that climbs', '/climbing'],
    ['that is an absolute link', '/absolute'],
    ['that is a link to the device of the host', '/device'],
  ])('with a kernel %s gives a file of the image, if any', async (_what, path) => {
    const files: Files = {
      'boot/grub/menu.lst': `title x\nkernel ${path.startsWith('..') ? `/${path}` : path}\n`,
      climbing: { link: '../../../../../../etc/shadow' },
      absolute: { link: '/etc/shadow' },
      device: { link: '(host)/etc/shadow' },
    };
    const images = newImages();
    await expect(find({ image: images.ext(files) })).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    if (path === '/device') return;
    const found = await find({ image: images.ext({ ...files, 'etc/shadow': 'of the guest' }) });
    expect(readFileSync(found.kernel, 'utf8')).toBe('of the guest');
  });

  it('with links that go round in circles ends', async () => {
    const image = newImages().ext({ 'boot/grub/menu.lst': 'title x\nkernel /a\n', a: { link: 'b' }, b: { link: 'a' } });
    await expect(find({ image })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  it('that was cut off is refused, or gives whole files', async () => {
    const image = newImages().ext(rootPartition);
    for (const size of [4 * 2 ** 20, 2 ** 20, 300_000, 40_000, 5000, 1500, 512]) {
      truncateSync(image, size);
      await find({ image }).then(expectTheFiles, (error: unknown) =>
        expect(['NOT_SUPPORTED', 'NO_SUCH_FILE']).toContain((error as { code: string }).code),
      );
    }
  });

  it.each([
    ['ext4', 1024, 1024],
    ['ext4', 4096, 60_000],
    ['xfs', 0, 512],
    ['xfs', 512, 60_000],
  ] as const)('of %s with noise from byte %i on is refused in time', async (kind, offset, length) => {
    const images = newImages();
    const image = kind === 'xfs' ? images.xfs(rootPartition) : images.ext(rootPartition);
    for (const seed of [1, 2, 3]) {
      // The magic number stays, so that the noise is not taken for another file system.
      const noise = seededBytes(seed, length);
      if (kind === 'xfs' && offset === 0) noise.write('XFSB', 0, 'latin1');
      if (kind === 'ext4' && offset === 1024) noise.writeUInt16LE(0xef53, 56);
      writeInto(image, noise, offset);
      const started = performance.now();
      await find({ image, timeoutMs: 10_000 }).then(expectTheFiles, (error: unknown) =>
        expect(['NOT_SUPPORTED', 'NO_SUCH_FILE', 'TIMEOUT']).toContain((error as { code: string }).code),
      );
      expect(performance.now() - started).toBeLessThan(15_000);
    }
  });

  it('whose partition table is noise is refused', async () => {
    const image = newImages().ext(otherPartition);
    const sector = seededBytes(7, 512);
    sector.writeUInt16LE(0xaa55, 510);
    writeInto(image, sector, 0);
    await expect(find({ image })).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
  });
});
