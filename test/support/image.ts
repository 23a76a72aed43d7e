import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A raw image that holds nothing. */
export function makeImage(file: string, bytes = 1 << 20): string {
  writeFileSync(file, '');
  truncateSync(file, bytes);
  return file;
}

/**
 * An image on a file system of its own with less room than the image has, mounted in a directory of `root`. The caller unmounts it.
 * @returns `free` makes room
 */
export function makeTightImage(root: string): { directory: string; file: string; free: () => void } {
  const directory = join(root, 'tight');
  mkdirSync(directory);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tight', directory]);
  const file = makeImage(join(directory, 'image'), 16 * 2 ** 20);
  return { directory, file, free: () => void execFileSync('mount', ['-o', 'remount,size=32m', directory]) };
}
