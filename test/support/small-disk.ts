import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

/** Mounts a file system of that size in memory at a directory. */
export function mountSmall(directory: string, sizeMib: number): void {
  mkdirSync(directory, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', directory]);
}

export function unmount(directory: string): void {
  execFileSync('umount', ['--lazy', directory]);
}

/** A disk image that is larger than the file system on which it lies. */
export interface GreedyDisk {
  readonly name: string;
  /** Makes the file system as large as the image, and more. */
  makeRoom(): void;
  remove(): void;
}

export function makeDiskOn(
  directory: string,
  { diskMib, spaceMib }: { readonly spaceMib: number; readonly diskMib: number },
): GreedyDisk {
  mountSmall(directory, spaceMib);
  const name = 'greedy.img';
  const file = openSync(join(directory, name), 'w');
  ftruncateSync(file, diskMib * 2 ** 20);
  closeSync(file);
  return {
    name,
    makeRoom: () => void execFileSync('mount', ['-o', `remount,size=${diskMib * 2}m`, directory]),
    remove: () => unmount(directory),
  };
}
