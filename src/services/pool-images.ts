import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Log } from '../host/log.ts';
import { type ImagePath, parseImagePath } from '../model/pool-path.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import { watchedCopy, writeNewFile } from './disk-room.ts';
import type { ImageUser, ImageUsers } from './image-users.ts';
import type { ImportSource, ImportSources } from './import-sources.ts';
import type { PoolRemoval } from './pool-removal.ts';

export interface PoolImagesParts {
  readonly repositoryFiles: RepositoryFiles;
  readonly sources: ImportSources;
  readonly removal: PoolRemoval;
  readonly users: ImageUsers;
  readonly lanes: { run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T> };
  readonly operations: Operations;
}

export type ImagePool = 'iso_pool' | 'sharedDisk';

/** An image as people and managers see it. */
export interface ImageFacts {
  /** Its name in its pool, with that of its group where it is in one. */
  readonly name: string;
  readonly path: ImagePath;
  readonly sizeBytes: number;
  readonly users: readonly ImageUser[];
}

interface Importing extends ImportSource {
  readonly path: ImagePath;
  readonly unfinished: string;
  /** Directory of the group, where there is none yet. */
  readonly newGroup: string | undefined;
}

/** The ISOs and the shared disks of all repositories (guide, 4.5 and 7): they come, are listed, and go when no guest has them. */
export class PoolImages {
  readonly #parts: PoolImagesParts;
  readonly #importing: Operation<Importing>;

  constructor(parts: PoolImagesParts) {
    this.#parts = parts;
    this.#importing = parts.operations.define<Importing>(this.#importingSteps());
  }

  /** Those of repositories that answer. */
  async list(pool: ImagePool, log: Log): Promise<readonly ImageFacts[]> {
    const { repositoryFiles, users } = this.#parts;
    const found = await Promise.all(
      repositoryFiles.repositories().map(repository => this.#filesIn(`${repository}/${pool}`, pool)),
    );
    const files = found.flat();
    const usersOf = await users.of(
      files.map(({ path }) => path),
      log,
    );
    return files.map(file => ({ ...file, users: usersOf.get(file.path) ?? [] }));
  }

  /**
   * Brings an ISO into an iso_pool.
   * @param url http, https or ftp, or a file in a repository
   * @param name of the ISO, with that of its group where it is to be in one, or its path
   * @param sum SHA-256 that it must have; when left out, that of a file beside it with `.sha256`, where there is one
   * @throws AgentError BAD_VALUE, EXISTS, NO_SUCH_FILE, NO_RESOURCES, STALE, CANCELLED, TIMEOUT, HOST
   */
  async importIso(caller: Caller, url: string, name: string, sum: string | undefined): Promise<ImagePath> {
    const { lanes, operations, repositoryFiles, sources } = this.#parts;
    const path = parseImagePath('iso_pool', name);
    const source = await sources.plan(url, sum);
    await lanes.run(path, 'import ISO', async () => {
      await operations.settle(path);
      if ((await repositoryFiles.find(path)).outcome !== 'absent')
        throw new AgentError('EXISTS', `import ${path}: it is there already; choose another name, or delete it first`);
      const directory = posix.dirname(path);
      const isNewGroup =
        !directory.endsWith('/iso_pool') && (await repositoryFiles.find(directory)).outcome === 'absent';
      const unfinished = `${directory}/.importing-${randomUUID()}`;
      const importing: Importing = { ...source, path, unfinished, newGroup: isNewGroup ? directory : undefined };
      await operations.run(this.#importing, path, importing, caller);
    });
    caller.log.info({ iso: path }, 'ISO imported');
    return path;
  }

  /** @throws AgentError NO_SUCH_FILE, IN_USE with the guests that have it, TIMEOUT, HOST */
  async delete(caller: Caller, pool: ImagePool, name: string): Promise<void> {
    const { lanes, operations, removal, repositoryFiles, users } = this.#parts;
    const path = parseImagePath(pool, name);
    await lanes.run(path, 'delete', async () => {
      await operations.settle(path);
      const found = await repositoryFiles.find(path);
      if (found.outcome !== 'there' || found.facts.kind !== 'file') {
        const list = pool === 'iso_pool' ? 'list_isos' : 'list_shared_disks';
        throw new AgentError('NO_SUCH_FILE', `delete ${path}: it is not there; ${list} shows those there are`);
      }
      await users.requireUnused('delete', path, caller.log);
      await removal.run(caller, path);
    });
    caller.log.info({ image: path }, 'image deleted');
  }

  async #filesIn(directory: string, pool: ImagePool, group = ''): Promise<Omit<ImageFacts, 'users'>[]> {
    const { repositoryFiles } = this.#parts;
    const entries = await repositoryFiles.list(directory).catch(() => []);
    const found = await Promise.all(
      entries
        .filter(({ name }) => !name.startsWith('.'))
        .map(async ({ kind, name }) => {
          const path = `${directory}/${name}`;
          if (kind === 'directory')
            return pool === 'iso_pool' && group === '' ? this.#filesIn(path, pool, `${name}/`) : [];
          const file = await repositoryFiles.find(path);
          if (file.outcome !== 'there' || file.facts.kind !== 'file') return [];
          return [{ name: `${group}${name}`, path: path as ImagePath, sizeBytes: file.facts.sizeBytes }];
        }),
    );
    return found.flat();
  }

  #importingSteps(): Operation<Importing> {
    const { repositoryFiles } = this.#parts;
    return {
      name: 'import an ISO',
      finishFrom: 'place',
      steps: [
        {
          name: 'fetch',
          title: 'fetches it',
          weight: 98,
          run: (state, context) => this.#fetch(state, context),
          undo: async ({ newGroup, unfinished }) => {
            if (newGroup !== undefined && (await repositoryFiles.find(newGroup)).outcome !== 'there') return;
            await repositoryFiles.remove(unfinished);
            if (newGroup === undefined || (await repositoryFiles.list(newGroup)).length > 0) return;
            await repositoryFiles.remove(newGroup);
          },
        },
        {
          name: 'place',
          title: 'puts it in its place',
          weight: 2,
          run: async ({ path, unfinished }) => {
            if ((await repositoryFiles.find(unfinished)).outcome === 'there') {
              await repositoryFiles.rename(unfinished, path);
            }
          },
        },
      ],
    };
  }

  async #fetch({ newGroup, path, sum, unfinished, url }: Importing, { report, signal }: StepContext): Promise<void> {
    const { repositoryFiles, sources } = this.#parts;
    const found = newGroup === undefined ? undefined : await repositoryFiles.find(newGroup);
    if (newGroup !== undefined && found?.outcome === 'absent') await repositoryFiles.makeDirectory(newGroup);
    const directory = await repositoryFiles.find(posix.dirname(unfinished));
    if (directory.outcome !== 'there')
      throw new AgentError('NO_SUCH_FILE', `import ${path}: there is no ${posix.dirname(path)}; mount its repository`);
    const { stream, totalBytes } = await sources.open({ url, sum }, signal);
    try {
      await writeNewFile(`import ${path}`, posix.join(directory.place, posix.basename(unfinished)), output =>
        pipeline(stream, watchedCopy(directory.place, totalBytes, report), output, { signal }),
      );
    } finally {
      stream.destroy();
    }
  }
}
