import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AgentError, asAgentError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { killProcessGroup } from './processes.ts';

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** The command and all that it started are killed after this time. */
  readonly timeoutMs: number;
  /**
   * Most bytes of its standard output; a command that writes more is killed. Its standard error is kept in memory, and is held to
   * 4 MiB as well.
   */
  readonly outputLimitBytes?: number;
  /** What the command reads; nothing when left out. A stream that fails fails the command. */
  readonly input?: string | Readable;
  /** Takes the standard output, byte for byte, and is ended with it; `stdout` of the result is then empty. */
  readonly output?: Writable;
  /** Gives the command up: it and all that it started are killed. */
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

const DEFAULT_OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * Runs a program with exactly these arguments: no shell, a small environment in the C locale, a time limit.
 * @returns its exit code, whatever that is, and its outputs
 * @throws AgentError HOST when it cannot be run or says too much, TIMEOUT when it does not end, CANCELLED
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const limit = options.outputLimitBytes ?? DEFAULT_OUTPUT_LIMIT_BYTES;
  return new Promise((resolve, reject) => {
    const child = startGroup(program, args);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let hasFailed = false;
    const fail = (error: AgentError): void => {
      // What is cut short fails once more; by then the process id may be another's.
      if (hasFailed) return;
      hasFailed = true;
      timer.cancel();
      options.signal?.removeEventListener('abort', giveUp);
      if (child.pid !== undefined) killProcessGroup(child.pid);
      options.output?.destroy();
      if (typeof options.input === 'object') options.input.destroy();
      reject(error);
    };
    const timer = options.clock.setTimer(options.timeoutMs, () =>
      fail(new AgentError('TIMEOUT', `run ${program}: it did not end within ${options.timeoutMs} ms; it was killed`)),
    );
    const giveUp = (): void => fail(new AgentError('CANCELLED', `run ${program}: it was given up`));
    options.signal?.addEventListener('abort', giveUp, { once: true });
    if (options.signal?.aborted) giveUp();
    const collect = (parts: Buffer[] | undefined, mostBytes: number) => {
      let size = 0;
      return (part: Buffer): void => {
        size += part.length;
        if (size > mostBytes)
          fail(new AgentError('HOST', `run ${program}: it wrote more than ${mostBytes} bytes; it was killed`));
        else parts?.push(part);
      };
    };
    feed(child.stdin, options.input ?? '', fail);
    child.stdout.on('data', collect(options.output ? undefined : stdout, limit));
    child.stderr.on('data', collect(stderr, Math.min(limit, DEFAULT_OUTPUT_LIMIT_BYTES)));
    child.on('error', cause => fail(notStarted(program, 'is it installed?', cause)));
    const delivered = options.output ? pipeline(child.stdout, options.output) : Promise.resolve();
    delivered.catch((cause: unknown) =>
      fail(new AgentError('HOST', `run ${program}: what it wrote cannot be kept; it was killed`, { cause })),
    );
    child.on('close', (code, signal) => {
      timer.cancel();
      options.signal?.removeEventListener('abort', giveUp);
      const result = {
        exitCode: code ?? (signal ? 128 : 1),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      };
      void delivered.then(
        () => resolve(result),
        () => undefined,
      );
    });
  });
}

/** A command that ends before it has read everything closes its end; how it ended says more than that. */
function feed(stdin: Writable, input: string | Readable, fail: (error: AgentError) => void): void {
  stdin.on('error', () => undefined);
  if (typeof input === 'string') {
    stdin.end(input);
    return;
  }
  if (input.destroyed) {
    // Its events are over.
    if (input.errored) fail(asAgentError(input.errored));
    else stdin.end();
    return;
  }
  input.on('error', cause => fail(asAgentError(cause)));
  input.on('close', () => {
    if (!input.readableEnded) stdin.end();
  });
  stdin.on('close', () => input.destroy());
  input.pipe(stdin);
}

function startGroup(program: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  try {
    return spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
  } catch (cause) {
    // A NUL in an argument, or more bytes than the kernel takes, is thrown and not emitted.
    throw notStarted(program, 'the system does not take its arguments', cause);
  }
}

function notStarted(program: string, hint: string, cause: unknown): AgentError {
  return new AgentError('HOST', `run ${program}: it cannot be started; ${hint}`, { cause });
}

/** Like `runCommand`, and an exit code other than 0 is a failure that tells what the program said. */
export async function runCheckedCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const result = await runCommand(program, args, options);
  if (result.exitCode !== 0) {
    const said =
      result.stderr
        .trim()
        .slice(-500)
        .replace(/\s*\n\s*/g, '; ') || `exit code ${result.exitCode}`;
    throw new AgentError('HOST', `run ${[program, ...args].join(' ')}: ${said}`);
  }
  return result;
}
