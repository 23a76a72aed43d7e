import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { Fields, Store } from '../store/store.ts';

/** The stored records as they are, for those who look after the agent. */
export class Databases {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * All records of a database, by key; none when it holds none.
   * @throws AgentError NO_SUCH_RECORD when there is no database of that name
   */
  dump(database: string): Readonly<Record<string, Fields>> {
    const known = [...new Set(['vm', ...this.#store.databases()])];
    if (!known.includes(database)) {
      throw new AgentError(
        'NO_SUCH_RECORD',
        `database ${quote(database)}: there is none of that name; there are ${known.join(', ')}`,
      );
    }
    return Object.fromEntries(this.#store.list(database).map(({ key, fields }) => [key, fields]));
  }
}
