import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/host/clock.ts';
import { paravirtualNames } from '../../../../src/image-files/conversion/device-names.ts';
import { type ConversionPlan, planConversion } from '../../../../src/image-files/conversion/plan.ts';
import { editImage } from '../../../../src/image-files/image-edit.ts';
import type { ImageProgramParts } from '../../../../src/image-files/image-program.ts';
import { DiskImages, type Files, writeInto } from '../../../support/disk-image.ts';
import { temporaryDirectory } from '../../../support/temporary.ts';
import { failureOf } from '../refusal.ts';
import { grubEl5Converted } from './guest-files.ts';
import { treeEl5 } from './guest-tree.ts';

const parts: ImageProgramParts = { clock: systemClock, timeoutMs: 30_000 };
const names = paravirtualNames([{ target: 'hda', isCdrom: false }]);
const MIB = 1024 * 1024;

const plan = (image: string): Promise<ConversionPlan> => planConversion(image, names, parts);

function newDisk(files: Files, others: Files = { 'a/b': 'c' }): string {
  const images = new DiskImages(temporaryDirectory());
  return images.disk('dos', [
    { image: images.ext(others, { type: 'ext3' }) },
    { image: images.ext(files, { type: 'ext3' }), active: true },
  ]);
}

const withoutBoot = Object.fromEntries(Object.entries(treeEl5).filter(([path]) => !path.startsWith('boot/')));

describe('the conversion of an image', () => {
  it('of Enterprise Linux 5 changes the files that the guide names, and is complete when it was made', async () => {
    const image = newDisk(treeEl5);
    const { changes, kernel, left } = await plan(image);
    expect(changes.map(({ file, partition }) => [file.path, partition.number])).toEqual([
      ['/boot/grub/grub.conf', 2],
      ['/etc/fstab', 2],
      ['/etc/modprobe.conf', 2],
      ['/etc/inittab', 2],
      ['/etc/securetty', 2],
    ]);
    expect(kernel).toBe('/boot/vmlinuz-2.6.18-164.el5xen');
    expect(left).toEqual([expect.stringMatching(/^the ramdisk of .*mkinitrd -f --preload=xenblk/) as string]);
    await editImage(image, changes, { copyTimeoutMs: 30_000 }, parts);
    expect((await plan(image)).changes).toEqual([]);
  });

  it('finds the menu on a partition of its own, and names the cards that are called otherwise', async () => {
    const files: Files = { ...withoutBoot, 'etc/network/interfaces': 'auto ens3\niface ens3 inet dhcp\n' };
    const { changes, left } = await plan(newDisk(files, { 'grub/grub.conf': grubEl5Converted.replace('=1', '=0') }));
    expect(changes[0]).toMatchObject({
      file: { path: '/grub/grub.conf' },
      partition: { number: 1 },
      text: grubEl5Converted,
    });
    expect(left.at(-1)).toContain('the card ens3 is called eth0 or enX0');
  });
});

describe('an image is not converted', () => {
  it.each<[string, Files, RegExp]>([
    ['without a boot menu', withoutBoot, /it has no boot menu/],
    ['with an fstab of 10 MB', { ...treeEl5, 'etc/fstab': '#'.repeat(10_000_000) }, /larger than 262144 bytes/],
    ['with links in a circle', { ...treeEl5, 'etc/fstab': { link: 'mtab' }, 'etc/mtab': { link: 'fstab' } }, /circle/],
    ['with a link out of it', { ...treeEl5, 'etc/fstab': { link: '../../../../etc/passwd' } }, /no ext2/],
  ])('%s', async (_what, files, message) => {
    const images = new DiskImages(temporaryDirectory());
    const image = images.disk('dos', [{ image: images.ext(files, { type: 'ext3', sizeMib: 24 }) }]);
    expect(await failureOf(plan(image))).toMatchObject({ message: expect.stringMatching(message) as string });
  });

  it('whose journal needs recovery: it says to shut the guest down', async () => {
    const image = newDisk(treeEl5);
    writeInto(image, Buffer.from([0x06, 0, 0, 0]), MIB + 1024 + 0x60);
    expect((await failureOf(plan(image))).message).toMatch(
      /^convert partition 1 of .*: its journal holds what is not yet written; start the guest and shut it down cleanly first$/,
    );
  });

  it.each<[string, number, string, RegExp]>([
    ['LVM', 0x200, 'LABELONE', /logical volumes \(LVM\).*do in the guest what docs\/convert-to-pv\.md tells/],
    ['btrfs', 0x10040, '_BHRfS_M', /btrfs/],
    ['LUKS', 0, 'LUKS\xba\xbe', /encrypted/],
    ['a system that is no Linux', 3, 'NTFS    ', /no ext2, ext3 or ext4 file system in it has \/etc\/fstab/],
  ])('with %s: it says why, and what to do', async (_what, offset, signature, message) => {
    const images = new DiskImages(temporaryDirectory());
    const volume = images.empty(1);
    writeInto(volume, Buffer.from(signature, 'latin1'), offset);
    const error = await failureOf(plan(images.disk('dos', [{ image: volume }])));
    expect(error).toMatchObject({ code: 'NOT_SUPPORTED', message: expect.stringMatching(message) as string });
  });
});
