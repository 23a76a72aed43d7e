import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { asFileProblem } from './file-problem.ts';

/** open(2): a handle by which a file is named and not read. Node.js does not name it. */
const O_PATH = 0o10000000;
const LINKS_FOLLOWED = 40;

/** What lies at the end of a path. */
export type Walked =
  | { readonly outcome: 'there'; readonly place: string; readonly descriptor: number; readonly stats: Stats }
  /** Nothing is there; its directory may be. */
  | { readonly outcome: 'absent' }
  /** A link leads out of the directory, to that place. */
  | { readonly outcome: 'elsewhere'; readonly place: string };

interface Step {
  readonly descriptor: number;
  readonly place: string;
}

/**
 * Goes from a directory to a path below it, one name after the other, each opened from the handle of the one before without
 * following links (openat(2), O_NOFOLLOW, by way of /proc/self/fd). Links are read and walked in the same way, and one that
 * leads out of the directory ends the walk: whatever others rename meanwhile, nothing outside is ever opened.
 * @param root the directory; links in its own path are the administrator's
 * @param path relative, elements separated by slashes
 * @param use is given what was found, whose handle is open until it returns
 * @throws FileProblem
 */
export function walk<T>(root: string, path: string, use: (walked: Walked) => T): T {
  const steps: Step[] = [];
  try {
    const walked = follow(steps, root, path);
    return use(walked);
  } catch (error) {
    throw asFileProblem(error, posix.join(root, path));
  } finally {
    for (const { descriptor } of steps) closeSync(descriptor);
  }
}

/** The same for an asynchronous use. */
export async function walkWhile<T>(root: string, path: string, use: (walked: Walked) => Promise<T>): Promise<T> {
  const steps: Step[] = [];
  try {
    return await use(follow(steps, root, path));
  } catch (error) {
    throw asFileProblem(error, posix.join(root, path));
  } finally {
    for (const { descriptor } of steps) closeSync(descriptor);
  }
}

/** A handle as a path, below which names are looked up in that very directory. */
export function handlePath(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

function follow(steps: Step[], root: string, path: string): Walked {
  const push = (opened: string, place: (descriptor: number) => string, flags: number): Stats => {
    const descriptor = openSync(opened, O_PATH | flags);
    // What is noted is closed, whatever fails next.
    steps.push({ descriptor, place: '' });
    const step = { descriptor, place: place(descriptor) };
    steps[steps.length - 1] = step;
    return fstatSync(descriptor);
  };
  let stats: Stats;
  try {
    stats = push(root, descriptor => readlinkSync(handlePath(descriptor)), constants.O_DIRECTORY);
  } catch (error) {
    if (isAbsent(error)) return { outcome: 'absent' };
    throw error;
  }
  const names = path.split('/');
  for (let links = 0; names.length > 0; ) {
    const name = names.shift()!;
    if (name === '' || name === '.') continue;
    const { descriptor, place } = steps.at(-1)!;
    if (name === '..') {
      if (steps.length === 1) return { outcome: 'elsewhere', place: posix.join(place, '..', ...names) };
      closeSync(steps.pop()!.descriptor);
      stats = fstatSync(steps.at(-1)!.descriptor);
      continue;
    }
    const entry = `${handlePath(descriptor)}/${name}`;
    try {
      stats = push(entry, () => posix.join(place, name), constants.O_NOFOLLOW);
    } catch (error) {
      if (isAbsent(error)) return { outcome: 'absent' };
      throw error;
    }
    if (!stats.isSymbolicLink()) continue;
    const target = readlinkSync(entry);
    closeSync(steps.pop()!.descriptor);
    links += 1;
    if (links > LINKS_FOLLOWED) return { outcome: 'absent' };
    if (target.startsWith('/')) return { outcome: 'elsewhere', place: posix.join(target, ...names) };
    names.unshift(...target.split('/'));
    stats = fstatSync(steps.at(-1)!.descriptor);
  }
  const { descriptor, place } = steps.at(-1)!;
  return { outcome: 'there', place, descriptor, stats };
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '');
}
