import { request } from 'node:http';
import type { Socket } from 'node:net';
import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { systemClock } from '../src/host/clock.ts';
import { CONSOLE_PROTOCOL } from '../src/wire/console-endpoint.ts';

export interface ConsoleOptions {
  readonly readOnly: boolean;
  readonly force: boolean;
  /** Bytes of the history to print first; undefined leaves it to the agent. */
  readonly history: string | undefined;
}

/** Ctrl-], as for xm console and telnet. */
const ESCAPE = 0x1d;
const RETRY_MS = 250;
/** Time for an agent that was restarted to answer again. */
const RETURN_MS = 60_000;

/**
 * Attaches this terminal to the console of a guest until Ctrl-] is typed, or the agent ends the session. When the agent is
 * restarted it waits for it and goes on.
 */
export async function attachConsole(paths: AgentPaths, guest: string, options: ConsoleOptions): Promise<void> {
  const first = await connectConsole(paths, guest, options);
  const how = options.readOnly ? ' to look at it' : '';
  process.stderr.write(`Connected to ${guest}${how}; Ctrl-] leaves\n`);
  const terminal = new Terminal();
  try {
    let socket = first;
    for (;;) {
      const end = await terminal.pass(socket);
      if (end === 'left') return;
      process.stderr.write('\r\n[the agent ended the connection]\r\n');
      socket = await reconnect(paths, guest, { ...options, force: false, history: '0' }, terminal);
      process.stderr.write('[connected again]\r\n');
    }
  } finally {
    terminal.restore();
  }
}

async function reconnect(
  paths: AgentPaths,
  guest: string,
  options: ConsoleOptions,
  terminal: Terminal,
): Promise<Socket> {
  const deadline = systemClock.monotonic() + RETURN_MS;
  for (;;) {
    try {
      return await connectConsole(paths, guest, options);
    } catch (error) {
      const isAway = error instanceof AgentError && error.code === 'PEER_DOWN';
      if (!isAway || terminal.hasLeft || systemClock.monotonic() > deadline) throw error;
      await systemClock.sleep(RETRY_MS);
    }
  }
}

/**
 * Opens the console of a guest at the agent of this server.
 * @throws AgentError PEER_DOWN when no agent answers, WRONG_STATE with what it answered when it refuses
 */
export function connectConsole(
  paths: AgentPaths,
  guest: string,
  { force, history, readOnly }: ConsoleOptions,
): Promise<Socket> {
  const query = new URLSearchParams({ guest, mode: readOnly ? 'view' : 'interactive' });
  if (force) query.set('force', '1');
  if (history !== undefined) query.set('history', history);
  return new Promise((resolve, reject) => {
    const call = request({
      socketPath: paths.controlSocket,
      path: `/console?${query.toString()}`,
      headers: { Connection: 'Upgrade', Upgrade: CONSOLE_PROTOCOL },
    });
    call.on('upgrade', (_response, socket: Socket, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    call.on('response', response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', part => (text += String(part)));
      response.on('end', () => reject(new AgentError('WRONG_STATE', text.trim())));
    });
    call.on('error', cause =>
      reject(new AgentError('PEER_DOWN', 'no agent answers on this server; "ovs-agent start" starts it', { cause })),
    );
    call.end();
  });
}

/** The terminal of this program: what is typed goes to the guest as it is, key by key. */
class Terminal {
  readonly #isRaw: boolean;
  readonly #restore = (): void => this.restore();
  #leave: () => void = () => undefined;
  hasLeft = false;

  constructor() {
    this.#isRaw = process.stdin.isTTY;
    if (this.#isRaw) process.stdin.setRawMode(true);
    // However the program ends, the shell gets its terminal back.
    process.on('exit', this.#restore);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, () => this.#left());
    process.stdin.on('end', () => undefined);
  }

  /** @returns who ended it */
  pass(socket: Socket): Promise<'left' | 'ended'> {
    return new Promise(resolve => {
      const typed = (bytes: Buffer): void => {
        const escape = bytes.indexOf(ESCAPE);
        socket.write(escape < 0 ? bytes : bytes.subarray(0, escape));
        if (escape >= 0) this.#left();
      };
      const done = (end: 'left' | 'ended'): void => {
        process.stdin.off('data', typed);
        socket.destroy();
        resolve(end);
      };
      this.#leave = () => done('left');
      process.stdin.on('data', typed);
      socket.pipe(process.stdout, { end: false });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => done(this.hasLeft ? 'left' : 'ended'));
    });
  }

  restore(): void {
    process.off('exit', this.#restore);
    if (this.#isRaw) process.stdin.setRawMode(false);
    process.stdin.unref();
    process.stdin.pause();
  }

  #left(): void {
    this.hasLeft = true;
    this.#leave();
  }
}
