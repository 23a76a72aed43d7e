import { existsSync, renameSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AgentError, messageOf } from '../errors.ts';
import { migrations } from './migrations.ts';
import type { FieldChanges, Fields, Store, StoredRecord } from './store.ts';

interface PendingWrite {
  readonly apply: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, safe beside other programs of this server.
 * Writes that arrive together share one commit, for the disk's flush is nearly all of a commit's cost.
 */
export class SqliteStore implements Store {
  readonly #database: Database.Database;
  readonly #find: Database.Statement<[string, string], { fields: string }>;
  readonly #list: Database.Statement<[string], { key: string; fields: string }>;
  readonly #merge: Database.Statement<[{ database: string; key: string; changes: string }]>;
  readonly #delete: Database.Statement<[string, string]>;
  #pending: PendingWrite[] = [];
  #flushing: Promise<void> | undefined;

  private constructor(database: Database.Database) {
    this.#database = database;
    this.#find = database.prepare('SELECT fields FROM record WHERE database = ? AND key = ?');
    this.#list = database.prepare('SELECT key, fields FROM record WHERE database = ? ORDER BY key');
    // One statement, for another program may write other fields of the same record at the same time. The outer patch
    // makes the same of a new record as of an old one: a null removes (RFC 7396).
    this.#merge = database.prepare(
      `INSERT INTO record (database, key, fields) VALUES (@database, @key, json_patch('{}', @changes))
       ON CONFLICT (database, key) DO UPDATE SET fields = json_patch(fields, @changes)`,
    );
    this.#delete = database.prepare('DELETE FROM record WHERE database = ? AND key = ?');
  }

  /**
   * Opens the file, makes it when it is missing, and brings its layout up to date.
   * @throws AgentError STORE when a newer version wrote it, `DamagedDatabaseError` when SQLite cannot read it
   */
  static open(file: string): SqliteStore {
    let database: Database.Database | undefined;
    try {
      database = new Database(file, { timeout: 5000 });
      refuseNewerLayout(database, file);
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = FULL');
      database.pragma('trusted_schema = OFF');
      const verdict = database.pragma('quick_check(1)', { simple: true });
      if (verdict !== 'ok') throw new DamagedDatabaseError(file, new Error(String(verdict)));
      migrate(database);
      return new SqliteStore(database);
    } catch (cause) {
      database?.close();
      if (cause instanceof AgentError) throw cause;
      if (isDamage(cause)) throw new DamagedDatabaseError(file, cause);
      throw new AgentError('STORE', `open ${file}: ${messageOf(cause)}`, { cause });
    }
  }

  find(database: string, key: string): Fields | undefined {
    return this.#reading(() => {
      const row = this.#find.get(database, key);
      return row && (JSON.parse(row.fields) as Fields);
    });
  }

  list(database: string): readonly StoredRecord[] {
    return this.#reading(() =>
      this.#list.all(database).map(row => ({ key: row.key, fields: JSON.parse(row.fields) as Fields })),
    );
  }

  databases(): readonly string[] {
    return this.#reading(() =>
      this.#database.prepare<[], string>('SELECT DISTINCT database FROM record ORDER BY database').pluck().all(),
    );
  }

  merge(database: string, key: string, changes: FieldChanges): Promise<void> {
    const row = { database, key, changes: JSON.stringify(changes) };
    return this.#write(() => this.#merge.run(row));
  }

  delete(database: string, key: string): Promise<void> {
    return this.#write(() => this.#delete.run(database, key));
  }

  async close(): Promise<void> {
    await this.#flushing;
    this.#database.close();
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw storeError('read', cause);
    }
  }

  #write(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ apply, resolve, reject });
      this.#flushing ??= new Promise(done =>
        setImmediate(() => {
          this.#flush();
          done();
        }),
      );
    });
  }

  #flush(): void {
    const writes = this.#pending;
    this.#pending = [];
    this.#flushing = undefined;
    try {
      this.#database.transaction(() => {
        for (const write of writes) write.apply();
      })();
    } catch (cause) {
      for (const write of writes) write.reject(storeError('write', cause));
      return;
    }
    for (const write of writes) write.resolve();
  }
}

/** The file is there and SQLite cannot make sense of it. */
export class DamagedDatabaseError extends AgentError {
  constructor(file: string, cause: unknown) {
    super('STORE', `open ${file}: the database is damaged (${messageOf(cause)})`, { cause });
  }
}

/**
 * Moves a damaged database and its side files out of the way, so that a new one can be made and the old one examined.
 * @param suffix tells this one from earlier ones, such as a time
 * @returns where it is now
 */
export function setDatabaseAside(file: string, suffix: string): string {
  const aside = `${file}.damaged-${suffix}`;
  for (const part of ['', '-wal', '-shm']) {
    if (existsSync(file + part)) renameSync(file + part, aside + part);
  }
  return aside;
}

function layoutOf(database: Database.Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}

/** Before anything is written: even a change of the journal's mode would be one. */
function refuseNewerLayout(database: Database.Database, file: string): void {
  const version = layoutOf(database);
  if (version > migrations.length) {
    throw new AgentError(
      'STORE',
      `open ${file}: a newer version of ovs-agent wrote it (layout ${version}, this version knows ${migrations.length}); ` +
        'install that version again, or move the file away to begin anew',
    );
  }
}

function migrate(database: Database.Database): void {
  // IMMEDIATE: of two programs that open a new file at once, the second waits and finds the work done.
  database
    .transaction(() => {
      for (const change of migrations.slice(layoutOf(database))) database.exec(change);
      database.pragma(`user_version = ${migrations.length}`);
    })
    .immediate();
}

export function isDamage(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB');
}

function storeError(act: string, cause: unknown): AgentError {
  return new AgentError('STORE', `${act} the database: ${messageOf(cause)}; see its directory and free space`, {
    cause,
  });
}
