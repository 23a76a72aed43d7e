import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** What follows the name of a file in that of one that was not finished. */
export const UNFINISHED_FILE = /^\.[0-9a-f]{12}\.new$/;

/** A name for the file while it is not finished, which nobody else has. */
export function unfinishedNameOf(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.new`;
}

/**
 * Writes a file so that readers, and a crash, find the old text or the new one and nothing between.
 * @param mode permission bits of the file, whatever the umask is
 * @param owner of the file; whoever writes it when left out
 */
export function writeFileAtomically(path: string, data: string | Uint8Array, mode: number, owner?: FileOwner): void {
  const temporary = unfinishedNameOf(path);
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    try {
      const bytes = Buffer.from(data);
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset);
      if (owner) fchownSync(descriptor, owner.uid, owner.gid);
      fchmodSync(descriptor, mode);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/** Makes a directory, and those above it, that only its owner can look into. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}

/** A rename is on the disk once its directory is. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
