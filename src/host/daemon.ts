import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface StartedDaemon {
  readonly processId: number;
  /** Resolves with the exit code when it ends; a daemon that goes on never does. */
  readonly ended: Promise<number>;
  /** What it wrote before it was ready or ended. */
  output(): string;
}

/**
 * Starts a Node.js program that outlives this one, in a session of its own, with its outputs in a file.
 * @param args the program's file, then its arguments
 */
export function startDaemon(nodePath: string, args: readonly string[], outputFile: string): StartedDaemon {
  const output = openSync(outputFile, 'w', 0o600);
  const child = spawn(nodePath, args, { detached: true, stdio: ['ignore', output, output], cwd: '/' });
  closeSync(output);
  child.unref();
  return {
    processId: child.pid ?? 0,
    ended: new Promise(resolve => child.once('exit', code => resolve(code ?? 1))),
    output: () => readFileSync(outputFile, 'utf8').trim(),
  };
}
