import Database from 'better-sqlite3';
import { AgentError, messageOf } from '../errors.ts';
import { guestFigures, PEAK, PEAK_OF, serverFigures } from '../model/performance-figures.ts';
import {
  type PerformanceRing,
  performanceRings,
  type PerformanceSample,
  type PerformanceSeries,
  type PerformanceStore,
  SERVER_SERIES,
} from './performance-store.ts';
import { isDamage, setDatabaseAside } from './sqlite-file.ts';

/** Series of which old samples are removed at one call. */
const PRUNED_AT_ONCE = 10;
/** Pages after which SQLite moves its log into the file: few, so that no commit takes long. */
const CHECKPOINT_PAGES = 250;

interface Row {
  readonly at: number;
  readonly [figure: string]: number | null;
}

/**
 * Performance data in a SQLite file of its own, which may be lost: nothing is flushed to the disk, so that no commit waits
 * for it, and a file that is damaged is set aside and made anew, be it in mid-flight.
 */
export class SqlitePerformanceStore implements PerformanceStore {
  readonly #file: string;
  readonly #onDamage: (cause: unknown, aside: string) => void;
  #tables: Tables;

  /**
   * @param onDamage told when the file was damaged, and where it is now
   * @throws AgentError STORE when the file cannot be opened or made
   */
  constructor(file: string, onDamage: (cause: unknown, aside: string) => void) {
    this.#file = file;
    this.#onDamage = onDamage;
    this.#tables = this.#open();
  }

  append(batch: readonly PerformanceSeries[]): void {
    this.#mending(undefined, tables => tables.append(batch));
  }

  read(series: string, ring: PerformanceRing, fromSeconds: number, toSeconds: number): readonly PerformanceSample[] {
    return this.#mending([], tables => tables.read(series, ring, fromSeconds, toSeconds));
  }

  prune(nowSeconds: number): void {
    this.#mending(undefined, tables => tables.prune(nowSeconds));
  }

  close(): void {
    this.#tables.close();
  }

  #open(): Tables {
    try {
      return new Tables(this.#file);
    } catch (cause) {
      if (!isDamage(cause)) throw storeError('open', cause);
      this.#setAside(cause);
      return new Tables(this.#file);
    }
  }

  #mending<T>(lost: T, work: (tables: Tables) => T): T {
    try {
      return work(this.#tables);
    } catch (cause) {
      if (!isDamage(cause)) throw storeError('use', cause);
      this.#tables.close();
      this.#setAside(cause);
      this.#tables = this.#open();
      return lost;
    }
  }

  /** One damaged file is kept, the last: the disk does not fill with them. */
  #setAside(cause: unknown): void {
    this.#onDamage(cause, setDatabaseAside(this.#file, 'last'));
  }
}

function storeError(act: string, cause: unknown): AgentError {
  return new AgentError(
    'STORE',
    `${act} the performance data: ${messageOf(cause)}; see the directory of the databases and its free space`,
    { cause },
  );
}

/** The open file. */
class Tables {
  readonly #database: Database.Database;
  readonly #seriesId: Database.Statement<[string], number>;
  readonly #addSeries: Database.Statement<[string], number>;
  readonly #nextSeries: Database.Statement<[number, number], { id: number; name: string }>;
  readonly #removeSeries: Database.Statement<[number]>;
  readonly #server: SampleTable;
  readonly #guests: SampleTable;
  #prunedUpTo = 0;

  constructor(file: string) {
    const database = new Database(file, { timeout: 1000 });
    try {
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = OFF');
      database.pragma('trusted_schema = OFF');
      database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      database.exec('CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT');
      this.#server = new SampleTable(database, 'server_sample', Object.keys(serverFigures));
      this.#guests = new SampleTable(database, 'guest_sample', Object.keys(guestFigures));
      this.#seriesId = database.prepare<[string], number>('SELECT id FROM series WHERE name = ?').pluck();
      this.#addSeries = database.prepare<[string], number>('INSERT INTO series (name) VALUES (?) RETURNING id').pluck();
      this.#nextSeries = database.prepare('SELECT id, name FROM series WHERE id > ? ORDER BY id LIMIT ?');
      this.#removeSeries = database.prepare('DELETE FROM series WHERE id = ?');
      this.#database = database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  append(batch: readonly PerformanceSeries[]): void {
    this.#database.transaction(() => {
      for (const { samples, series } of batch) {
        const id = this.#seriesId.get(series) ?? this.#addSeries.get(series)!;
        this.#tableOf(series).append(id, samples);
      }
    })();
  }

  read(series: string, ring: PerformanceRing, fromSeconds: number, toSeconds: number): PerformanceSample[] {
    const id = this.#seriesId.get(series);
    return id === undefined ? [] : this.#tableOf(series).read(id, ring, fromSeconds, toSeconds);
  }

  prune(nowSeconds: number): void {
    this.#database.transaction(() => {
      const some = this.#nextSeries.all(this.#prunedUpTo, PRUNED_AT_ONCE);
      this.#prunedUpTo = some.length < PRUNED_AT_ONCE ? 0 : some.at(-1)!.id;
      for (const { id, name } of some) {
        const isEmpty = this.#tableOf(name).prune(id, nowSeconds);
        if (isEmpty) this.#removeSeries.run(id);
      }
    })();
  }

  close(): void {
    this.#database.close();
  }

  #tableOf(series: string): SampleTable {
    return series === SERVER_SERIES ? this.#server : this.#guests;
  }
}

/** One table for all rings: samples of a series lie together, for they are read together. */
class SampleTable {
  readonly #columns: readonly string[];
  readonly #insert: Database.Statement<(number | null)[]>;
  readonly #rollUp: Database.Statement<[{ series: number; ring: number; finer: number; at: number }]>;
  readonly #read: Database.Statement<[number, number, number, number], Row>;
  readonly #delete: Database.Statement<[number, number, number]>;
  readonly #any: Database.Statement<[number], number>;

  constructor(database: Database.Database, table: string, figures: readonly string[]) {
    this.#columns = [...figures, PEAK];
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${table} (
         series INTEGER NOT NULL, ring INTEGER NOT NULL, at INTEGER NOT NULL,
         PRIMARY KEY (series, ring, at)
       ) WITHOUT ROWID`,
    );
    const present = new Set(
      database.prepare<[], string>(`SELECT name FROM pragma_table_info('${table}')`).pluck().all(),
    );
    // A later release may measure more.
    for (const name of this.#columns.filter(column => !present.has(column))) {
      database.exec(`ALTER TABLE ${table} ADD COLUMN ${name} REAL`);
    }
    const names = this.#columns.join(', ');
    const means = this.#columns.map(name => (name === PEAK ? `max(${name})` : `round(avg(${name}), 2)`)).join(', ');
    this.#insert = database.prepare(
      `INSERT OR REPLACE INTO ${table} (series, ring, at, ${names}) VALUES (?, ?, ?${', ?'.repeat(this.#columns.length)})`,
    );
    this.#rollUp = database.prepare(
      `INSERT OR REPLACE INTO ${table} (series, ring, at, ${names})
       SELECT @series, @ring, @at, ${means} FROM ${table}
       WHERE series = @series AND ring = @finer AND at >= @at AND at < @at + @ring HAVING count(*) > 0`,
    );
    this.#read = database.prepare(
      `SELECT at, ${names} FROM ${table} WHERE series = ? AND ring = ? AND at BETWEEN ? AND ? ORDER BY at`,
    );
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE series = ? AND ring = ? AND at < ?`);
    this.#any = database.prepare<[number], number>(`SELECT 1 FROM ${table} WHERE series = ? LIMIT 1`).pluck();
  }

  append(series: number, samples: readonly PerformanceSample[]): void {
    const [finest, ...coarser] = performanceRings;
    for (const { at, figures } of samples) {
      const peak = figures[PEAK_OF] ?? null;
      const values = this.#columns.map(name => (name === PEAK ? peak : (figures[name] ?? null)));
      this.#insert.run(series, finest.spanSeconds, at, ...values.map(rounded));
    }
    let finer: PerformanceRing = finest;
    for (const ring of coarser) {
      const { spanSeconds } = ring;
      for (const at of new Set(samples.map(sample => sample.at - (sample.at % spanSeconds)))) {
        this.#rollUp.run({ series, ring: spanSeconds, finer: finer.spanSeconds, at });
      }
      finer = ring;
    }
  }

  read(series: number, { spanSeconds }: PerformanceRing, from: number, to: number): PerformanceSample[] {
    return this.#read.all(series, spanSeconds, from, to).map(({ at, ...figures }) => ({
      at,
      figures: Object.fromEntries(
        Object.entries(figures).filter((entry): entry is [string, number] => entry[1] !== null),
      ),
    }));
  }

  /** @returns whether nothing is left of the series */
  prune(series: number, now: number): boolean {
    for (const { keptSeconds, spanSeconds } of performanceRings) {
      this.#delete.run(series, spanSeconds, now - keptSeconds);
    }
    return this.#any.get(series) === undefined;
  }
}

/** Two decimals are more than is measured, and whole numbers take less room. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100;
}
