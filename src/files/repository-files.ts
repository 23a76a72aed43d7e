import { realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import { type Mount, mountOf, mountsFollowed } from '../host/mounts.ts';
import { quote } from '../model/guest-path.ts';
import { FileHelper, type StartHelper } from './file-helper.ts';
import { fileFailure, outsideRepositories } from './file-failures.ts';
import { FileProblem } from './file-problem.ts';
import {
  type DirectoryEntry,
  doFileWork,
  type FileFacts,
  type FileVerb,
  type FileWork,
  type NewFileFacts,
  parentOf,
  type Place,
  requireThere,
  type Space,
} from './file-work.ts';
import { type Located, type PathMap, RepositoryPlaces } from './repository-places.ts';
import { handlePath, walkWhile } from './walk.ts';

export interface RepositoryFilesParts {
  readonly paths: PathMap;
  /** Starts the process that works on the files of one repository. */
  readonly startHelper: StartHelper;
  /** A directory of the agent's own: what lies in the same file system answers as long as the agent does. */
  readonly ownDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest that a repository may take for one answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** Where a path leads. */
export type Found =
  | { readonly outcome: 'there'; readonly place: string; readonly facts: FileFacts }
  | { readonly outcome: 'absent' }
  | { readonly outcome: 'outside'; readonly place: string };

/** Removing the image of a large disk takes its time on many file systems. */
const REMOVE_MS = 3_600_000;
const REPOSITORIES_CROSSED = 8;

/**
 * Every act of the agent on files of repositories. It decides whether a path lies inside one, follows no link out, and works in
 * a process of its own where the disk may not answer.
 */
export class RepositoryFiles {
  readonly #parts: RepositoryFilesParts;
  readonly #helpers = new Map<string, FileHelper>();
  readonly #places: RepositoryPlaces;
  /** Never of a moment ago: work on what was mounted since, and hangs, would hold up the agent. */
  readonly #mounts = mountsFollowed();
  readonly #ownPlace: string;

  constructor(parts: RepositoryFilesParts) {
    this.#parts = parts;
    this.#places = new RepositoryPlaces(parts.paths);
    this.#ownPlace = realpathSync(parts.ownDirectory);
  }

  /**
   * Where a path leads, whatever links are in it.
   * @param alsoBelow further directories in which it may lie, as given
   * @throws AgentError TIMEOUT when the repository does not answer, HOST
   */
  async find(given: string, alsoBelow: readonly string[] = []): Promise<Found> {
    let place = this.#parts.paths.onDisk(given);
    for (let crossed = 0; crossed <= REPOSITORIES_CROSSED; crossed++) {
      const located = this.#places.locate(place, alsoBelow);
      if (!located) return { outcome: 'outside', place };
      const found = await this.#do('look up', given, located, 'resolve', [located.place]);
      if (found.outcome !== 'elsewhere') return found;
      place = this.#places.asSpelled(found.place);
    }
    return { outcome: 'absent' };
  }

  /** @throws AgentError NO_SUCH_FILE, BAD_VALUE, TIMEOUT, HOST */
  read(given: string, limitBytes: number): Promise<Buffer> {
    return this.#work('read', given, 'read', place => [place, limitBytes]);
  }

  /** A piece of a file, shorter where that ends. @throws AgentError as `read` */
  readPiece(given: string, offset: number, lengthBytes: number): Promise<Buffer> {
    return this.#work('read', given, 'readPiece', place => [place, offset, lengthBytes]);
  }

  /** Writes a file so that readers, and a crash, find the old one or the new one. @throws AgentError NO_RESOURCES, and as `read` */
  write(given: string, bytes: Uint8Array, facts: NewFileFacts): Promise<void> {
    return this.#work('write', given, 'write', place => [place, bytes, facts]);
  }

  /** @throws AgentError as `read` */
  list(given: string): Promise<readonly DirectoryEntry[]> {
    return this.#work('list', given, 'list', place => [place]);
  }

  /** @throws AgentError EXISTS, and as `write` */
  makeDirectory(given: string, mode = 0o700): Promise<void> {
    return this.#work('make', given, 'makeDirectory', place => [place, mode]);
  }

  /** Makes an image that takes no space yet, private, where nothing is. @throws AgentError EXISTS, NO_RESOURCES, and as `read` */
  makeImage(given: string, sizeBytes: number): Promise<void> {
    return this.#work('make', given, 'makeImage', place => [place, sizeBytes]);
  }

  /** Makes an image larger, by a hole at its end. @throws AgentError BAD_VALUE when it is larger already, and as `read` */
  growImage(given: string, sizeBytes: number): Promise<void> {
    return this.#work('grow', given, 'growImage', place => [place, sizeBytes]);
  }

  /**
   * Gives something another name in the same repository, which nothing has yet.
   * @throws AgentError EXISTS, BAD_VALUE, and as `read`
   */
  async rename(from: string, to: string): Promise<void> {
    const places = [await this.#realPlace(from), await this.#realPlace(to)] as const;
    const [old, now] = places.map(place => this.#places.locate(place));
    if (!old || !now) throw fileFailure(this.#parts.paths, 'rename', old ? to : from, outsideRepositories(from));
    if (old.repository !== now.repository) {
      throw new AgentError(
        'BAD_VALUE',
        `rename ${quote(from)}: ${quote(to)} lies in another repository; copy it there`,
      );
    }
    await this.#do('rename', from, old, 'rename', [old.place, now.place]);
  }

  /** Removes a file, or a directory with all in it. It may be gone already. @throws AgentError as `read` */
  async remove(given: string): Promise<void> {
    const located = this.#places.locate(await this.#realPlace(given));
    if (!located) throw fileFailure(this.#parts.paths, 'remove', given, outsideRepositories(given));
    try {
      const mount = this.#slowMountOf(located);
      if (!mount) await removeSlowly(located.place);
      // In a process of its own, so that others need not wait until the disk has let go of it.
      else await this.#aside(mount.place, helper => helper.run('remove', [located.place]));
    } catch (error) {
      throw fileFailure(this.#parts.paths, 'remove', given, error);
    }
  }

  /** Room in the file system where something lies. @throws AgentError as `read` */
  space(given: string): Promise<Space> {
    return this.#work('look at', given, 'space', place => [place]);
  }

  /** All repositories whose directories are there, as callers name them. */
  repositories(): readonly string[] {
    return this.#places.all();
  }

  /** Whether a path, as callers give it or as it lies on this server's disk, is in a repository by any of its names. */
  isIn(repository: string, path: string): boolean {
    const { paths } = this.#parts;
    const located = this.#places.locate(paths.onDisk(paths.asGiven(this.#places.asSpelled(path))));
    return located?.repository === this.#places.locate(paths.onDisk(repository))?.repository;
  }

  /** Since when a repository does not answer, in milliseconds since 1970-01-01 UTC. */
  hungSince(repository: string): number | undefined {
    const place = this.#places.mountPlaceOf(repository);
    // What hung there may have been unmounted since.
    const mount = this.#slowMountOf({ repository: place, place: { root: place, path: '' } });
    return mount && this.#helpers.get(mount.place)?.hungSince;
  }

  /** Lets go of a repository that is to be unmounted. */
  letGo(repository: string): void {
    const key = this.#places.mountPlaceOf(repository);
    this.#helpers.get(key)?.close();
    this.#helpers.delete(key);
  }

  close(): void {
    for (const helper of this.#helpers.values()) helper.close();
    this.#helpers.clear();
  }

  async #work<V extends FileVerb>(
    act: string,
    given: string,
    verb: V,
    argsOf: (place: Place) => Parameters<FileWork[V]>,
  ): Promise<ReturnType<FileWork[V]>> {
    let place = this.#parts.paths.onDisk(given);
    for (let crossed = 0; crossed <= REPOSITORIES_CROSSED; crossed++) {
      const located = this.#places.locate(place);
      if (!located) break;
      try {
        return await this.#attempt(located, verb, argsOf(located.place));
      } catch (error) {
        if (!(error instanceof FileProblem) || error.leadsTo === undefined)
          throw fileFailure(this.#parts.paths, act, given, error);
        place = this.#places.asSpelled(error.leadsTo);
      }
    }
    throw fileFailure(this.#parts.paths, act, given, outsideRepositories(given));
  }

  async #do<V extends FileVerb>(
    act: string,
    given: string,
    located: Located,
    verb: V,
    args: Parameters<FileWork[V]>,
  ): Promise<ReturnType<FileWork[V]>> {
    try {
      return await this.#attempt(located, verb, args);
    } catch (error) {
      throw fileFailure(this.#parts.paths, act, given, error);
    }
  }

  /** What answers as long as the agent does is asked here: that takes microseconds. */
  async #attempt<V extends FileVerb>(
    located: Located,
    verb: V,
    args: Parameters<FileWork[V]>,
  ): Promise<ReturnType<FileWork[V]>> {
    const mount = this.#slowMountOf(located);
    if (mount) return this.#helperOf(mount.place).run(verb, args);
    return doFileWork(verb, args);
  }

  /** Its name in a directory without links; links in the last element stay. */
  async #realPlace(given: string): Promise<string> {
    const directory = await this.find(posix.dirname(given));
    if (directory.outcome === 'absent') {
      throw fileFailure(
        this.#parts.paths,
        'look up',
        given,
        new FileProblem('absent', given, 'its directory is not there'),
      );
    }
    return posix.join(this.#places.asSpelled(directory.place), posix.basename(given));
  }

  /** The mount in which something lies, where that may not answer. */
  #slowMountOf({ place: { path }, repository }: Located): Mount | undefined {
    const all = this.#mounts();
    const mount = mountOf(all, posix.join(this.#places.asReal(repository), path));
    const own = mountOf(all, this.#ownPlace);
    return mount?.device === own?.device ? undefined : mount;
  }

  #helperOf(mountPlace: string): FileHelper {
    const helper = this.#helpers.get(mountPlace) ?? this.#newHelper(mountPlace, this.#parts.timeoutMs);
    this.#helpers.set(mountPlace, helper);
    return helper;
  }

  #newHelper(mountPlace: string, timeoutMs: number): FileHelper {
    const { clock, log, paths, startHelper } = this.#parts;
    const repository = paths.asGiven(this.#places.asSpelled(mountPlace));
    return new FileHelper({ repository, start: startHelper, clock, log, timeoutMs });
  }

  async #aside<T>(mountPlace: string, use: (helper: FileHelper) => Promise<T>): Promise<T> {
    const helper = this.#newHelper(mountPlace, REMOVE_MS);
    try {
      return await use(helper);
    } finally {
      helper.close();
    }
  }
}

/** Large trees take longer than others shall wait. */
async function removeSlowly(place: Place): Promise<void> {
  const { name, parent } = parentOf(place);
  await walkWhile(parent.root, parent.path, walked =>
    rm(`${handlePath(requireThere(parent, walked, name).descriptor)}/${name}`, { recursive: true, force: true }),
  );
}
