import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type BootFilesRequest, type FoundBootFiles, findBootFiles } from '../../../src/bootloader/find-boot-files.ts';
import type { ImageReaderParts } from '../../../src/bootloader/image-reader.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { DiskImages, type Files } from '../../support/disk-image.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

export const kernel = Buffer.concat([Buffer.from('kernel '), randomBytes(300_001)]);
export const ramdisk = Buffer.concat([Buffer.from('ramdisk '), randomBytes(70_001)]);
export const ownArguments = 'ro root=/dev/VolGroup00/LogVol00 console=xvc0';
export const menuOf = (boot: string): string => `default=0
title Enterprise Linux (2.6.18-194.el5xen)
	root (hd0,0)
	kernel ${boot}/vmlinuz-2.6.18 ${ownArguments}
	initrd ${boot}/initrd-2.6.18.img
`;
/** A file system that the guest mounts at /boot. */
export const bootPartition: Files = {
  'grub/grub.conf': menuOf(''),
  'grub/menu.lst': { link: './grub.conf' },
  'vmlinuz-2.6.18': kernel,
  'initrd-2.6.18.img': ramdisk,
};
/** A file system that is the guest's root and holds /boot as well. */
export const rootPartition: Files = {
  'boot/grub/menu.lst': menuOf('/boot'),
  'boot/vmlinuz-2.6.18': kernel,
  'boot/initrd-2.6.18.img': ramdisk,
};
export const otherPartition: Files = { 'etc/fstab': 'LABEL=/boot /boot ext3 defaults 1 2\n' };

export const newImages = (): DiskImages => new DiskImages(temporaryDirectory());

export function find(
  trial: Partial<BootFilesRequest> & { readonly image: string },
  parts: Partial<ImageReaderParts> = {},
): Promise<FoundBootFiles> {
  return findBootFiles(
    { format: 'raw', directory: join(temporaryDirectory(), 'boot'), extraArguments: '', timeoutMs: 30_000, ...trial },
    { clock: systemClock, ...parts },
  );
}

export function expectTheFiles(found: FoundBootFiles): void {
  expect(readFileSync(found.kernel).equals(kernel)).toBe(true);
  expect(found.ramdisk && readFileSync(found.ramdisk).equals(ramdisk)).toBe(true);
  expect(found.commandLine).toBe(ownArguments);
}

/** GRUB 2 with one entry, which loads these files. */
export const grub2Entry = (linux: string, initrd?: string): string =>
  `menuentry 'Linux' {\n linux ${linux}\n${initrd === undefined ? '' : ` initrd ${initrd}\n`}}\n`;
