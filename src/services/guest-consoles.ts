import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import { guestNameOf, type GuestPath, parseGuestPath } from '../model/guest-path.ts';
import { ConsoleHistory } from './console-history.ts';
import { type AttachOptions, type ConsoleReader, type ConsoleSession, GuestConsole } from './guest-console.ts';
import { type GuestRecords, theGuestNamed } from './guest-records.ts';

export interface GuestConsolesParts {
  readonly driver: Pick<Driver, 'openSerial' | 'onEvent'>;
  readonly records: GuestRecords;
  /** Where the histories lie. */
  readonly directory: string;
  /** How much is kept of what a guest printed, in bytes. */
  readonly historyBytes: number;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The serial consoles of guests. It is the only client of each guest's serial port, from the start of the guest to its
 * end: everything that is printed goes to a bounded history, and to all who are attached. Bytes are never interpreted.
 */
export class GuestConsoles {
  readonly #parts: GuestConsolesParts;
  readonly #consoles = new Map<GuestPath, GuestConsole>();
  #isClosed = false;

  constructor(parts: GuestConsolesParts) {
    this.#parts = parts;
    parts.driver.onEvent(event => {
      if (event.kind === 'ended') this.#consoles.get(event.path)?.domainEnded();
    });
  }

  /** Reads the console of a guest that runs from now on, until its end. */
  follow(path: GuestPath): void {
    if (!this.#isClosed) this.#of(path).follow();
  }

  /**
   * The guest that a caller means by its path or its name.
   * @throws AgentError NO_SUCH_GUEST, BAD_VALUE
   */
  find(guest: string): GuestPath {
    const { records } = this.#parts;
    return guest.includes('/') ? records.get(parseGuestPath(guest)).path : theGuestNamed(records, guest).path;
  }

  /**
   * Attaches to the console of a guest, which need not run: the session lasts over its ends and starts.
   * @throws AgentError NO_SUCH_GUEST, NOT_SUPPORTED when it runs without a serial port, BUSY when somebody types there
   * and is not to be taken over from, or too many read, STOPPING
   */
  attach(path: GuestPath, options: AttachOptions, reader: ConsoleReader): ConsoleSession {
    this.#parts.records.get(path);
    if (this.#isClosed)
      throw new AgentError('STOPPING', `console of ${path}: the agent is stopping; attach again later`);
    return this.#of(path).attach(options, reader);
  }

  /** Ends the sessions of a guest that is no longer registered, and removes its history where that is asked for. */
  forget(path: GuestPath, why: string, removeHistory: boolean): void {
    this.#consoles.get(path)?.endSessions(why);
    if (removeHistory) this.#historyOf(path).remove();
  }

  /** Lets go of all guests, whose domains live on, and of everybody who is attached. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#consoles.values()].map(console => console.close()));
    this.#consoles.clear();
  }

  #of(path: GuestPath): GuestConsole {
    const known = this.#consoles.get(path);
    if (known) return known;
    const { clock, driver, log } = this.#parts;
    const history = this.#historyOf(path);
    const onIdle = (): void => void this.#consoles.delete(path);
    const console = new GuestConsole({ path, driver, history, clock, log, onIdle });
    this.#consoles.set(path, console);
    return console;
  }

  /** Guests of different repositories may have one name, so that a part of the path's digest stands beside it. */
  #historyOf(path: GuestPath): ConsoleHistory {
    const digest = createHash('sha256').update(path).digest('hex').slice(0, 8);
    const name = `${guestNameOf(path)}-${digest}.log`;
    return new ConsoleHistory(join(this.#parts.directory, name), this.#parts.historyBytes);
  }
}
