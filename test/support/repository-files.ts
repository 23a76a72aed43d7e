import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { RepositoryFiles, type RepositoryFilesParts } from '../../src/files/repository-files.ts';
import type { PathMap } from '../../src/files/repository-places.ts';
import { systemClock } from '../../src/host/clock.ts';
import { startHelper } from '../../src/host/helper-process.ts';
import { silentLog } from './silent-log.ts';

const program = resolve(import.meta.dirname, '../../dist/src/storage-helper.js');

/** The files of repositories below a root directory, with the agent's own helper program. */
export function repositoryFilesOf(paths: PathMap, changed: Partial<RepositoryFilesParts> = {}): RepositoryFiles {
  return new RepositoryFiles({
    paths,
    startHelper(onMessage) {
      if (!existsSync(program)) throw new Error(`${program} is missing; run "npm run build"`);
      return startHelper(program, onMessage);
    },
    ownDirectory: paths.onDisk('/'),
    clock: systemClock,
    log: silentLog,
    timeoutMs: 20_000,
    ...changed,
  });
}
