import { constants, createReadStream } from 'node:fs';
import { copyFile, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { unpackArchive } from '../archives/unpack.ts';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { runCommand } from '../host/command.ts';
import { watchRoom } from '../host/room-watch.ts';
import { quote } from '../model/guest-path.ts';
import type { StepContext } from '../operations/operation.ts';
import { requireRoom, RESERVE_BYTES } from './disk-room.ts';

/** How work on the files of templates is watched and given up. */
export interface ContentOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly report: StepContext['report'];
}

const TEBIBYTE = 2 ** 40;
/** No template is larger; what a disk has room for is another, nearer limit. */
const ARCHIVE_LIMITS = {
  entries: 10_000,
  fileBytes: 16 * TEBIBYTE,
  totalBytes: 32 * TEBIBYTE,
  storedBytes: 16 * TEBIBYTE,
};
/** As long as a large disk may take over a slow network. */
const LONGEST_MS = 24 * 3_600_000;
const LOOK_MS = 500;
const BLOCK_BYTES = 512;

/** Files of a guest that belong to its life and not to what it is. */
const OF_ITS_LIFE = new Set(['suspended.state']);

/** Unpacks an archive into an empty directory. @throws AgentError as `unpackArchive` */
export async function unpackInto(
  directory: string,
  source: Readable,
  totalBytes: number | undefined,
  { clock, report, signal }: ContentOptions,
): Promise<void> {
  await unpackArchive(source, {
    directory,
    limits: ARCHIVE_LIMITS,
    clock,
    signal,
    timeoutMs: LONGEST_MS,
    onProgress: bytesIn => {
      if (totalBytes !== undefined && totalBytes > 0) report(bytesIn / totalBytes, bytesIn);
    },
  });
}

/** Opens an archive that lies on this server. */
export async function openArchive(file: string): Promise<{ readonly stream: Readable; readonly totalBytes: number }> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { size } = await handle.stat();
  return { stream: createReadStream('', { fd: handle }), totalBytes: size };
}

/**
 * Copies the files of a directory into an empty one: as references to the same blocks where the file system can (FICLONE,
 * ioctl_ficlonerange(2)), else with holes where the files have holes or zeros.
 * @throws AgentError NO_RESOURCES, NOT_SUPPORTED when there is anything but plain files, CANCELLED, HOST
 */
export async function copyInto(
  directory: string,
  from: string,
  { clock, report, signal }: ContentOptions,
): Promise<void> {
  const entries = (await readdir(from, { withFileTypes: true })).filter(({ name }) => !OF_ITS_LIFE.has(name));
  const odd = entries.find(entry => !entry.isFile());
  if (odd) {
    throw new AgentError(
      'NOT_SUPPORTED',
      `copy ${quote(from)}: ${quote(odd.name)} is no plain file; only those are copied`,
    );
  }
  const sizes = await Promise.all(entries.map(async ({ name }) => (await stat(join(from, name))).blocks * BLOCK_BYTES));
  const wholeBytes = sizes.reduce((sum, size) => sum + size, 0);
  let doneBytes = 0;
  const tell = (bytes: number): void => report(bytes / Math.max(1, wholeBytes), bytes);
  for (const [index, { name }] of entries.entries()) {
    const target = join(directory, name);
    const source = join(from, name);
    if (isGivenUp(signal)) throw new AgentError('CANCELLED', `copy ${quote(from)}: it was given up`);
    if (!(await copyReference(source, target))) {
      await requireRoom(directory, sizes[index]!);
      const before = doneBytes;
      const looking = clock.every(LOOK_MS, () => {
        void stat(target).then(
          ({ blocks }) => tell(before + blocks * BLOCK_BYTES),
          () => undefined,
        );
      });
      const room = watchRoom(directory, RESERVE_BYTES, { clock, signal });
      try {
        await copySparse(source, target, { clock, signal: room.signal });
      } catch (error) {
        if (!room.isFull() || isGivenUp(signal)) throw error;
        throw new AgentError('NO_RESOURCES', `copy ${quote(from)}: there is no more space; make room`, {
          cause: error,
        });
      } finally {
        looking.cancel();
        room.stop();
      }
    }
    doneBytes += sizes[index]!;
    tell(doneBytes);
  }
}

const isGivenUp = (signal: AbortSignal): boolean => signal.aborted;

/** @returns false when the file system knows no references; nothing is there then */
async function copyReference(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    await rm(to, { force: true });
    return false;
  }
}

async function copySparse(
  from: string,
  to: string,
  options: Pick<ContentOptions, 'clock'> & { readonly signal: AbortSignal },
): Promise<void> {
  // With "auto" it may leave the copying to the kernel, copy_file_range(2), which is twice as fast as reading and writing.
  const args = ['--reflink=auto', '--sparse=always', '--no-dereference', '--', from, to];
  const { exitCode, stderr } = await runCommand('cp', args, { ...options, timeoutMs: LONGEST_MS });
  if (exitCode === 0) return;
  const said = stderr.trim().slice(0, 300);
  if (said.includes('No space left'))
    throw new AgentError('NO_RESOURCES', `copy ${quote(from)}: no space is left; make room`);
  throw new AgentError('HOST', `copy ${quote(from)}: ${said}; see to the disk`);
}
