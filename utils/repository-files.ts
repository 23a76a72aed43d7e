import { fileURLToPath } from 'node:url';
import type { AgentPaths } from '../src/config/paths.ts';
import { RepositoryFiles } from '../src/files/repository-files.ts';
import { systemClock } from '../src/host/clock.ts';
import { startHelper } from '../src/host/helper-process.ts';
import { createLog } from '../src/host/log.ts';

const STORAGE_HELPER = fileURLToPath(new URL('../src/storage-helper.js', import.meta.url));
const ANSWER_MS = 60_000;

/** The files of repositories for a program that works beside the agent, in the agent's way. The agent's database must be there. */
export function openRepositoryFiles(paths: AgentPaths): RepositoryFiles {
  return new RepositoryFiles({
    paths,
    startHelper: onMessage => startHelper(STORAGE_HELPER, onMessage),
    ownDirectory: paths.databaseDirectory,
    clock: systemClock,
    log: createLog('warn', [process.stderr]),
    timeoutMs: ANSWER_MS,
  });
}
