import type Database from 'better-sqlite3';
import { migrations } from './migrations.ts';
import { openSqliteFile, storeError } from './sqlite-file.ts';
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
    return new SqliteStore(openSqliteFile(file, migrations));
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
