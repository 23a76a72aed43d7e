import type { Duplex } from 'node:stream';
import type { Driver } from '../drivers/driver.ts';
import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { ConsoleHistory } from './console-history.ts';

export const consoleModes = ['interactive', 'view'] as const;
export type ConsoleMode = (typeof consoleModes)[number];

export interface AttachOptions {
  readonly mode: ConsoleMode;
  /** Whether an interactive session of somebody else is ended in favour of this one. */
  readonly takeOver: boolean;
  /** How much of what was printed before is given first, in bytes. */
  readonly historyBytes: number;
  /** Who attaches and from where, as others are told. */
  readonly who: string;
}

/** Where the bytes of a console go. */
export interface ConsoleReader {
  write(data: Uint8Array): void;
  /** Bytes that were written and are not delivered yet. */
  readonly pendingBytes: number;
  /** The console takes input again, after `ConsoleSession.write` said that it does not. */
  drained(): void;
  /** Nothing more comes after this notice. */
  end(notice: string): void;
  /** Nothing more comes; what is not delivered yet need not be. */
  abort(): void;
}

/** Somebody at a console. */
export interface ConsoleSession {
  /**
   * Types. What a view types, or what is typed while the guest is down, goes nowhere.
   * @returns false when nothing more should be typed until `ConsoleReader.drained`
   */
  write(data: Uint8Array): boolean;
  close(): void;
}

export interface GuestConsoleParts {
  readonly path: GuestPath;
  readonly driver: Pick<Driver, 'openSerial'>;
  readonly history: ConsoleHistory;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when nobody is attached and no domain is followed any more. */
  readonly onIdle: () => void;
}

/** Most readers beside the one who types. */
const VIEW_LIMIT = 16;
/** Most bytes that wait for a reader, beside the history it asked for. */
const READER_BYTES = 1024 * 1024;
/** Most bytes that wait for the guest to take them. */
const INPUT_BYTES = 64 * 1024;
const FIRST_DELAY_MS = 20;
const LONGEST_DELAY_MS = 1000;

const DOWN = '\r\n[guest is down; waiting for its next start, Ctrl-] leaves]\r\n';
const NO_PORT = '\r\n[guest runs without a serial port; waiting for a start with one, Ctrl-] leaves]\r\n';
const UP = '\r\n[guest runs]\r\n';

/** `following`: its domain is read, or its port is being opened. `no-port`: it runs and has none. */
type State = 'down' | 'following' | 'no-port';

interface Attached extends ConsoleSession {
  readonly options: AttachOptions;
  readonly reader: ConsoleReader;
  readonly since: string;
  readonly pendingLimit: number;
  /** Whether it was told that the guest prints nothing now. */
  isWaiting: boolean;
}

/** The serial console of one guest: its only reader, its history, and who is attached to it. */
export class GuestConsole {
  readonly #parts: GuestConsoleParts;
  readonly #sessions = new Set<Attached>();
  readonly #closing = new AbortController();
  #state: State = 'down';
  #line: Duplex | undefined;
  #following: Promise<void> = Promise.resolve();
  /** How often a domain was said to run: one that started while its port was being opened is not overlooked. */
  #starts = 0;
  #wake = new AbortController();
  #historyFails = false;

  constructor(parts: GuestConsoleParts) {
    this.#parts = parts;
  }

  /** Reads the port of the guest's domain from now until the domain ends. */
  follow(): void {
    this.#starts++;
    if (this.#state === 'following') {
      this.#wake.abort();
      return;
    }
    this.#state = 'following';
    this.#following = this.#follow();
  }

  /** @throws AgentError BUSY, NOT_SUPPORTED */
  attach(options: AttachOptions, reader: ConsoleReader): ConsoleSession {
    const { clock, path } = this.#parts;
    if (this.#state === 'no-port') {
      throw new AgentError(
        'NOT_SUPPORTED',
        `console of ${path}: it runs without a serial port; write serial = 'pty' in its vm.cfg, stop it and start it`,
      );
    }
    if (options.mode === 'interactive') this.#makeWay(options);
    else if ([...this.#sessions].filter(isView).length >= VIEW_LIMIT) {
      throw new AgentError(
        'BUSY',
        `console of ${path}: ${VIEW_LIMIT} readers are attached; try again when one has left`,
      );
    }
    const history = this.#lastBytes(options.historyBytes);
    const session: Attached = {
      options,
      reader,
      since: new Date(clock.now()).toISOString(),
      pendingLimit: READER_BYTES + history.length,
      isWaiting: false,
      write: data => !this.#sessions.has(session) || isView(session) || this.#type(data),
      close: () => this.#leave(session),
    };
    this.#sessions.add(session);
    if (history.length > 0) reader.write(history);
    if (this.#state === 'down') this.#wait(session, DOWN);
    return session;
  }

  /** To be called when the domain has ended. */
  domainEnded(): void {
    this.#wake.abort();
    if (this.#state !== 'no-port') return;
    this.#state = 'down';
    this.#reportIdle();
  }

  /** Ends all sessions with a notice that says why. */
  endSessions(why: string): void {
    for (const session of [...this.#sessions]) this.#end(session, why);
    this.#reportIdle();
  }

  /** Lets go of the guest and of everybody who is attached, without a notice: they may come again. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#line?.destroy();
    for (const { reader } of this.#sessions) reader.abort();
    this.#sessions.clear();
    await this.#following;
    this.#parts.history.close();
  }

  #makeWay({ takeOver, who }: AttachOptions): void {
    const holder = [...this.#sessions].find(session => !isView(session));
    if (!holder) return;
    if (!takeOver) {
      throw new AgentError(
        'BUSY',
        `console of ${this.#parts.path}: ${holder.options.who} holds it since ${holder.since}; ` +
          'attach read-only (--read-only), or take it over (--force)',
      );
    }
    this.#end(holder, `${who} took it over`);
  }

  async #follow(): Promise<void> {
    const { clock, driver, log, path } = this.#parts;
    let delayMs = FIRST_DELAY_MS;
    while (!this.#closing.signal.aborted) {
      const starts = this.#starts;
      this.#wake = new AbortController();
      try {
        const line = await driver.openSerial(path);
        const since = clock.monotonic();
        await this.#read(line);
        if (clock.monotonic() - since > LONGEST_DELAY_MS) delayMs = FIRST_DELAY_MS;
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (code === 'HYPERVISOR' || code === 'NOT_SUPPORTED') {
          if (this.#starts !== starts) continue;
          this.#stopFollowing(code === 'HYPERVISOR' ? 'down' : 'no-port');
          return;
        }
        log.debug(
          { guest: path, reason: messageOf(error), delayMs },
          'the serial port of a guest cannot be opened yet',
        );
      }
      const either = AbortSignal.any([this.#wake.signal, this.#closing.signal]);
      await clock.sleep(delayMs, either).catch(() => undefined);
      delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS);
    }
  }

  /** Resolves when the port has closed. */
  #read(line: Duplex): Promise<void> {
    return new Promise(resolve => {
      line.on('data', (data: Buffer) => this.#received(data));
      line.on('drain', () => this.#drained());
      line.on('error', () => line.destroy());
      line.on('end', () => line.destroy());
      line.on('close', () => {
        this.#line = undefined;
        this.#drained();
        resolve();
      });
      if (this.#closing.signal.aborted) line.destroy();
      this.#line = line;
      for (const session of this.#sessions) {
        if (session.isWaiting) this.#give(session, Buffer.from(UP));
        session.isWaiting = false;
      }
    });
  }

  #stopFollowing(state: 'down' | 'no-port'): void {
    this.#state = state;
    for (const session of this.#sessions) this.#wait(session, state === 'down' ? DOWN : NO_PORT);
    this.#parts.history.close();
    this.#reportIdle();
  }

  #received(data: Buffer): void {
    const { history, log, path } = this.#parts;
    try {
      history.append(data);
      this.#historyFails = false;
    } catch (error) {
      if (!this.#historyFails) log.error({ err: error, guest: path }, 'what a guest prints cannot be written down');
      this.#historyFails = true;
    }
    for (const session of [...this.#sessions]) this.#give(session, data);
  }

  /** A reader that does not take its data is dropped: neither the guest nor the agent's memory waits for it. */
  #give(session: Attached, data: Uint8Array): void {
    const { options, pendingLimit, reader } = session;
    if (reader.pendingBytes + data.length <= pendingLimit) {
      reader.write(data);
      return;
    }
    this.#parts.log.warn({ guest: this.#parts.path, who: options.who }, 'a reader of a console was too slow');
    this.#sessions.delete(session);
    reader.abort();
  }

  #wait(session: Attached, notice: string): void {
    session.isWaiting = true;
    this.#give(session, Buffer.from(notice));
  }

  #type(data: Uint8Array): boolean {
    if (!this.#line) return true;
    this.#line.write(data);
    return this.#line.writableLength < INPUT_BYTES;
  }

  #drained(): void {
    for (const { reader } of this.#sessions) reader.drained();
  }

  #lastBytes(bytes: number): Buffer {
    try {
      return this.#parts.history.tail(bytes);
    } catch (error) {
      this.#parts.log.error({ err: error, guest: this.#parts.path }, 'what a guest printed cannot be read');
      return Buffer.alloc(0);
    }
  }

  #end(session: Attached, why: string): void {
    this.#sessions.delete(session);
    session.reader.end(`\r\n[console closed: ${why}]\r\n`);
  }

  #leave(session: Attached): void {
    if (this.#sessions.delete(session)) this.#reportIdle();
  }

  #reportIdle(): void {
    if (this.#state === 'down' && this.#sessions.size === 0) this.#parts.onIdle();
  }
}

function isView({ options }: Attached): boolean {
  return options.mode === 'view';
}
