import type { Duplex, Writable } from 'node:stream';
import type { Driver } from '../drivers/driver.ts';
import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { ConsoleHistory } from './console-history.ts';
import { type GuestRecords, theGuestNamed } from './guest-records.ts';

export interface GuestConsolesParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly clock: Clock;
  readonly log: Log;
  /** Where histories are kept, on this server's disk. */
  readonly directory: string;
  /** Most bytes that are kept of each guest. */
  readonly historyBytes: number;
}

export interface ConsoleRequest {
  /** Name or path of a guest. */
  readonly guest: string;
  /** `interactive`: one at a time may type. `view`: many may look. */
  readonly mode: 'interactive' | 'view';
  /** End the session of who types now. */
  readonly takeOver: boolean;
  /** How much of the history comes first. */
  readonly historyBytes: number;
  readonly user: string;
  readonly from: string;
}

/** One who looks at a console. */
export interface ConsoleSession {
  readonly path: GuestPath;
  /** What was typed; nothing of a view. */
  type(bytes: Uint8Array): void;
  close(): void;
}

interface Session extends ConsoleSession {
  readonly request: ConsoleRequest;
  readonly since: number;
  readonly sink: Writable;
}

interface GuestConsole {
  readonly path: GuestPath;
  readonly history: ConsoleHistory;
  readonly sessions: Set<Session>;
  line: Duplex | undefined;
  isFollowed: boolean;
}

const MOST_VIEWS = 16;
/** What waits for a reader who does not read. */
const MOST_WAITING_BYTES = 1024 * 1024;
const FIRST_RETRY_MS = 20;
const LONGEST_RETRY_MS = 2_000;

/**
 * The consoles of guests. The agent alone is connected to each guest's serial port, keeps what comes from it, and hands it
 * to those who look; it comes from inside a guest and is neither read nor logged.
 */
export class GuestConsoles {
  readonly #parts: GuestConsolesParts;
  readonly #consoles = new Map<GuestPath, GuestConsole>();
  readonly #closing = new AbortController();

  constructor(parts: GuestConsolesParts) {
    this.#parts = parts;
  }

  /**
   * To be called once a domain runs: from then on its console is kept, for as long as the domain is there.
   * @param isNew whether it was started just now, which is then written into the history
   */
  follow(path: GuestPath, isNew: boolean): void {
    const console = this.#consoleOf(path);
    if (console.isFollowed) return;
    console.isFollowed = true;
    if (isNew) this.#mark(console, `the guest was started ${new Date(this.#parts.clock.now()).toISOString()}`);
    this.#stay(console)
      .catch((error: unknown) => this.#parts.log.error({ guest: path, err: error }, 'the console of a guest was lost'))
      .finally(() => {
        console.isFollowed = false;
        console.history.close();
        this.#notify(console, 'the guest is down; waiting for its next start');
        this.#forgetIfIdle(console);
      });
  }

  /**
   * Looks at the console of a guest, be it running or not: a session stays when the guest ends, and goes on with its next
   * start.
   * @param open gives what takes the history and then what comes; it is asked only when the session is granted, and ended
   * with it
   * @throws AgentError NO_SUCH_GUEST, BAD_VALUE, BUSY with who types already
   */
  attach(request: ConsoleRequest, open: () => Writable): ConsoleSession {
    const { clock, log, records } = this.#parts;
    const { guest, mode } = request;
    const { path } = guest.startsWith('/') ? records.get(guest as GuestPath) : theGuestNamed(records, guest);
    const console = this.#consoleOf(path);
    this.#makeRoom(console, request);
    const sink = open();
    const session: Session = {
      path,
      request,
      since: clock.now(),
      sink,
      type: bytes => {
        if (mode === 'interactive' && console.sessions.has(session)) console.line?.write(bytes);
      },
      close: () => {
        if (!console.sessions.delete(session)) return;
        sink.end();
        log.info({ guest: path, mode, user: request.user }, 'left a console');
        this.#forgetIfIdle(console);
      },
    };
    sink.on('close', () => session.close());
    sink.on('error', () => session.close());
    sink.write(console.history.tail(request.historyBytes));
    console.sessions.add(session);
    if (!console.line) tell(session, 'the guest is down; waiting for its next start');
    log.info({ guest: path, mode, user: request.user, from: request.from }, 'looks at a console');
    return session;
  }

  /** Forgets the history of a guest that was deleted. */
  forget(path: GuestPath): void {
    const console = this.#consoleOf(path);
    for (const session of [...console.sessions]) session.close();
    console.history.remove();
    this.#forgetIfIdle(console);
  }

  /** Lets go of all consoles; guests live on. */
  close(): void {
    this.#closing.abort();
    for (const { history, line, sessions } of this.#consoles.values()) {
      for (const session of [...sessions]) session.close();
      line?.destroy();
      history.close();
    }
  }

  #consoleOf(path: GuestPath): GuestConsole {
    const { directory, historyBytes } = this.#parts;
    const known = this.#consoles.get(path);
    if (known) return known;
    const made: GuestConsole = {
      path,
      history: new ConsoleHistory(directory, path, historyBytes),
      sessions: new Set(),
      line: undefined,
      isFollowed: false,
    };
    this.#consoles.set(path, made);
    return made;
  }

  #forgetIfIdle({ isFollowed, path, sessions }: GuestConsole): void {
    if (!isFollowed && sessions.size === 0) this.#consoles.delete(path);
  }

  #makeRoom({ path, sessions }: GuestConsole, { mode, takeOver }: ConsoleRequest): void {
    if (mode === 'view') {
      if ([...sessions].filter(session => session.request.mode === 'view').length < MOST_VIEWS) return;
      throw new AgentError('BUSY', `console of ${path}: ${MOST_VIEWS} look at it already; try again when one has left`);
    }
    const holder = [...sessions].find(session => session.request.mode === 'interactive');
    if (!holder) return;
    if (!takeOver) {
      const { from, user } = holder.request;
      const since = new Date(holder.since).toISOString();
      throw new AgentError(
        'BUSY',
        `console of ${path}: ${user} (${from}) types there since ${since}; look at it with --read-only, or take it over with --force`,
      );
    }
    tell(holder, 'another session took the console over');
    holder.close();
  }

  /** Connects, and connects again where the connection is lost, until the domain is no longer there. */
  async #stay(console: GuestConsole): Promise<void> {
    const { clock, driver, log } = this.#parts;
    const { path } = console;
    let retryMs = FIRST_RETRY_MS;
    while (!this.#closing.signal.aborted) {
      try {
        const line = await driver.openConsole(path);
        retryMs = FIRST_RETRY_MS;
        await this.#pass(console, line);
      } catch (error) {
        if (error instanceof AgentError && error.code === 'NOT_SUPPORTED') return;
        log.debug({ guest: path, reason: messageOf(error) }, 'the console of a guest cannot be reached');
      }
      if ((await driver.inspect(path)).state === 'absent') return;
      await clock.sleep(retryMs, this.#closing.signal).catch(() => undefined);
      retryMs = Math.min(LONGEST_RETRY_MS, 2 * retryMs);
    }
  }

  /** Hands on what comes from the guest, until the line is closed. */
  #pass(console: GuestConsole, line: Duplex): Promise<void> {
    console.line = line;
    if (this.#closing.signal.aborted) line.destroy();
    return new Promise(resolve => {
      line.on('data', (bytes: Buffer) => {
        console.history.add(bytes);
        for (const session of [...console.sessions]) this.#hand(session, bytes);
      });
      line.on('error', () => line.destroy());
      line.on('close', () => {
        console.line = undefined;
        resolve();
      });
    });
  }

  #hand(session: Session, bytes: Uint8Array): void {
    const { sink } = session;
    if (sink.writableLength > MOST_WAITING_BYTES) {
      this.#parts.log.info(
        { guest: session.path, user: session.request.user },
        'who looks at a console does not read; it is closed',
      );
      session.close();
      sink.destroy();
    } else sink.write(bytes);
  }

  #notify({ sessions }: GuestConsole, text: string): void {
    for (const session of sessions) tell(session, text);
  }

  /** A notice that stays. */
  #mark(console: GuestConsole, text: string): void {
    console.history.add(Buffer.from(notice(text)));
    this.#notify(console, text);
  }
}

function tell({ sink }: Session, text: string): void {
  sink.write(notice(text));
}

function notice(text: string): string {
  return `\r\n[${text}]\r\n`;
}
