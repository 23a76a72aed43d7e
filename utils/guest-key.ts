import { existsSync } from 'node:fs';
import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { SqliteStore } from '../src/store/sqlite-store.ts';
import type { Fields, Store } from '../src/store/store.ts';

/** Opens the agent's database beside a running agent. */
export function openStore(paths: AgentPaths): Store {
  const file = paths.databaseFile;
  if (!existsSync(file)) {
    throw new AgentError(
      'STORE',
      `there is no database ${file}; an agent makes it when it is first started (see --root)`,
    );
  }
  return SqliteStore.open(file);
}

/**
 * Finds the one record of a database by its key, or by the last element of its key: guests are known by name and path.
 * @throws AgentError NO_SUCH_RECORD when there is none, BAD_VALUE when several are meant: it lists them
 */
export function getRecord(
  store: Store,
  database: string,
  key: string,
): { readonly key: string; readonly fields: Fields } {
  const exact = store.find(database, key);
  if (exact) return { key, fields: exact };
  const namesakes = store.list(database).filter(record => record.key.endsWith(`/${key}`));
  if (namesakes.length > 1) {
    const keys = namesakes.map(record => record.key).join(' ');
    throw new AgentError(
      'BAD_VALUE',
      `${database} ${key}: several records have that name (${keys}); give the whole key`,
    );
  }
  const [only] = namesakes;
  if (only) return only;
  const databases = store.databases();
  const hint = databases.includes(database)
    ? `db_dump ${database} lists the keys`
    : `the databases are ${databases.join(', ') || 'empty'}`;
  throw new AgentError('NO_SUCH_RECORD', `${database} ${key}: there is no such record; ${hint}`);
}
