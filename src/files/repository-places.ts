import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { posix } from 'node:path';
import { DEFAULT_REPOSITORY, isRepositoryId, MOUNT_DIRECTORY } from '../model/guest-path.ts';
import type { Place } from './file-work.ts';

/** Where paths as callers give them lie on this server's disk. */
export interface PathMap {
  onDisk(path: string): string;
  asGiven(place: string): string;
}

/** Where in which repository something lies. */
export interface Located {
  /** The repository itself, not a link to it. */
  readonly repository: string;
  readonly place: Place;
}

/** Which repository a path is in, as far as its name tells. Nothing on the disks of repositories is looked at. */
export class RepositoryPlaces {
  readonly #paths: PathMap;
  readonly #realRoot: string;

  constructor(paths: PathMap) {
    this.#paths = paths;
    this.#realRoot = realpathSync(paths.onDisk('/'));
  }

  /**
   * The repository in which a place lies, by its name alone.
   * @param alsoBelow further directories in which it may lie, as given
   */
  locate(place: string, alsoBelow: readonly string[] = []): Located | undefined {
    const paths = this.#paths;
    const repository = this.#repositoryOf(place);
    const root = repository ?? alsoBelow.map(path => paths.onDisk(path)).find(path => isWithin(path, place));
    if (root === undefined) return undefined;
    return { repository: this.#asMounted(root), place: { root, path: place.slice(root.length + 1) } };
  }

  /** All repositories whose directories are there, as callers name them: each once, the default one by its own name. */
  all(): readonly string[] {
    const byDefault = this.#asMounted(this.#paths.onDisk(DEFAULT_REPOSITORY));
    const mounted = this.#paths.onDisk(MOUNT_DIRECTORY);
    const others = namesIn(mounted).filter(name => isRepositoryId(name) && posix.join(mounted, name) !== byDefault);
    return [DEFAULT_REPOSITORY, ...others.map(name => posix.join(MOUNT_DIRECTORY, name))];
  }

  #repositoryOf(place: string): string | undefined {
    const paths = this.#paths;
    const byDefault = paths.onDisk(DEFAULT_REPOSITORY);
    if (isWithin(byDefault, place)) return byDefault;
    const mounted = paths.onDisk(MOUNT_DIRECTORY);
    if (!place.startsWith(`${mounted}/`)) return undefined;
    const [id = ''] = place.slice(mounted.length + 1).split('/', 1);
    return isRepositoryId(id) ? `${mounted}/${id}` : undefined;
  }

  /** The default repository may be a link to where it is mounted. */
  #asMounted(root: string): string {
    if (root !== this.#paths.onDisk(DEFAULT_REPOSITORY)) return root;
    try {
      return posix.resolve(posix.dirname(root), readlinkSync(root));
    } catch {
      return root;
    }
  }

  /** Where the file system of a repository is mounted, if it is one. */
  mountPlaceOf(repository: string): string {
    return this.asReal(this.#asMounted(this.#paths.onDisk(repository)));
  }

  /** A place below the agent's root as its settings spell that, where links lead to it by another name. */
  asSpelled(place: string): string {
    const root = this.#paths.onDisk('/');
    return this.#realRoot !== root && isWithin(this.#realRoot, place)
      ? posix.join(root, place.slice(this.#realRoot.length))
      : place;
  }

  /** The same with the links of that root followed. */
  asReal(place: string): string {
    const root = this.#paths.onDisk('/');
    return isWithin(root, place) ? posix.join(this.#realRoot, place.slice(root.length)) : place;
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function isWithin(directory: string, place: string): boolean {
  return place === directory || place.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}
