import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BootFilesRequest, findBootFiles, type FoundBootFiles } from '../../../src/bootloader/find-boot-files.ts';
import type { ImageReaderParts } from '../../../src/bootloader/image-reader.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { DiskImages, type Files, writeInto } from '../../support/disk-image.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const kernel = Buffer.concat([Buffer.from('kernel '), randomBytes(300_001)]);
const ramdisk = Buffer.concat([Buffer.from('ramdisk '), randomBytes(70_001)]);
const grub1Menu = `default=0
title Enterprise Linux (2.6.18-194.el5xen)
	root (hd0,0)
	kernel /vmlinuz-2.6.18 ro root=/dev/VolGroup00/LogVol00 console=xvc0
	initrd /initrd-2.6.18.img
`;
const bootPartition: Files = {
  'grub/grub.conf': grub1Menu,
  'grub/menu.lst': { link: './grub.conf' },
  'vmlinuz-2.6.18': kernel,
  'initrd-2.6.18.img': ramdisk,
};
const rootPartition: Files = Object.fromEntries(
  Object.entries(bootPartition).map(([path, content]) => [
    `boot/${path}`,
    content === grub1Menu ? grub1Menu.replace('/vmlinuz', '/boot/vmlinuz').replace('/initrd', '/boot/initrd') : content,
  ]),
);

function newImages(): DiskImages {
  return new DiskImages(temporaryDirectory());
}

interface Trial extends Partial<BootFilesRequest> {
  readonly image: string;
}

function find(trial: Trial, parts: Partial<ImageReaderParts> = {}): Promise<FoundBootFiles> {
  return findBootFiles(
    { format: 'raw', directory: join(temporaryDirectory(), 'boot'), extraArguments: '', timeoutMs: 30_000, ...trial },
    { clock: systemClock, ...parts },
  );
}

async function expectTheFiles(found: FoundBootFiles): Promise<void> {
  expect(readFileSync(found.kernel).equals(kernel)).toBe(true);
  expect(readFileSync(found.ramdisk!).equals(ramdisk)).toBe(true);
  await Promise.resolve();
}

describe('the boot files of a guest', () => {
  it.each(['ext2', 'ext3', 'ext4'])('are found in an image that is one %s file system', async type => {
    await expectTheFiles(await find({ image: newImages().ext(rootPartition, { type }) }));
  });
});
