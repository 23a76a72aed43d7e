import { readFileSync, mkdirSync } from 'node:fs';
import { posix } from 'node:path';
import { AgentError, messageOf } from '../errors.ts';
import type { PathMap } from '../files/repository-places.ts';
import { writeFileAtomically } from '../host/atomic-file.ts';
import type { RepositoryId } from '../model/repository.ts';
import {
  type ListedRepository,
  parseRepositoryList,
  parseRepositoryOptions,
  type RepositoryList,
  withoutRepository,
  withRepository,
} from '../model/repository-list.ts';

/** Files of the original, which scripts and people edit as well. */
export const LIST_FILE = '/etc/ovs/repositories';
export const OPTIONS_FILE = '/etc/ovs/repositories.options';

/** Which repositories this server has, and how they are mounted: /etc/ovs/repositories and its options. */
export class RepositoryRegistry {
  readonly #paths: PathMap;

  constructor(paths: PathMap) {
    this.#paths = paths;
  }

  /** @throws AgentError HOST when the file cannot be read */
  read(): RepositoryList {
    return parseRepositoryList(this.#textOf(LIST_FILE));
  }

  optionsOf(id: RepositoryId): string {
    return parseRepositoryOptions(this.#textOf(OPTIONS_FILE)).get(id) ?? '';
  }

  /** Writes down how a repository is mounted. Its line stays where it is; without options none is made. */
  setOptions(id: RepositoryId, options: string): void {
    if (options === this.optionsOf(id)) return;
    const others = withoutRepository(this.#textOf(OPTIONS_FILE), id);
    this.#write(OPTIONS_FILE, options === '' ? others : `${others}${id} ${options}\n`);
  }

  /** Adds a repository; one that stands there stays where it is. */
  add(entry: ListedRepository, isDefault: boolean): void {
    const text = this.#textOf(LIST_FILE);
    if (parseRepositoryList(text).entries.some(({ id }) => id === entry.id)) return;
    this.#write(LIST_FILE, withRepository(text, entry, isDefault));
  }

  remove(id: RepositoryId): void {
    const text = this.#textOf(LIST_FILE);
    const without = withoutRepository(text, id);
    if (without !== text) this.#write(LIST_FILE, without);
  }

  #textOf(file: string): string {
    try {
      return readFileSync(this.#paths.onDisk(file), 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw new AgentError('HOST', `read ${file}: ${messageOf(cause)}; make it readable for root`, { cause });
    }
  }

  #write(file: string, text: string): void {
    const place = this.#paths.onDisk(file);
    mkdirSync(posix.dirname(place), { recursive: true, mode: 0o755 });
    writeFileAtomically(place, text, 0o644);
  }
}
