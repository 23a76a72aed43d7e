import { type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AgentPaths } from '../../src/config/paths.ts';
import { AgentError, messageOf } from '../../src/errors.ts';
import { quote } from '../../src/model/guest-path.ts';
import type { ServerView } from './answers.ts';

/** This server, as its files are seen below the agent's root. */
export function viewServer(paths: AgentPaths, processors: number, workingDirectory: string): ServerView {
  return {
    processors,
    kindOf(path) {
      const found = lookAt(paths.onDisk(path), path);
      if (!found) return 'nothing';
      if (found.isFile()) return 'file';
      return found.isBlockDevice() ? 'device' : 'directory';
    },
    resolve: text => paths.asGiven(resolve(workingDirectory, text)),
  };
}

function lookAt(place: string, path: string): Stats | undefined {
  try {
    return statSync(place, { throwIfNoEntry: false });
  } catch (cause) {
    throw new AgentError('BAD_VALUE', `The path ${quote(path)} cannot be looked at: ${messageOf(cause)}`, { cause });
  }
}
