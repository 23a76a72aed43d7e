import { randomBytes } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { EventQuery, EventStore, StoredEvent } from './event-store.ts';
import { openSqliteFile, storeError } from './sqlite-file.ts';
import type { Fields } from './store.ts';

/** Changes of the layout of the file of events; see `migrations.ts`. */
const migrations: readonly string[] = [
  `CREATE TABLE event (
     number INTEGER PRIMARY KEY,
     at INTEGER NOT NULL,
     kind TEXT NOT NULL,
     guest TEXT,
     user TEXT,
     summary TEXT NOT NULL,
     data TEXT NOT NULL
   ) STRICT;
   CREATE INDEX event_of_guest ON event (guest, number) WHERE guest IS NOT NULL;
   CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,
];

/** How many numbers are reserved at a time, for one flush of the disk. */
const RESERVED_NUMBERS = 1000;

const COLUMNS = 'number, at, kind, guest, user, summary, data';

interface Row {
  readonly number: number;
  readonly at: number;
  readonly kind: string;
  readonly guest: string | null;
  readonly user: string | null;
  readonly summary: string;
  readonly data: string;
}

export interface SqliteEventStoreParts {
  readonly file: string;
  /** How many events are kept. */
  readonly kept: number;
  /** Differs when the server was started anew: only then can what was written be missing. */
  readonly bootId: string;
}

/**
 * Events in a SQLite file of their own, apart from the records: it may be thrown away, and its size does not slow the
 * examination of the records at each start.
 *
 * Commits are not flushed to the disk one by one (`synchronous=NORMAL` in WAL mode, https://sqlite.org/pragma.html):
 * the operating system has them, so that they survive the end of the process, however it ends. A power failure may
 * take the last ones. Numbers are reserved in blocks that are flushed, so that even then none is given out twice.
 */
export class SqliteEventStore implements EventStore {
  readonly epoch: string;
  readonly wasClosed: boolean;
  readonly #database: Database.Database;
  readonly #kept: number;
  readonly #insert: Database.Statement<[Row]>;
  readonly #forget: Database.Statement<[number]>;
  readonly #read: Database.Statement<[number, number], Row>;
  readonly #readGuest: Database.Statement<[string, number, number], Row>;
  #count: number;
  #newest: number;
  #oldest: number;
  #reserved: number;

  private constructor(database: Database.Database, { bootId, kept }: SqliteEventStoreParts) {
    this.#database = database;
    this.#kept = kept;
    this.#insert = database.prepare(
      `INSERT INTO event (${COLUMNS}) VALUES (@number, @at, @kind, @guest, @user, @summary, @data)`,
    );
    this.#forget = database.prepare(
      'DELETE FROM event WHERE number IN (SELECT number FROM event ORDER BY number LIMIT ?)',
    );
    this.#read = database.prepare(`SELECT ${COLUMNS} FROM event WHERE number > ? ORDER BY number LIMIT ?`);
    this.#readGuest = database.prepare(
      `SELECT ${COLUMNS} FROM event WHERE guest = ? AND number > ? ORDER BY number LIMIT ?`,
    );
    const known = factsOf(database);
    this.epoch = known.get('epoch') ?? randomBytes(4).toString('hex');
    const stored = this.#limit('max') ?? 0;
    this.wasClosed = known.get('closed') === 'yes';
    const isComplete = this.wasClosed || known.get('boot') === bootId;
    this.#newest = isComplete ? stored : Math.max(stored, Number(known.get('reserved') ?? 0));
    this.#oldest = this.#limit('min') ?? this.#newest + 1;
    this.#count = database.prepare<[], number>('SELECT count(*) FROM event').pluck().get() ?? 0;
    this.#reserved = this.#newest + RESERVED_NUMBERS;
    database.transaction(() => {
      this.#note('epoch', this.epoch);
      this.#note('boot', bootId);
      this.#note('closed', 'no');
      this.#note('reserved', String(this.#reserved));
      this.#trim();
    })();
    database.pragma('synchronous = NORMAL');
  }

  /**
   * Opens the file, and makes it when it is missing.
   * @throws AgentError STORE when a newer version wrote it, `DamagedDatabaseError` when SQLite cannot read it
   */
  static open(parts: SqliteEventStoreParts): SqliteEventStore {
    // A large log takes a tenth of a second to examine: that is done only when it was not closed.
    const database = openSqliteFile(parts.file, migrations, opened => factsOf(opened).get('closed') !== 'yes');
    try {
      return new SqliteEventStore(database, parts);
    } catch (cause) {
      database.close();
      throw storeError('open', cause);
    }
  }

  get newest(): number {
    return this.#newest;
  }

  get oldest(): number {
    return this.#oldest;
  }

  append(events: readonly Omit<StoredEvent, 'number'>[]): void {
    const before = [this.#count, this.#newest, this.#oldest, this.#reserved] as const;
    const [, newest, , reserved] = before;
    const reserves = newest + events.length > reserved;
    try {
      if (reserves) this.#database.pragma('synchronous = FULL');
      this.#database.transaction(() => {
        for (const { at, data, guest = null, kind, summary, user = null } of events) {
          this.#insert.run({ number: ++this.#newest, at, kind, guest, user, summary, data: JSON.stringify(data) });
        }
        this.#count += events.length;
        if (reserves) this.#note('reserved', String((this.#reserved = this.#newest + RESERVED_NUMBERS)));
        this.#trim();
      })();
    } catch (cause) {
      [this.#count, this.#newest, this.#oldest, this.#reserved] = before;
      throw storeError('write', cause);
    } finally {
      if (reserves) this.#database.pragma('synchronous = NORMAL');
    }
  }

  read({ after, guest, limit }: EventQuery): readonly StoredEvent[] {
    return this.#reading(() =>
      guest === undefined ? this.#read.all(after, limit) : this.#readGuest.all(guest, after, limit),
    );
  }

  readNewest({ guest, limit }: Omit<EventQuery, 'after'>): readonly StoredEvent[] {
    const select = `SELECT ${COLUMNS} FROM event`;
    return this.#reading(() =>
      (guest === undefined
        ? this.#database.prepare<[number], Row>(`${select} ORDER BY number DESC LIMIT ?`).all(limit)
        : this.#database
            .prepare<[string, number], Row>(`${select} WHERE guest = ? ORDER BY number DESC LIMIT ?`)
            .all(guest, limit)
      ).reverse(),
    );
  }

  newestWith(field: string): readonly StoredEvent[] {
    return this.#reading(() =>
      this.#database
        .prepare<[string], Row>(
          `SELECT ${COLUMNS} FROM event WHERE number IN
             (SELECT max(number) FROM event WHERE guest IS NOT NULL AND data ->> ? IS NOT NULL GROUP BY guest)`,
        )
        .all(field),
    );
  }

  /** A commit that is flushed takes those before it along. */
  sync(): void {
    this.#flushed(() => this.#note('reserved', String(this.#reserved)));
  }

  close(): void {
    try {
      this.#flushed(() => this.#note('closed', 'yes'));
    } finally {
      this.#database.close();
    }
  }

  #flushed(write: () => void): void {
    try {
      this.#database.pragma('synchronous = FULL');
      write();
      this.#database.pragma('synchronous = NORMAL');
    } catch (cause) {
      throw storeError('write', cause);
    }
  }

  #reading(read: () => readonly Row[]): readonly StoredEvent[] {
    try {
      return read().map(eventFrom);
    } catch (cause) {
      throw storeError('read', cause);
    }
  }

  /** One goes for each that comes, by their key. They are counted, for numbers may be missing. */
  #trim(): void {
    const excess = this.#count - this.#kept;
    if (excess > 0) {
      this.#forget.run(excess);
      this.#count -= excess;
    }
    this.#oldest = this.#limit('min') ?? this.#newest + 1;
  }

  #limit(which: 'min' | 'max'): number | undefined {
    return this.#database.prepare<[], number | null>(`SELECT ${which}(number) FROM event`).pluck().get() ?? undefined;
  }

  #note(name: string, value: string): void {
    this.#database.prepare('INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)').run(name, value);
  }
}

function factsOf(database: Database.Database): ReadonlyMap<string, string> {
  const rows = database.prepare<[], { name: string; value: string }>('SELECT name, value FROM fact').all();
  return new Map(rows.map(({ name, value }) => [name, value]));
}

function eventFrom({ data, guest, user, ...row }: Row): StoredEvent {
  return { ...row, guest: guest ?? undefined, user: user ?? undefined, data: JSON.parse(data) as Fields };
}
