import { type ChildProcess, fork } from 'node:child_process';

/** A Node.js program of ours that works for this process, and ends with it. */
export interface HelperProcess {
  readonly processId: number;
  /** Values of the structured clone algorithm (HTML standard, 2.7). */
  send(message: object): void;
  /** Ends it at once; where the kernel does not let go of it, it ends once that does. */
  kill(): void;
  readonly ended: Promise<void>;
}

/**
 * @param program the compiled file of the program
 * @param onMessage takes what it sends
 */
export function startHelper(program: string, onMessage: (message: unknown) => void): HelperProcess {
  const child: ChildProcess = fork(program, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // What it writes is the agent's: its files are as private.
    execArgv: [],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    cwd: '/',
  });
  child.on('message', onMessage);
  // It is told by its end.
  child.on('error', () => undefined);
  child.unref();
  child.channel?.unref();
  return {
    processId: child.pid ?? 0,
    send: message => {
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => void child.kill('SIGKILL'),
    ended: new Promise(resolve => {
      child.once('exit', () => resolve());
      if (child.pid === undefined) resolve();
    }),
  };
}
