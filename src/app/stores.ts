import { existsSync } from 'node:fs';
import type { AgentPaths } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { readBootId } from '../host/inventory.ts';
import type { Log } from '../host/log.ts';
import type { PerformanceStore } from '../store/performance-store.ts';
import { SqliteEventStore } from '../store/sqlite-event-store.ts';
import { DamagedDatabaseError, setDatabaseAside } from '../store/sqlite-file.ts';
import { SqlitePerformanceStore } from '../store/sqlite-performance-store.ts';
import { SqliteStore } from '../store/sqlite-store.ts';
import type { Store } from '../store/store.ts';

export interface StoreParts {
  readonly paths: AgentPaths;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
}

/** Events that cannot be read any more are gone; the epoch of the new log tells its readers. */
export function openEventStore({ clock, log, paths, settings }: StoreParts): SqliteEventStore {
  const file = paths.eventFile;
  const wanted = { file, kept: settings.events.kept, bootId: readBootId() };
  try {
    return SqliteEventStore.open(wanted);
  } catch (error) {
    if (!(error instanceof DamagedDatabaseError)) throw error;
    const aside = setDatabaseAside(file, timeInName(clock));
    log.error({ err: error, aside }, 'the event log is damaged; it was set aside and is begun anew');
    return SqliteEventStore.open(wanted);
  }
}

/** A damaged database is no reason not to run: guests are found again from their directories and by their hypervisor. */
export function openStore(
  paths: AgentPaths,
  clock: Clock,
  log: Log,
): { readonly store: Store; readonly isRebuilt: boolean } {
  try {
    return { store: SqliteStore.open(paths.databaseFile), isRebuilt: false };
  } catch (error) {
    if (!(error instanceof DamagedDatabaseError)) throw error;
    const aside = setDatabaseAside(paths.databaseFile, timeInName(clock));
    log.error(
      { err: error, aside },
      'the database is damaged; it was set aside and is made anew from the directories of the guests',
    );
    return { store: SqliteStore.open(paths.databaseFile), isRebuilt: true };
  }
}

/** Without it the agent does all else: the past of performance is nothing that guests depend on. */
export function openPerformanceStore({ log, paths, settings }: StoreParts): PerformanceStore | undefined {
  if (settings.performance.intervalMs === 0 && !existsSync(paths.performanceFile)) return undefined;
  try {
    return new SqlitePerformanceStore(paths.performanceFile, (cause, aside) =>
      log.warn({ reason: messageOf(cause), aside }, 'the performance data are damaged; they were set aside'),
    );
  } catch (error) {
    log.error({ err: error }, 'performance data cannot be kept');
    return undefined;
  }
}

function timeInName(clock: Clock): string {
  return new Date(clock.now()).toISOString().replaceAll(':', '');
}
