import { posix } from 'node:path';
import type { RepositoryFiles } from '../files/repository-files.ts';
import { guestNameOf, type GuestPath, isGuestName, parseGuestPath } from '../model/guest-path.ts';
import type { GuestRecords } from './guest-records.ts';

export interface UnregisteredGuestsParts {
  readonly records: Pick<GuestRecords, 'list'>;
  readonly repositoryFiles: RepositoryFiles;
}

/** Finds guests that were made by hand and nobody registered (guide, 4.3): directories with a vm.cfg in a running_pool. */
export class UnregisteredGuests {
  readonly #parts: UnregisteredGuestsParts;

  constructor(parts: UnregisteredGuestsParts) {
    this.#parts = parts;
  }

  /** Those of repositories that answer. A directory with two names has the first of them. */
  async list(): Promise<readonly GuestPath[]> {
    const { records, repositoryFiles } = this.#parts;
    const known = new Set<string>();
    for (const { path } of records.list()) {
      const pool = await this.#placeOf(posix.dirname(path));
      known.add(`${pool ?? posix.dirname(path)}/${guestNameOf(path)}`);
    }
    const found: GuestPath[] = [];
    for (const repository of repositoryFiles.repositories()) {
      const pool = `${repository}/running_pool`;
      const place = await this.#placeOf(pool);
      if (place === undefined) continue;
      for (const { kind, name } of await repositoryFiles.list(pool).catch(() => [])) {
        if (kind !== 'directory' || !isGuestName(name) || known.has(`${place}/${name}`)) continue;
        const file = await repositoryFiles.find(`${pool}/${name}/vm.cfg`).catch(() => undefined);
        if (file?.outcome !== 'there') continue;
        known.add(`${place}/${name}`);
        found.push(parseGuestPath(`${pool}/${name}`));
      }
    }
    return found;
  }

  async #placeOf(directory: string): Promise<string | undefined> {
    const found = await this.#parts.repositoryFiles.find(directory).catch(() => undefined);
    return found?.outcome === 'there' ? found.place : undefined;
  }
}
