import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { readMounts } from '../../src/host/mounts.ts';

/** Unmounts everything below a directory, so that removing it removes nothing that is only seen there. */
export function unmountBelow(directory: string): void {
  const places = (): string[] =>
    readMounts()
      .map(({ place }) => place)
      .filter(place => place === directory || place.startsWith(`${directory}/`));
  // The last one made first: it may lie on another.
  for (const place of places().reverse()) spawnSync('umount', ['--lazy', place]);
  const left = places();
  if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
}

/** A block device with a file system, in a file. */
export interface LoopDisk {
  readonly device: string;
  detach(): void;
}

export function makeLoopDisk(file: string, sizeMib: number, makeFileSystem: readonly string[]): LoopDisk {
  const opened = openSync(file, 'w');
  ftruncateSync(opened, sizeMib * 2 ** 20);
  closeSync(opened);
  const [program, ...args] = makeFileSystem;
  if (program !== undefined) execFileSync(program, [...args, file], { stdio: 'ignore' });
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  return { device, detach: () => void spawnSync('losetup', ['--detach', device]) };
}

/** A file system that never answers, as that of a server that is gone. */
export interface SilentMount {
  /** Lets go of everybody who waits for it, and unmounts it; once. */
  end(): void;
}

/** Mounts one over a directory: a FUSE file system whose server reads nothing (Documentation/filesystems/fuse.rst of the kernel). */
export function mountSilent(place: string): SilentMount {
  mkdirSync(place, { recursive: true });
  const server = openSync('/dev/fuse', 'r+');
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  execFileSync('mount', ['-i', '-t', 'fuse', '-o', options, 'silent', place], {
    stdio: ['ignore', 'inherit', 'inherit', server],
  });
  let isOpen = true;
  return {
    end() {
      if (!isOpen) return;
      isOpen = false;
      closeSync(server);
      spawnSync('umount', ['--lazy', place]);
    },
  };
}
