import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AgentError, messageOf } from '../errors.ts';
import { syncDirectory, unfinishedNameOf } from '../host/atomic-file.ts';
import { ChecksumStream } from '../transfers/checksums.ts';
import { describeSource } from '../transfers/source.ts';
import { openTransfer } from '../transfers/transfer.ts';
import type { TransferOptions } from '../transfers/whole-content.ts';
import type { InstallTree, TreeFile } from './install-tree.ts';

/** What was fetched, as paths of this server. */
export interface FetchedBootFiles {
  readonly kernel: string;
  readonly ramdisk: string;
}

/** Progress is that of both files together. */
export type BootFileOptions = Omit<TransferOptions, 'limitBytes'>;

interface Fetched {
  readonly unfinished: string;
  readonly file: string;
}

const KERNEL_LIMIT_BYTES = 64 * 1024 * 1024;
const RAMDISK_LIMIT_BYTES = 512 * 1024 * 1024;

/**
 * Brings kernel and ramdisk of a tree into a directory, as `vmlinuz` and `initrd.img` with mode 0600. They have these names, in
 * place of what had them before, once both are whole and on the disk; of a failure nothing is left.
 * @param directory exists, and is written to by nobody else
 * @throws AgentError BAD_VALUE when a file is empty, too large or not as the tree's checksum says, NO_RESOURCES when the disk is
 *   full, and those of `openTransfer`
 */
export async function fetchBootFiles(
  tree: Pick<InstallTree, 'kernel' | 'ramdisk'>,
  directory: string,
  options: BootFileOptions,
): Promise<FetchedBootFiles> {
  const kernel = join(directory, 'vmlinuz');
  const ramdisk = join(directory, 'initrd.img');
  const totalBytes = sumOf(tree.kernel.totalBytes, tree.ramdisk.totalBytes);
  const fetched: Fetched[] = [];
  let earlierBytes = 0;
  try {
    for (const { file, from, limitBytes } of [
      { file: kernel, from: tree.kernel, limitBytes: KERNEL_LIMIT_BYTES },
      { file: ramdisk, from: tree.ramdisk, limitBytes: RAMDISK_LIMIT_BYTES },
    ]) {
      const unfinished = unfinishedNameOf(file);
      fetched.push({ unfinished, file });
      earlierBytes += await fetchInto(unfinished, from, {
        ...options,
        limitBytes,
        onProgress: doneBytes => options.onProgress?.(earlierBytes + doneBytes, totalBytes),
      });
    }
    await nameThem(fetched);
  } catch (error) {
    await Promise.all(fetched.map(({ unfinished }) => rm(unfinished, { force: true })));
    throw explained(error, directory);
  }
  syncDirectory(directory);
  return { kernel, ramdisk };
}

/** @returns its size in bytes, once it is on the disk */
async function fetchInto(file: string, from: TreeFile, options: TransferOptions): Promise<number> {
  const target = await open(file, 'wx', 0o600);
  try {
    const { stream } = await openTransfer(from.source, options);
    await pipeline(stream, new ChecksumStream(from.source, from.sha256), sinkInto(target));
    const { size } = await target.stat();
    if (size > 0) {
      await target.sync();
      return size;
    }
    throw new AgentError(
      'BAD_VALUE',
      `fetch ${describeSource(from.source)}: it is empty; a tree with whole files is needed`,
    );
  } finally {
    await target.close();
  }
}

/** Leaves the file open, so that it can be brought to the disk before it is closed. */
function sinkInto(target: FileHandle): Writable {
  return new Writable({
    write(piece: Buffer, _encoding, callback) {
      target.writeFile(piece).then(() => callback(), callback);
    },
  });
}

async function nameThem(fetched: readonly Fetched[]): Promise<void> {
  const named: string[] = [];
  try {
    for (const { file, unfinished } of fetched) {
      await rename(unfinished, file);
      named.push(file);
    }
  } catch (error) {
    // One without the other would be taken for a pair.
    await Promise.all(named.map(file => rm(file, { force: true })));
    throw error;
  }
}

function sumOf(...sizes: readonly (number | undefined)[]): number | undefined {
  return sizes.reduce((sum, size) => (sum === undefined || size === undefined ? undefined : sum + size), 0);
}

/** Failures of the disk, in the agent's words. */
function explained(error: unknown, directory: string): unknown {
  if (error instanceof AgentError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new AgentError(
    isFull ? 'NO_RESOURCES' : 'HOST',
    `fetch boot files into ${directory}: ${messageOf(error)}; see to its disk`,
    { cause: error },
  );
}
