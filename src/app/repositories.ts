import type { Driver } from '../drivers/driver.ts';
import { RepositoryFiles } from '../files/repository-files.ts';
import { startHelper } from '../host/helper-process.ts';
import { Repositories } from '../services/repositories.ts';
import type { CoreParts } from './core.ts';
import type { GuestServices } from './guest-services.ts';

/** The files of all repositories, each with a process of its own where its disk may not answer. */
export function openRepositoryFiles({ clock, log, paths, settings, storageHelper }: CoreParts): RepositoryFiles {
  return new RepositoryFiles({
    paths,
    startHelper: onMessage => startHelper(storageHelper, onMessage),
    ownDirectory: paths.runtimeDirectory,
    clock,
    log,
    timeoutMs: settings.storage.timeoutMs,
  });
}

interface Composed {
  readonly files: RepositoryFiles;
  readonly driver: Driver;
  readonly guests: GuestServices;
}

/** Composes the service of repositories; nothing is mounted yet when it returns. */
export function makeRepositories(
  { clock, log, paths, settings }: CoreParts,
  { driver, files, guests }: Composed,
): Repositories {
  return new Repositories({
    paths,
    files,
    records: guests.records,
    lanes: guests.lanes,
    operations: guests.operations,
    holdings: () => driver.holdings(),
    clock,
    log,
    startMs: settings.storage.timeoutMs,
  });
}
