import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { parseRepositoryId, parseRepositorySource, type RepositoryId, sourceText } from '../model/repository.ts';
import { parseDescription } from '../model/repository-stamp.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { Repositories } from './repositories.ts';

/** Types of storage that controllers name, and the kind of source that each has. */
export const STORAGE_TYPES = { OVSSPNFS: 'nfs', OVSSPOCFS2: 'device', OVSSPPartition: 'device' } as const;
export type StorageType = keyof typeof STORAGE_TYPES;

const POOL_DATABASE = 'sp';
const REPOSITORY_DATABASE = 'sr';

export interface StoragePoolsParts {
  readonly store: Store;
  readonly repositories: Repositories;
}

/**
 * The three steps in which controllers such as CloudStack make a repository: they name its source, give it a name, and let it
 * be made. Only the last one changes anything but the agent's database.
 */
export class StoragePools {
  readonly #parts: StoragePoolsParts;

  constructor(parts: StoragePoolsParts) {
    this.#parts = parts;
  }

  /** Notes where storage is. The uuid is that of the repository that it holds or is to hold. @throws AgentError BAD_VALUE, and those of mounting */
  async createPool(caller: Caller, type: StorageType, text: string): Promise<RepositoryId> {
    const source = parseRepositorySource(text);
    if (source.kind !== STORAGE_TYPES[type]) {
      throw new AgentError(
        'BAD_VALUE',
        `storage ${quote(text)}: ${type} needs ${type === 'OVSSPNFS' ? 'host:/path' : 'a block device'}`,
      );
    }
    const known = this.#parts.store.list(POOL_DATABASE).find(({ fields }) => fields['source'] === sourceText(source));
    if (known) return parseRepositoryId(known.key);
    const id = await this.#parts.repositories.identify(caller, source);
    await this.#parts.store.merge(POOL_DATABASE, id, { type, source: sourceText(source) });
    return id;
  }

  /** Gives the repository of such storage its name. @throws AgentError NO_SUCH_RECORD, BAD_VALUE */
  async createRepository(pool: string, label: string): Promise<RepositoryId> {
    const id = parseRepositoryId(pool);
    this.#sourceOf(id);
    await this.#parts.store.merge(REPOSITORY_DATABASE, id, { sp_uuid: id, name_label: parseDescription(label) });
    return id;
  }

  /** Makes the repository and mounts it. One that is mounted already stays as it is. @throws AgentError NO_SUCH_RECORD, and those of making */
  async initialize(caller: Caller, repository: string): Promise<void> {
    const { repositories, store } = this.#parts;
    const id = parseRepositoryId(repository);
    const fields = store.find(REPOSITORY_DATABASE, id);
    if (!fields) throw new AgentError('NO_SUCH_RECORD', `repository ${id}: it is not known; sr_create makes it known`);
    if (repositories.isMounted(id)) return;
    const source = parseRepositorySource(this.#sourceOf(id));
    await repositories.make(caller, { source, shared: '1', description: String(fields['name_label'] ?? ''), id });
  }

  #sourceOf(id: RepositoryId): string {
    const fields = this.#parts.store.find(POOL_DATABASE, id);
    if (fields) return String(fields['source']);
    throw new AgentError('NO_SUCH_RECORD', `storage ${id}: it is not known; sp_create makes it known`);
  }
}
