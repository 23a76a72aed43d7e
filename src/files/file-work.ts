import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  type Stats,
  type Dirent,
} from 'node:fs';
import { posix } from 'node:path';
import { type FileOwner, syncDirectory, UNFINISHED_FILE, writeFileAtomically } from '../host/atomic-file.ts';
import { FileProblem } from './file-problem.ts';
import { handlePath, walk, type Walked } from './walk.ts';

export type FileKind = 'file' | 'directory' | 'device' | 'link' | 'other';

export interface FileFacts {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** Bytes that it takes on the disk: holes take none. */
  readonly allocatedBytes: number;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly modifiedMs: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Number of the file system and of the file in it: two names with the same are one file. */
  readonly identity: string;
}

/** Where a path leads. */
export type Resolution =
  | { readonly outcome: 'there'; readonly place: string; readonly facts: FileFacts }
  | { readonly outcome: 'absent' }
  | { readonly outcome: 'elsewhere'; readonly place: string };

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: FileKind;
}

export interface Space {
  readonly sizeBytes: number;
  readonly freeBytes: number;
}

export interface NewFileFacts {
  /** Permission bits. */
  readonly mode: number;
  readonly owner?: FileOwner;
}

/** Where files lie: a directory that is not left, and a path below it. */
export interface Place {
  readonly root: string;
  readonly path: string;
}

/** Most entries of a directory that are listed. */
const ENTRY_LIMIT = 100_000;
const IMAGE_MODE = 0o600;

/**
 * Work on files below a directory that is never left. Each verb is done at once and may wait for the disk, so that one whose
 * disk may not answer is done in a process of its own. All throw FileProblem.
 */
export const fileWork = {
  /** Where a path leads, links and all. */
  resolve({ path, root }: Place): Resolution {
    return walk(root, path, walked =>
      walked.outcome === 'there'
        ? { outcome: 'there', place: walked.place, facts: factsOf(walked.stats) }
        : { ...walked },
    );
  },

  /** A regular file of at most that many bytes. */
  read(place: Place, limitBytes: number): Buffer {
    return withFile(place, (descriptor, { size }, at) => {
      if (size > limitBytes) throw new FileProblem('unfit', at, `it has ${size} bytes, more than ${limitBytes}`);
      return pieceOf(descriptor, 0, size);
    });
  },

  /** A piece of a regular file, shorter where that ends. */
  readPiece(place: Place, offset: number, lengthBytes: number): Buffer {
    return withFile(place, descriptor => pieceOf(descriptor, offset, lengthBytes));
  },

  /** Writes a file so that readers, and a crash, find the old one or the new one. */
  write(place: Place, bytes: Uint8Array, { mode, owner }: NewFileFacts): void {
    withDirectory(place, (directory, name) => {
      for (const entry of readdirSync(directory)) {
        // What a process that was killed while it wrote has left.
        const isUnfinished = entry.startsWith(`${name}.`) && UNFINISHED_FILE.test(entry.slice(name.length));
        if (isUnfinished) rmSync(`${directory}/${entry}`, { force: true });
      }
      writeFileAtomically(`${directory}/${name}`, bytes, mode, owner);
    });
  },

  list(place: Place): readonly DirectoryEntry[] {
    return withThere(place, ({ descriptor, place: at, stats }) => {
      if (!stats.isDirectory()) throw new FileProblem('unfit', at, 'it is no directory');
      const entries = readdirSync(handlePath(descriptor), { withFileTypes: true });
      if (entries.length > ENTRY_LIMIT) throw new FileProblem('unfit', at, `it has more than ${ENTRY_LIMIT} entries`);
      return entries.map(entry => ({ name: entry.name, kind: kindOf(entry) }));
    });
  },

  /** Makes one directory that is not there yet. */
  makeDirectory(place: Place, mode: number): void {
    withDirectory(place, (directory, name) => {
      mkdirSync(`${directory}/${name}`, { mode });
      chmodSync(`${directory}/${name}`, mode);
      syncDirectory(directory);
    });
  },

  /** Makes a file of that size that is one hole; nothing may be there yet. */
  makeImage(place: Place, sizeBytes: number): void {
    withDirectory(place, (directory, name) => {
      const file = `${directory}/${name}`;
      const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, IMAGE_MODE);
      try {
        ftruncateSync(descriptor, sizeBytes);
        fsyncSync(descriptor);
      } catch (error) {
        rmSync(file, { force: true });
        throw error;
      } finally {
        closeSync(descriptor);
      }
      syncDirectory(directory);
    });
  },

  /** Makes an image larger, by a hole at its end. */
  growImage(place: Place, sizeBytes: number): void {
    withThere(place, ({ descriptor, place: at, stats }) => {
      if (!stats.isFile()) throw new FileProblem('unfit', at, 'it is no regular file');
      if (sizeBytes < stats.size)
        throw new FileProblem('unfit', at, `it has ${stats.size} bytes, and images are not made smaller`);
      const opened = openSync(handlePath(descriptor), constants.O_WRONLY);
      try {
        ftruncateSync(opened, sizeBytes);
        fsyncSync(opened);
      } finally {
        closeSync(opened);
      }
    });
  },

  /** Gives a file or directory another name, which nothing has, below the same root. */
  rename(from: Place, to: Place): void {
    withDirectory(from, (oldDirectory, oldName) =>
      withDirectory(to, (newDirectory, newName) => {
        if (isThere(`${newDirectory}/${newName}`)) {
          throw new FileProblem('exists', posix.join(to.root, to.path), 'it is there already');
        }
        renameSync(`${oldDirectory}/${oldName}`, `${newDirectory}/${newName}`);
        syncDirectory(oldDirectory);
        syncDirectory(newDirectory);
      }),
    );
  },

  /** Removes a file, or a directory with all that is in it; links are removed and not followed. It may be gone already. */
  remove(place: Place): void {
    withDirectory(place, (directory, name) => rmSync(`${directory}/${name}`, { recursive: true, force: true }));
  },

  space(place: Place): Space {
    return withThere(place, ({ descriptor }) => {
      const { bavail, blocks, bsize } = statfsSync(handlePath(descriptor));
      return { sizeBytes: blocks * bsize, freeBytes: bavail * bsize };
    });
  },
} as const;

export type FileWork = typeof fileWork;
export type FileVerb = keyof FileWork;

/** One piece of work by its name. */
export function doFileWork<V extends FileVerb>(verb: V, args: Parameters<FileWork[V]>): ReturnType<FileWork[V]> {
  const verbs = fileWork as unknown as Readonly<
    Record<V, (...args: Parameters<FileWork[V]>) => ReturnType<FileWork[V]>>
  >;
  return verbs[verb](...args);
}

type There = Extract<Walked, { readonly outcome: 'there' }>;

/**
 * @param name of what is wanted in the directory that was walked to; empty when that itself is
 * @throws FileProblem when nothing is there, or a link leads out
 */
export function requireThere({ path, root }: Place, walked: Walked, name = ''): There {
  if (walked.outcome === 'there') return walked;
  const place = posix.join(root, path, name);
  if (walked.outcome === 'absent') throw new FileProblem('absent', place, 'it is not there');
  const leadsTo = posix.join(walked.place, name);
  throw new FileProblem('outside', place, `a link leads to ${leadsTo}`, { leadsTo });
}

/** The directory in which something is, and the name that it has there. */
export function parentOf({ path, root }: Place): { readonly parent: Place; readonly name: string } {
  const name = posix.basename(path);
  if (name === '' || name === '.' || name === '..') {
    throw new FileProblem('unfit', posix.join(root, path), 'it names no file in a directory');
  }
  const directory = posix.dirname(path);
  return { parent: { root, path: directory === '.' ? '' : directory }, name };
}

function withThere<T>(place: Place, use: (there: There) => T, name = ''): T {
  return walk(place.root, place.path, walked => use(requireThere(place, walked, name)));
}

function withDirectory<T>(place: Place, use: (directory: string, name: string) => T): T {
  const { name, parent } = parentOf(place);
  return withThere(
    parent,
    ({ descriptor, place: at, stats }) => {
      if (!stats.isDirectory()) throw new FileProblem('unfit', at, 'it is no directory');
      return use(handlePath(descriptor), name);
    },
    name,
  );
}

function withFile<T>(place: Place, use: (descriptor: number, stats: Stats, at: string) => T): T {
  return withThere(place, ({ descriptor, place: at, stats }) => {
    if (!stats.isFile()) throw new FileProblem('unfit', at, 'it is no regular file');
    const opened = openSync(handlePath(descriptor), constants.O_RDONLY);
    try {
      return use(opened, stats, at);
    } finally {
      closeSync(opened);
    }
  });
}

function pieceOf(descriptor: number, offset: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let done = 0;
  while (done < lengthBytes) {
    const count = readSync(descriptor, bytes, done, lengthBytes - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

function isThere(place: string): boolean {
  return lstatSync(place, { throwIfNoEntry: false }) !== undefined;
}

function kindOf(entry: Stats | Dirent): FileKind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  if (entry.isBlockDevice()) return 'device';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

const BLOCK_BYTES = 512;
const PERMISSION_BITS = 0o777;

function factsOf(stats: Stats): FileFacts {
  return {
    kind: kindOf(stats),
    sizeBytes: stats.size,
    allocatedBytes: stats.blocks * BLOCK_BYTES,
    modifiedMs: stats.mtimeMs,
    mode: stats.mode & PERMISSION_BITS,
    uid: stats.uid,
    gid: stats.gid,
    identity: `${stats.dev}:${stats.ino}`,
  };
}
