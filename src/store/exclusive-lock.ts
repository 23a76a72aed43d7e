import Database from 'better-sqlite3';

/** Held for as long as this process lives; the kernel frees it when the process ends, however it ends. */
export interface ExclusiveLock {
  release(): void;
}

/**
 * Takes the lock of a file without waiting. A lock of SQLite stands in for flock(2), which Node.js does not offer.
 * @returns undefined when another process holds it
 */
export function tryExclusiveLock(file: string): ExclusiveLock | undefined {
  const database = new Database(file, { timeout: 0 });
  try {
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { code?: unknown }).code === 'SQLITE_BUSY') return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
