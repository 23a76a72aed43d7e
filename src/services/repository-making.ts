import { randomUUID } from 'node:crypto';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { PathMap } from '../files/repository-places.ts';
import { readMounts } from '../host/mounts.ts';
import { DEFAULT_REPOSITORY, MOUNT_DIRECTORY } from '../model/guest-path.ts';
import { isKnownFileSystem } from '../model/mount-options.ts';
import {
  mountPlaceOf,
  parseRepositoryId,
  REPOSITORY_POOLS,
  type RepositoryId,
  type RepositorySource,
  sourceText,
} from '../model/repository.ts';
import type { ListedRepository } from '../model/repository-list.ts';
import { formatStamp, type RepositoryStamp, type SharedForm, STAMP_FILE } from '../model/repository-stamp.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import type { GuestRecords } from './guest-records.ts';
import type { RepositoryMounts } from './repository-mounts.ts';
import type { RepositoryRegistry } from './repository-registry.ts';

export interface RepositoryMakerParts {
  readonly paths: PathMap;
  readonly files: RepositoryFiles;
  readonly mounts: RepositoryMounts;
  readonly registry: RepositoryRegistry;
  readonly records: Pick<GuestRecords, 'list'>;
  readonly operations: Operations;
  /** Told of a repository that stands in the list now. */
  readonly onListed: (entry: ListedRepository) => Promise<void>;
}

/** A repository that is wanted. */
export interface NewRepository {
  readonly source: RepositorySource;
  readonly shared: SharedForm;
  readonly description: string;
  /** Its uuid, where that is known before. */
  readonly id?: RepositoryId | undefined;
  /** Mount options; empty for those that its line in repositories.options has. */
  readonly options?: string | undefined;
}

/** All that the steps of making a repository know. */
interface Making {
  readonly id: RepositoryId;
  readonly source: RepositorySource;
  readonly options: string;
  readonly shared: SharedForm;
  readonly description: string;
  readonly isDefault: boolean;
  /** Of its directories those that are not there yet. */
  readonly pools: readonly string[];
  /** Whether it says already what it is. */
  readonly isStamped: boolean;
}

/** What is learned of a source before anything is done with it. */
interface Looking {
  readonly id: RepositoryId;
  readonly source: RepositorySource;
  readonly options: string;
}

interface Look {
  readonly stamp: RepositoryStamp | undefined;
  readonly missingPools: readonly string[];
}

/** Acts on repositories happen one at a time: they share files and mounts. */
export const REPOSITORIES_LANE = 'repositories';

/** Makes repositories of sources, whole or not at all. */
export class RepositoryMaker {
  readonly #parts: RepositoryMakerParts;
  /** What was seen, by the uuid under which a source was mounted for that. */
  readonly #looks = new Map<RepositoryId, Look>();
  readonly #looking: Operation<Looking>;
  readonly #making: Operation<Making>;

  constructor(parts: RepositoryMakerParts) {
    this.#parts = parts;
    this.#looking = parts.operations.define<Looking>({
      name: 'look at a repository',
      steps: [
        {
          name: 'look',
          title: 'looks at its source',
          weight: 1,
          run: state => this.#look(state),
          undo: ({ id }) => parts.mounts.unmount(id),
        },
      ],
    });
    this.#making = parts.operations.define<Making>(this.#makingSteps());
  }

  /** @throws AgentError EXISTS, IN_USE, BAD_VALUE, and those of mounting */
  async make(
    caller: Caller,
    { description, id: wanted, options, shared, source }: NewRepository,
  ): Promise<RepositoryId> {
    const { operations, registry } = this.#parts;
    this.#requireNew(source);
    const found = await this.#lookAt(caller, source, options ?? '');
    const id = found.stamp?.id ?? wanted ?? newRepositoryId();
    const { entries } = registry.read();
    const namesake = entries.find(entry => entry.id === id);
    if (namesake) throw alreadyListed(source, namesake);
    const isDefault = shared === 'C' || entries.length === 0;
    if (isDefault) this.#requireDefaultFree(source);
    const making: Making = {
      id,
      source,
      options: options ?? registry.optionsOf(id),
      shared: found.stamp?.shared ?? shared,
      description: found.stamp?.description ?? description,
      isDefault,
      pools: found.missingPools,
      isStamped: found.stamp !== undefined,
    };
    await operations.run(this.#making, REPOSITORIES_LANE, making, caller);
    caller.log.info({ repository: id, source: sourceText(source) }, 'repository made');
    return id;
  }

  /** The uuid that a source has or is to have. */
  async identify(caller: Caller, source: RepositorySource): Promise<RepositoryId> {
    return (await this.#lookAt(caller, source, '')).stamp?.id ?? newRepositoryId();
  }

  /** What a source says of itself, learned by mounting it for a moment. */
  async #lookAt(caller: Caller, source: RepositorySource, options: string): Promise<Look> {
    const { operations } = this.#parts;
    const id = newRepositoryId();
    await operations.settle(REPOSITORIES_LANE);
    try {
      await operations.run(this.#looking, REPOSITORIES_LANE, { id, source, options }, caller);
      return this.#looks.get(id)!;
    } finally {
      this.#looks.delete(id);
    }
  }

  async #look({ id, options, source }: Looking): Promise<void> {
    const { files, mounts } = this.#parts;
    await mounts.mount(id, source, options);
    const stamp = await mounts.readStamp(id);
    const present = new Set((await files.list(mountPlaceOf(id))).map(({ name }) => name));
    this.#looks.set(id, { stamp, missingPools: REPOSITORY_POOLS.filter(pool => !present.has(pool)) });
    await mounts.unmount(id);
  }

  /** @throws AgentError EXISTS, IN_USE, BAD_VALUE before anything is mounted */
  #requireNew(source: RepositorySource): void {
    const { paths } = this.#parts;
    const text = sourceText(source);
    const listed = this.#parts.registry.read().entries.find(entry => sourceText(entry.source) === text);
    if (listed) throw alreadyListed(source, listed);
    if (source.kind === 'device') {
      const elsewhere = readMounts().find(mount => mount.source === source.path && isKnownFileSystem(mount.type));
      if (!elsewhere) return;
      throw new AgentError('IN_USE', `make repository ${text}: it is mounted at ${elsewhere.place}; unmount it there`);
    }
    if (source.kind === 'nfs') return;
    const place = paths.onDisk(source.path);
    for (const own of [DEFAULT_REPOSITORY, MOUNT_DIRECTORY].map(path => paths.onDisk(path))) {
      if (!`${place}/`.startsWith(`${own}/`) && !`${own}/`.startsWith(`${place}/`)) continue;
      throw new AgentError(
        'BAD_VALUE',
        `make repository ${text}: repositories are seen at ${DEFAULT_REPOSITORY} and ${MOUNT_DIRECTORY}; name a directory elsewhere`,
      );
    }
  }

  /** A path below /OVS that is in use must not lead to another repository all at once. */
  #requireDefaultFree(source: RepositorySource): void {
    const named = this.#parts.records.list().filter(({ path }) => path.startsWith(`${DEFAULT_REPOSITORY}/`));
    if (named.length === 0) return;
    throw new AgentError(
      'IN_USE',
      `make repository ${sourceText(source)}: ${named.map(({ path }) => path).join(', ')} would lead into it as the default ` +
        'repository; unregister them first, or make another one the default',
    );
  }

  #makingSteps(): Operation<Making> {
    const { files } = this.#parts;
    return {
      name: 'make a repository',
      finishFrom: 'list',
      steps: [
        {
          name: 'mount',
          title: 'mounts it',
          weight: 1,
          run: ({ id, options, source }) => this.#parts.mounts.mount(id, source, options),
          undo: ({ id }) => this.#parts.mounts.unmount(id),
        },
        {
          name: 'fill',
          title: 'makes its directories',
          weight: 1,
          run: async ({ description, id, isStamped, pools, shared }) => {
            const place = mountPlaceOf(id);
            for (const pool of pools) await files.makeDirectory(`${place}/${pool}`, 0o755);
            if (isStamped) return;
            const stamp = Buffer.from(formatStamp({ id, shared, description }));
            await files.write(`${place}/${STAMP_FILE}`, stamp, { mode: 0o644 });
          },
          undo: async ({ id, isStamped, pools }) => {
            // After a restart of the server it is not mounted any more: what was made lies out of reach, and does no harm.
            if (!this.#parts.mounts.find(id)) return;
            const place = mountPlaceOf(id);
            if (!isStamped) await files.remove(`${place}/${STAMP_FILE}`);
            for (const pool of pools) await this.#removeEmpty(`${place}/${pool}`);
          },
        },
        {
          name: 'list',
          title: 'writes it down',
          weight: 1,
          run: async ({ id, isDefault, options, source }) => {
            this.#parts.registry.setOptions(id, options);
            this.#parts.registry.add({ id, source }, isDefault);
            await this.#parts.onListed({ id, source });
          },
        },
      ],
    };
  }

  async #removeEmpty(directory: string): Promise<void> {
    const { files } = this.#parts;
    if ((await files.find(directory)).outcome !== 'there') return;
    if ((await files.list(directory)).length === 0) await files.remove(directory);
  }
}

function newRepositoryId(): RepositoryId {
  return parseRepositoryId(randomUUID());
}

function alreadyListed(source: RepositorySource, { id, source: listed }: ListedRepository): AgentError {
  return new AgentError(
    'EXISTS',
    `make repository ${sourceText(source)}: it is repository ${id} of this server already, from ${sourceText(listed)}; ` +
      'see list_repositories',
  );
}
