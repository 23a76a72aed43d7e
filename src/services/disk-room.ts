import { createWriteStream } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Writable } from 'node:stream';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { StepContext } from '../operations/operation.ts';

/** Left to others: running guests whose images are sparse. */
export const RESERVE_BYTES = 16 * 2 ** 20;
const MIB = 2 ** 20;
/** How often it is seen to that others keep their room. */
const ROOM_CHECK_BYTES = 8 * 2 ** 20;

/** @throws AgentError NO_RESOURCES when a directory's file system has not so much room */
export async function requireRoom(directory: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize - RESERVE_BYTES;
  if (neededBytes <= freeBytes) return;
  throw new AgentError(
    'NO_RESOURCES',
    `copy into ${quote(directory)}: it needs ${Math.ceil(neededBytes / MIB)} MiB and ${Math.max(0, Math.floor(freeBytes / MIB))} MiB can be had; make room`,
  );
}

/**
 * Makes a file that is not there yet, durable when `fill` has ended what it writes.
 * @param act as messages begin, such as `pack /OVS/running_pool/guest`
 * @param file as it lies on the disk
 * @throws AgentError NO_RESOURCES when the disk is full, and what `fill` fails with
 */
export async function writeNewFile(
  act: string,
  file: string,
  fill: (output: Writable) => Promise<void>,
): Promise<void> {
  const output = createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true });
  try {
    await fill(output);
  } catch (error) {
    if (!messageOf(error).includes('ENOSPC')) throw error;
    const directory = posix.dirname(file);
    throw new AgentError('NO_RESOURCES', `${act}: no space is left in ${quote(directory)}; make room`, {
      cause: error,
    });
  }
}

/**
 * Passes on what is written to a new file, counts it, and ends before the file system is full.
 * @param directory as it lies on the disk
 * @throws AgentError NO_RESOURCES
 */
export function watchedCopy(
  directory: string,
  totalBytes: number | undefined,
  report: StepContext['report'],
): (pieces: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (pieces) {
    await requireRoom(directory, totalBytes ?? 0);
    let doneBytes = 0;
    let checkedBytes = 0;
    for await (const piece of pieces) {
      doneBytes += piece.length;
      if (doneBytes - checkedBytes > ROOM_CHECK_BYTES) {
        checkedBytes = doneBytes;
        await requireRoom(directory, ROOM_CHECK_BYTES);
      }
      if (totalBytes !== undefined) report(doneBytes / Math.max(1, totalBytes), doneBytes);
      yield piece;
    }
  };
}
