import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AgentPaths } from '../../src/config/paths.ts';
import type { ServerView } from './answers.ts';

/** This server, as its files are seen below the agent's root. */
export function viewServer(paths: AgentPaths, processors: number, workingDirectory: string): ServerView {
  return {
    processors,
    kindOf(path) {
      const found = statSync(paths.onDisk(path), { throwIfNoEntry: false });
      if (!found) return 'nothing';
      if (found.isFile()) return 'file';
      return found.isBlockDevice() ? 'device' : 'directory';
    },
    resolve: text => paths.asGiven(resolve(workingDirectory, text)),
  };
}
