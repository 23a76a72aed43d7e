import type { Socket } from 'node:net';
import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { systemClock } from '../src/host/clock.ts';
import { attachConsole } from './console-client.ts';
import { isNotRunning, notRunning } from './local-agent.ts';
import { EXIT } from './program.ts';
import { TransportError } from './rpc-client.ts';

export interface ConsoleOptions {
  readonly readOnly?: boolean;
  /** Whether somebody else who types is sent away. */
  readonly force?: boolean;
  /** Number of bytes, or `none`. */
  readonly history: string;
}

const ESCAPE = 0x1d;
const INTERRUPT = 0x03;

const RECONNECT_MS = 120_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 2_000;

/** What the agent says before it ends a session of its own accord. Without it the agent was lost. */
const CLOSED = /\[console closed: [^\r\n]*\]\r\n$/;
const LONGEST_NOTICE = 512;

const LEAVING_SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/**
 * Attaches this terminal, or standard input and output where there is none, to the console of a guest. Returns when the
 * user leaves or the agent ends the session; the process's exit code then says which.
 * @throws AgentError when the agent refuses, or is lost and does not come back in time
 */
export async function useConsole(paths: AgentPaths, guest: string, options: ConsoleOptions): Promise<void> {
  const historyBytes = bytesFrom(options.history);
  const mode = options.readOnly ? 'view' : 'interactive';
  const wanted = { guest, mode, takeOver: options.force === true, historyBytes } as const;
  const line = await attachConsole(paths.controlSocket, wanted).catch((error: unknown) => {
    throw isNotRunning(error) ? notRunning(paths) : error;
  });
  const user = new ConsoleUser(mode === 'view');
  try {
    user.tell(
      `Connected to ${guest}${mode === 'view' ? ', read-only' : ''}, ${user.isAtTerminal ? 'Ctrl-]' : 'Ctrl-C'} leaves`,
    );
    await relay(user, line, () => attachConsole(paths.controlSocket, { ...wanted, takeOver: false, historyBytes: 0 }));
  } finally {
    user.restore();
  }
}

/** Carries bytes until the user leaves or the agent ends the session, over restarts of the agent. */
async function relay(user: ConsoleUser, first: Socket, again: () => Promise<Socket>): Promise<void> {
  for (let line: Socket | undefined = first; line; ) {
    const outcome = await user.use(line);
    line = undefined;
    if (outcome === 'closed') process.exitCode = EXIT.failed;
    if (outcome !== 'lost') return;
    user.tell('[the agent was lost; connecting again]');
    line = await reconnect(again, user.left);
    if (line) user.tell('[connected again]');
  }
}

/** @returns undefined when the user left meanwhile */
async function reconnect(again: () => Promise<Socket>, left: AbortSignal): Promise<Socket | undefined> {
  const deadline = systemClock.monotonic() + RECONNECT_MS;
  for (let delayMs = FIRST_DELAY_MS; !left.aborted; delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)) {
    try {
      return await again();
    } catch (error) {
      const mayPass = error instanceof TransportError || (error instanceof AgentError && error.code === 'STOPPING');
      if (!mayPass || systemClock.monotonic() > deadline) throw error;
    }
    await systemClock.sleep(delayMs, left).catch(() => undefined);
  }
  return undefined;
}

/** Whoever sits at standard input and output. */
class ConsoleUser {
  readonly isAtTerminal = process.stdin.isTTY;
  readonly #isReader: boolean;
  readonly #leaving = new AbortController();
  /** Listeners of signals, to be taken back. */
  readonly #signals: (readonly [NodeJS.Signals, () => void])[] = [];
  #line: Socket | undefined;

  constructor(isReader: boolean) {
    this.#isReader = isReader;
    for (const [signal, number] of Object.entries(LEAVING_SIGNALS) as [keyof typeof LEAVING_SIGNALS, number][]) {
      const listener = (): void => this.#leave(128 + number);
      process.on(signal, listener);
      this.#signals.push([signal, listener]);
    }
    // Nobody reads any more, as after `| head`.
    process.stdout.on('error', () => this.#leave(EXIT.done));
    if (this.isAtTerminal) {
      process.stdin.setRawMode(true);
      // Whatever ends the program, the terminal must be usable afterwards.
      process.on('exit', restoreTerminal);
    }
    if (this.isAtTerminal || !isReader) process.stdin.on('data', (data: Buffer) => this.#typed(data));
    process.stdin.on('error', () => undefined);
  }

  get left(): AbortSignal {
    return this.#leaving.signal;
  }

  tell(text: string): void {
    process.stderr.write(this.isAtTerminal ? `\r\n${text}\r\n` : `${text}\n`);
  }

  /** Shows what the console says and types what the user types. */
  use(line: Socket): Promise<'left' | 'closed' | 'lost'> {
    let tail = '';
    this.#line = line;
    line.on('data', (data: Buffer) => {
      tail = (tail + data.toString('latin1')).slice(-LONGEST_NOTICE);
      if (process.stdout.write(data)) return;
      line.pause();
      process.stdout.once('drain', () => line.resume());
    });
    line.on('end', () => line.end());
    line.on('drain', () => process.stdin.resume());
    if (!this.#isReader) process.stdin.resume();
    return new Promise(resolve => {
      line.on('close', () => {
        this.#line = undefined;
        // What a program types is kept until there is a console again; what a person types is read for Ctrl-].
        if (this.isAtTerminal) process.stdin.resume();
        else process.stdin.pause();
        if (this.left.aborted) resolve('left');
        else resolve(CLOSED.test(tail) ? 'closed' : 'lost');
      });
      if (this.left.aborted) line.destroy();
    });
  }

  restore(): void {
    restoreTerminal();
    process.off('exit', restoreTerminal);
    for (const [signal, listener] of this.#signals) process.off(signal, listener);
    // Where it is a pipe that stays open, it would keep the program alive.
    process.stdin.destroy();
  }

  #typed(data: Buffer): void {
    const end = this.isAtTerminal
      ? data.findIndex(byte => byte === ESCAPE || (this.#isReader && byte === INTERRUPT))
      : -1;
    const text = end < 0 ? data : data.subarray(0, end);
    if (!this.#isReader) this.#send(text);
    if (end >= 0) this.#leave(EXIT.done);
  }

  /** A program waits for a guest that takes no input; a person's keys are dropped, for one may be Ctrl-]. */
  #send(text: Buffer): void {
    if (!this.#line) return;
    if (!this.isAtTerminal) {
      if (!this.#line.write(text)) process.stdin.pause();
    } else if (this.#line.writableLength < this.#line.writableHighWaterMark) {
      this.#line.write(text);
    }
  }

  #leave(exitCode: number): void {
    if (this.left.aborted) return;
    process.exitCode = exitCode;
    this.#leaving.abort();
    this.#line?.destroy();
  }
}

function restoreTerminal(): void {
  if (process.stdin.isTTY && !process.stdin.destroyed) process.stdin.setRawMode(false);
}

function bytesFrom(text: string): number {
  if (text === 'none') return 0;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new AgentError('BAD_VALUE', `--history ${text}: it must be a number of bytes, or none`);
}
