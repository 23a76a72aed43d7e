import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BootFilesRequest, type FoundBootFiles, findBootFiles } from '../../../src/bootloader/find-boot-files.ts';
import type { ImageReaderParts } from '../../../src/bootloader/image-reader.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { DiskImages, type Files, writeInto } from '../../support/disk-image.ts';
import { logicalVolumeOn } from '../../support/logical-volume.ts';
import { seededBytes } from '../../support/random.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const kernel = Buffer.concat([Buffer.from('kernel '), randomBytes(300_001)]);
const ramdisk = Buffer.concat([Buffer.from('ramdisk '), randomBytes(70_001)]);
const ownArguments = 'ro root=/dev/VolGroup00/LogVol00 console=xvc0';
const menuOf = (boot: string): string => `default=0
title Enterprise Linux (2.6.18-194.el5xen)
	root (hd0,0)
	kernel ${boot}/vmlinuz-2.6.18 ${ownArguments}
	initrd ${boot}/initrd-2.6.18.img
`;
/** A file system that the guest mounts at /boot. */
const bootPartition: Files = {
  'grub/grub.conf': menuOf(''),
  'grub/menu.lst': { link: './grub.conf' },
  'vmlinuz-2.6.18': kernel,
  'initrd-2.6.18.img': ramdisk,
};
/** A file system that is the guest's root and holds /boot as well. */
const rootPartition: Files = {
  'boot/grub/menu.lst': menuOf('/boot'),
  'boot/vmlinuz-2.6.18': kernel,
  'boot/initrd-2.6.18.img': ramdisk,
};
const otherPartition: Files = { 'etc/fstab': 'LABEL=/boot /boot ext3 defaults 1 2\n' };

const newImages = (): DiskImages => new DiskImages(temporaryDirectory());

function find(
  trial: Partial<BootFilesRequest> & { readonly image: string },
  parts: Partial<ImageReaderParts> = {},
): Promise<FoundBootFiles> {
  return findBootFiles(
    { format: 'raw', directory: join(temporaryDirectory(), 'boot'), extraArguments: '', timeoutMs: 30_000, ...trial },
    { clock: systemClock, ...parts },
  );
}

function expectTheFiles(found: FoundBootFiles): void {
  expect(readFileSync(found.kernel).equals(kernel)).toBe(true);
  expect(found.ramdisk && readFileSync(found.ramdisk).equals(ramdisk)).toBe(true);
  expect(found.commandLine).toBe(ownArguments);
}

/** GRUB 2 with one entry, which loads these files. */
const grub2Entry = (linux: string, initrd?: string): string =>
  `menuentry 'Linux' {\n linux ${linux}\n${initrd === undefined ? '' : ` initrd ${initrd}\n`}}\n`;

describe('the boot files of a guest', () => {
  it.each(['ext2', 'ext3', 'ext4'])('are found in an image that is one %s file system', async type => {
    expectTheFiles(await find({ image: newImages().ext(rootPartition, { type }) }));
  });

  it('are found in an image that is one xfs file system', async () => {
    expectTheFiles(await find({ image: newImages().xfs(rootPartition) }));
  });

  it('are found in a partition of xfs', async () => {
    const images = newImages();
    const parts = [{ image: images.ext(otherPartition) }, { image: images.xfs(rootPartition) }];
    expectTheFiles(await find({ image: images.disk('gpt', parts) }));
  });

  it.each(['dos', 'gpt'] as const)('are found in a %s partition that is /boot', async label => {
    const images = newImages();
    const parts = [{ image: images.ext(bootPartition) }, { image: images.ext(otherPartition) }];
    expectTheFiles(await find({ image: images.disk(label, parts) }));
  });

  it.each(['dos', 'gpt'] as const)('are found in a %s partition that is /', async label => {
    const images = newImages();
    const parts = [{ image: images.empty(4) }, { image: images.ext(rootPartition) }];
    expectTheFiles(await find({ image: images.disk(label, parts) }));
  });

  it('are found in a logical volume', async () => {
    const images = newImages();
    const volume = logicalVolumeOn(readFileSync(images.ext(rootPartition)));
    const image = images.empty(1);
    writeFileSync(image, volume);
    const found = await find({ image: images.disk('dos', [{ image, type: '8e' }]) });
    expectTheFiles(found);
  });

  it('come from the active partition when several have a menu', async () => {
    const images = newImages();
    const marked = images.ext({ ...bootPartition, 'grub/grub.conf': menuOf('').replace('ro ', 'active ') });
    const parts = [{ image: images.ext(bootPartition) }, { image: marked, active: true }];
    expect((await find({ image: images.disk('dos', parts) })).commandLine).toMatch(/^active /);
    const unmarked = parts.map(({ image }) => ({ image }));
    expect((await find({ image: images.disk('dos', unmarked) })).commandLine).toMatch(/^ro /);
  });

  it('are put into a private directory, and replace those of the last start', async () => {
    const directory = join(temporaryDirectory(), 'run', 'boot');
    const image = newImages().ext(rootPartition);
    const first = await find({ image, directory });
    expect(first).toEqual({
      kernel: join(directory, 'kernel'),
      ramdisk: join(directory, 'ramdisk'),
      commandLine: ownArguments,
      title: 'Enterprise Linux (2.6.18-194.el5xen)',
      notes: [],
    });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const file of ['kernel', 'ramdisk']) expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    const withoutRamdisk = newImages().ext({
      'boot/grub/menu.lst': 'title x\nkernel /boot/k\n',
      'boot/k': 'another kernel',
    });
    expect(await find({ image: withoutRamdisk, directory })).toMatchObject({ ramdisk: undefined, commandLine: '' });
    expect(readdirSync(directory)).toEqual(['kernel']);
    expect(readFileSync(join(directory, 'kernel'), 'utf8')).toBe('another kernel');
  });

  it('never go through a link that lies in their directory', async () => {
    const directory = temporaryDirectory();
    const precious = join(temporaryDirectory(), 'precious');
    writeFileSync(precious, 'precious');
    symlinkSync(precious, join(directory, 'kernel'));
    expectTheFiles(await find({ image: newImages().ext(rootPartition), directory }));
    expect(readFileSync(precious, 'utf8')).toBe('precious');
  });

  it('come with the arguments of the entry, then those of the guest file', async () => {
    const image = newImages().ext(rootPartition);
    expect((await find({ image, extraArguments: ' 3 console=ttyS0 ' })).commandLine).toBe(
      `${ownArguments} 3 console=ttyS0`,
    );
  });

  it('are those of another entry when one is asked for', async () => {
    const menu = `default 0\ntitle one\nkernel /k a\ntitle two\nkernel /k b\n`;
    const image = newImages().ext({ 'grub/menu.lst': menu, k: 'kernel' });
    expect((await find({ image, entry: 1 })).commandLine).toBe('b');
    expect((await find({ image, entry: '1' })).commandLine).toBe('b');
    expect((await find({ image, entry: 'two' })).commandLine).toBe('b');
    expect((await find({ image })).commandLine).toBe('a');
    await expect(find({ image, entry: 'three' })).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: `boot entry "three" of /grub/menu.lst in ${image}: there is no such entry; it has 0 "one", 1 "two"`,
    });
  });

  it('hold all ramdisks of an entry, one after the other at boundaries of four bytes', async () => {
    const image = newImages().ext({
      'boot/grub/grub.cfg': grub2Entry('/boot/k', '/boot/microcode /boot/initrd'),
      'boot/k': 'kernel',
      'boot/microcode': '12345',
      'boot/initrd': 'abc',
    });
    expect(readFileSync((await find({ image })).ramdisk!, 'latin1')).toBe('12345\0\0\0abc\0');
  });

  it('are those of the newest entry file when grub.cfg says blscfg, with variables from grubenv', async () => {
    const entry = (version: string): string =>
      `title Oracle Linux Server ${version}\nlinux /vmlinuz-${version}\ninitrd /initrd $tuned_initrd\noptions $kernelopts $tuned_params\n`;
    const image = newImages().ext({
      'grub2/grub.cfg': 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n',
      'grub2/grubenv': `# GRUB Environment Block\nkernelopts=root=/dev/mapper/ol-root ro \n${'#'.repeat(100)}`,
      'loader/entries/9a-4.18.0-9.el8.conf': entry('4.18.0-9'),
      'loader/entries/9a-4.18.0-80.el8.conf': entry('4.18.0-80'),
      'loader/entries/9a-0-rescue.conf': entry('0-rescue'),
      'loader/entries/README': 'no entry',
      'vmlinuz-4.18.0-9': 'older',
      'vmlinuz-4.18.0-80': 'newer',
      initrd: 'ramdisk',
    });
    const found = await find({ image });
    expect(found).toMatchObject({
      title: 'Oracle Linux Server 4.18.0-80',
      commandLine: 'root=/dev/mapper/ol-root ro',
      notes: [],
    });
    expect(readFileSync(found.kernel, 'utf8')).toBe('newer');
    const older = await find({ image, entry: 1 });
    expect(readFileSync(older.kernel, 'utf8')).toBe('older');
  });

  it('are looked for in the next menu when one has no entries', async () => {
    const image = newImages().ext({ ...rootPartition, 'boot/grub/grub.cfg': 'configfile /boot/other.cfg\n' });
    expectTheFiles(await find({ image }));
  });

  it('are told with a note when the default is saved where it cannot be read', async () => {
    const menu = menuOf('/boot').replace('default=0', 'default saved');
    const image = newImages().ext({ ...rootPartition, 'boot/grub/menu.lst': menu });
    const found = await find({ image });
    expectTheFiles(found);
    expect(found.notes).toEqual([
      `/boot/grub/menu.lst in ${image}: the menu's default, "saved", is not known; its first entry was taken`,
    ]);
  });

  it.each([
    ['everybody may read', 0o644, 0],
    ['only root may read', 0o600, 0],
    ['only another user may read', 0o400, 1234],
  ])('are found in an image that %s, in a directory of root', async (_who, mode, owner) => {
    const images = newImages();
    const image = images.ext(rootPartition);
    chmodSync(images.directory, 0o700);
    chmodSync(image, mode);
    chownSync(image, owner, owner);
    expectTheFiles(await find({ image }));
  });
});

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
      await find({ image }).then(expectTheFiles, error =>
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
      await find({ image, timeoutMs: 10_000 }).then(expectTheFiles, error =>
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

describe('a server on which a program is missing', () => {
  it('is told the package of the reader, and of the sandbox', async () => {
    const image = newImages().ext(rootPartition);
    await expect(find({ image }, { sandboxProgram: 'no-such-bwrap' })).rejects.toMatchObject({
      code: 'HOST',
      message: 'run no-such-bwrap: it is not installed; install it, on Debian with apt-get install bubblewrap',
    });
    await expect(find({ image }, { readerProgram: 'no-such-reader' })).rejects.toMatchObject({
      code: 'HOST',
      message: expect.stringMatching(/^run no-such-reader: it is not installed/) as string,
    });
  });
});

describe('the time for the search', () => {
  it('is a failure when it is over, and nothing is left', async () => {
    const directory = join(temporaryDirectory(), 'boot');
    const image = newImages().ext(rootPartition);
    await expect(find({ image, directory, timeoutMs: 1 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: `read ${image}: it took longer than 1 ms; the image may be damaged`,
    });
    expect(existsSync(directory)).toBe(false);
  });
});
