import { lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { posix } from 'node:path';
import type { PathMap } from '../files/repository-places.ts';
import { DEFAULT_REPOSITORY, MOUNT_DIRECTORY } from '../model/guest-path.ts';
import { mountPlaceOf, REPOSITORY_POOLS, type RepositoryId } from '../model/repository.ts';

/** What is at `/OVS`. */
export type DefaultPlace = 'free' | 'link' | 'directory';

/** What is there; a directory with nothing in it but empty pools is as good as none. */
export function defaultPlaceOf(paths: PathMap): DefaultPlace {
  const place = paths.onDisk(DEFAULT_REPOSITORY);
  const stats = lstatSync(place, { throwIfNoEntry: false });
  if (!stats) return 'free';
  if (stats.isSymbolicLink()) return 'link';
  return stats.isDirectory() && isSkeleton(place) ? 'free' : 'directory';
}

/**
 * Lets `/OVS` lead to a repository, or to none. A directory with files in it stays: it is the default repository itself then.
 * @returns whether `/OVS` is as wanted
 */
export function linkDefault(paths: PathMap, id: RepositoryId | undefined): boolean {
  const place = paths.onDisk(DEFAULT_REPOSITORY);
  const found = defaultPlaceOf(paths);
  if (found === 'directory') return id === undefined;
  if (id === undefined) {
    // A link to elsewhere is the administrator's.
    const mounts = paths.onDisk(MOUNT_DIRECTORY);
    if (found === 'link' && posix.dirname(posix.resolve(posix.dirname(place), readlinkSync(place))) === mounts)
      rmSync(place);
    return true;
  }
  // Relative, so that it holds below any root directory.
  const target = posix.relative(posix.dirname(place), paths.onDisk(mountPlaceOf(id)));
  if (found === 'link' && readlinkSync(place) === target) return true;
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) removeSkeleton(place);
  mkdirSync(posix.dirname(place), { recursive: true });
  const fresh = `${place}.new`;
  rmSync(fresh, { force: true });
  symlinkSync(target, fresh);
  renameSync(fresh, place);
  return true;
}

function isSkeleton(place: string): boolean {
  return readdirSync(place, { withFileTypes: true }).every(
    entry =>
      entry.isDirectory() &&
      REPOSITORY_POOLS.some(pool => pool === entry.name) &&
      readdirSync(posix.join(place, entry.name)).length === 0,
  );
}

function removeSkeleton(place: string): void {
  for (const name of readdirSync(place)) rmdirSync(posix.join(place, name));
  rmdirSync(place);
}
