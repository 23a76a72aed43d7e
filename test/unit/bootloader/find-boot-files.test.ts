import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logicalVolumeOn } from '../../support/logical-volume.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import {
  bootPartition,
  expectTheFiles,
  find,
  grub2Entry,
  menuOf,
  newImages,
  otherPartition,
  ownArguments,
  rootPartition,
} from './guest-images.ts';

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

describe('a server on which a program is missing', () => {
  it('is told the package of the reader, and of the sandbox', async () => {
    const image = newImages().ext(rootPartition);
    await expect(find({ image }, { sandboxProgram: 'no-such-bwrap' })).rejects.toMatchObject({
      code: 'HOST',
      message: 'run no-such-bwrap: it is not installed; on Debian, apt-get install bubblewrap is needed',
    });
    await expect(find({ image }, { readerProgram: 'no-such-reader' })).rejects.toMatchObject({
      code: 'HOST',
      message: 'run no-such-reader: it is not installed; on Debian, apt-get install grub-common is needed',
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
