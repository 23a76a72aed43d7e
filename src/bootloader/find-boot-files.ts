import { rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import { makePrivateDirectory } from '../host/atomic-file.ts';
import { type BootEntry, type BootFiles, type BootMenu, defaultEntry, findEntry, quoted } from './grub-menu.ts';
import { ImageReader, type ImageReaderParts, type Volume } from './image-reader.ts';
import { findMenu } from './find-menu.ts';

export interface BootFilesRequest {
  /** The guest's first disk, on this server. */
  readonly image: string;
  readonly format: 'raw';
  /** Where kernel and ramdisk are put; made with mode 0700 when it is not there. The files have mode 0600. */
  readonly directory: string;
  /** The entry to boot in place of the menu's default: a title, or its number from 0. */
  readonly entry?: string | number;
  /** What follows the entry's own arguments. */
  readonly extraArguments: string;
  /** For everything together. */
  readonly timeoutMs: number;
}

export interface FoundBootFiles {
  /** Paths on this server. */
  readonly kernel: string;
  readonly ramdisk: string | undefined;
  readonly commandLine: string;
  /** Title of the entry. */
  readonly title: string;
  /** What was not as the menu says, in sentences for the log. */
  readonly notes: readonly string[];
}

const KERNEL_LIMIT_BYTES = 64 * 1024 * 1024;
const RAMDISK_LIMIT_BYTES = 512 * 1024 * 1024;
/** Ramdisks that are loaded as one begin at such a boundary (Linux, initramfs buffer format). */
const RAMDISK_ALIGNMENT_BYTES = 4;

/**
 * Does what pygrub does: finds the guest's GRUB menu in its disk image, and takes kernel and ramdisk out of it. Nothing of the
 * guest is run, and the image is read in a sandbox.
 * @throws AgentError NO_SUCH_FILE when the image or what the menu names is not there, NOT_SUPPORTED when the image or its menu
 *   is of a kind that cannot be read, BAD_CONFIG when `entry` is none of the menu, TIMEOUT, HOST
 */
export async function findBootFiles(request: BootFilesRequest, parts: ImageReaderParts): Promise<FoundBootFiles> {
  const reader = new ImageReader(request.image, request.timeoutMs, parts);
  const { menu, volume, path } = await findMenu(reader);
  const name = `${path} in ${request.image}`;
  const { entry, note } = chooseEntry(menu, request.entry, name);
  if ('refusal' in entry.boot) {
    throw new AgentError(
      'NOT_SUPPORTED',
      `boot entry ${quoted(entry.title)} of ${name}: ${entry.boot.refusal}; another entry, or kernel and ramdisk in vm.cfg, are needed`,
    );
  }
  makePrivateDirectory(request.directory);
  const extracted = await extract(reader, volume, entry.boot, request.directory);
  const commandLine = [entry.boot.commandLine, request.extraArguments.trim()].filter(text => text !== '').join(' ');
  return { ...extracted, commandLine, title: entry.title, notes: note === undefined ? [] : [`${name}: ${note}`] };
}

function chooseEntry(
  menu: BootMenu,
  wanted: string | number | undefined,
  name: string,
): { readonly entry: BootEntry; readonly note?: string } {
  const chosen = wanted === undefined ? defaultEntry(menu) : { entry: findEntry(menu, wanted) };
  if (chosen.entry) return { ...chosen, entry: chosen.entry };
  const titles = menu.entries.slice(0, 10).map(({ title }, index) => `${index} ${quoted(title)}`);
  throw new AgentError(
    'BAD_CONFIG',
    `boot entry ${quoted(String(wanted))} of ${name}: there is no such entry; it has ${titles.join(', ')}`,
  );
}

/** Nothing is left of a failure. Files of an earlier start are replaced, and never written through. */
async function extract(
  reader: ImageReader,
  volume: Volume,
  { kernel, ramdisks }: BootFiles,
  directory: string,
): Promise<{ readonly kernel: string; readonly ramdisk: string | undefined }> {
  const kernelFile = join(directory, 'kernel');
  const ramdiskFile = join(directory, 'ramdisk');
  try {
    await writeNew(kernelFile, async target => {
      const bytes = await reader.copy(volume, kernel, target, KERNEL_LIMIT_BYTES);
      if (bytes === 0) throw emptyFile(reader.image, kernel);
    });
    rmSync(ramdiskFile, { force: true });
    if (ramdisks.length === 0) return { kernel: kernelFile, ramdisk: undefined };
    await writeNew(ramdiskFile, async target => {
      let room = RAMDISK_LIMIT_BYTES;
      for (const ramdisk of ramdisks) {
        const bytes = await reader.copy(volume, ramdisk, target, room);
        if (bytes === 0) throw emptyFile(reader.image, ramdisk);
        const padding = -bytes & (RAMDISK_ALIGNMENT_BYTES - 1);
        if (ramdisks.length > 1) await target.write(Buffer.alloc(padding));
        room = Math.max(0, room - bytes - padding);
      }
    });
    return { kernel: kernelFile, ramdisk: ramdiskFile };
  } catch (error) {
    rmSync(kernelFile, { force: true });
    rmSync(ramdiskFile, { force: true });
    throw error;
  }
}

function emptyFile(image: string, path: string): AgentError {
  return new AgentError('NOT_SUPPORTED', `read ${path} of ${image}: it is empty; the guest must be repaired`);
}

async function writeNew(file: string, write: (target: FileHandle) => Promise<void>): Promise<void> {
  rmSync(file, { force: true });
  const target = await open(file, 'wx', 0o600);
  try {
    await write(target);
  } finally {
    await target.close();
  }
}
