import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';

export interface PoolRemovalParts {
  readonly repositoryFiles: RepositoryFiles;
  readonly operations: Operations;
}

interface Removal {
  readonly path: string;
  /** Its name while its files are removed. */
  readonly aside: string;
}

/** Removes what lies in a pool, a file or a directory, out of sight first: nobody finds half of it. */
export class PoolRemoval {
  readonly #parts: PoolRemovalParts;
  readonly #removal: Operation<Removal>;

  constructor(parts: PoolRemovalParts) {
    const { operations, repositoryFiles } = parts;
    this.#parts = parts;
    this.#removal = operations.define<Removal>({
      name: 'remove from a pool',
      finishFrom: 'remove',
      steps: [
        {
          name: 'set aside',
          title: 'puts it out of sight',
          weight: 1,
          run: ({ aside, path }) => repositoryFiles.rename(path, aside),
          undo: async ({ aside, path }) => {
            if ((await repositoryFiles.find(aside)).outcome === 'there') await repositoryFiles.rename(aside, path);
          },
        },
        { name: 'remove', title: 'removes its files', weight: 9, run: ({ aside }) => repositoryFiles.remove(aside) },
      ],
    });
  }

  /** To be called in the lane of the path. @throws AgentError NO_SUCH_FILE, TIMEOUT, HOST */
  async run(caller: Caller, path: string): Promise<void> {
    const aside = `${posix.dirname(path)}/.deleted-${randomUUID()}`;
    await this.#parts.operations.run(this.#removal, path, { path, aside }, caller);
  }
}
