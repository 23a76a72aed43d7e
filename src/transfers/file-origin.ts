import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { AgentError, messageOf } from '../errors.ts';
import type { MountedFile, Origin } from './origin.ts';

const PIECE_BYTES = 256 * 1024;

/**
 * A regular file of this server. A symbolic link in its place is not followed, and a pipe or device is not waited for.
 * @throws AgentError NO_SUCH_FILE, BAD_VALUE when it is no regular file, DENIED, HOST
 */
export async function openFile(path: string): Promise<Origin> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: unknown) => {
      throw notOpened(path, cause);
    },
  );
  const found = await handle.stat();
  if (!found.isFile()) {
    await handle.close();
    throw new AgentError('BAD_VALUE', `read ${path}: it is not a regular file; a regular file is needed`);
  }
  return {
    totalBytes: found.size,
    openAt: offset => Promise.resolve(Readable.from(piecesOf(handle, path, offset, found.size))),
    close: () => handle.close(),
  };
}

/** The same through a mount, which is given up with the file. */
export async function openMounted(mounted: MountedFile): Promise<Origin> {
  try {
    const origin = await openFile(mounted.path);
    return { ...origin, close: () => origin.close().finally(() => mounted.release()) };
  } catch (error) {
    await mounted.release();
    throw error;
  }
}

async function* piecesOf(handle: FileHandle, path: string, offset: number, end: number): AsyncGenerator<Buffer> {
  for (let at = offset; at < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, end - at));
    const { bytesRead } = await handle.read(piece, 0, piece.length, at).catch((cause: unknown) => {
      throw new AgentError('HOST', `read ${path}: ${messageOf(cause)}; see to its disk`, { cause });
    });
    if (bytesRead === 0) {
      throw new AgentError('STALE', `read ${path}: it became shorter meanwhile; begin again when nobody changes it`);
    }
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

function notOpened(path: string, cause: unknown): AgentError {
  const code = (cause as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new AgentError('NO_SUCH_FILE', `read ${path}: there is no such file; an existing one is needed`, {
        cause,
      });
    case 'ELOOP':
    case 'ENXIO':
      return new AgentError('BAD_VALUE', `read ${path}: it is not a regular file; a regular file is needed`, { cause });
    case 'EACCES':
    case 'EPERM':
      return new AgentError('DENIED', `read ${path}: the agent may not read it; it must be made readable`, { cause });
    default:
      return new AgentError('HOST', `read ${path}: ${messageOf(cause)}; see to its disk`, { cause });
  }
}
