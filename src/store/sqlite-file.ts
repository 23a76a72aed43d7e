import { existsSync, renameSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AgentError, messageOf } from '../errors.ts';

/** The file is there and SQLite cannot make sense of it. */
export class DamagedDatabaseError extends AgentError {
  constructor(file: string, cause: unknown) {
    super('STORE', `open ${file}: the database is damaged (${messageOf(cause)})`, { cause });
  }
}

/**
 * Opens a database file in WAL mode, makes it when it is missing, examines it, and brings its layout up to date.
 * @param migrations changes of its layout, in order
 * @throws AgentError STORE when a newer version wrote it, `DamagedDatabaseError` when SQLite cannot read it
 */
export function openSqliteFile(
  file: string,
  migrations: readonly string[],
  needsExamination: (database: Database.Database) => boolean = () => true,
): Database.Database {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { timeout: 5000 });
    refuseNewerLayout(database, file, migrations.length);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('trusted_schema = OFF');
    if (layoutOf(database) === 0 || needsExamination(database)) {
      const verdict = database.pragma('quick_check(1)', { simple: true });
      if (verdict !== 'ok') throw new DamagedDatabaseError(file, new Error(String(verdict)));
    }
    migrate(database, migrations);
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof AgentError) throw cause;
    if (isDamage(cause)) throw new DamagedDatabaseError(file, cause);
    throw new AgentError('STORE', `open ${file}: ${messageOf(cause)}`, { cause });
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

export function storeError(act: string, cause: unknown): AgentError {
  return new AgentError('STORE', `${act} the database: ${messageOf(cause)}; see its directory and free space`, {
    cause,
  });
}

function layoutOf(database: Database.Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}

/** Before anything is written: even a change of the journal's mode would be one. */
function refuseNewerLayout(database: Database.Database, file: string, known: number): void {
  const version = layoutOf(database);
  if (version > known) {
    throw new AgentError(
      'STORE',
      `open ${file}: a newer version of ovs-agent wrote it (layout ${version}, this version knows ${known}); ` +
        'install that version again, or move the file away to begin anew',
    );
  }
}

function migrate(database: Database.Database, migrations: readonly string[]): void {
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
