import { messageOf } from '../errors.ts';
import type { Clock, Timer } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { EventStore, StoredEvent } from '../store/event-store.ts';
import type { Fields } from '../store/store.ts';
import type { AgentEvent, EventFilter, EventKind, EventPage, Resync } from './agent-event.ts';
import { EventReader, type EventRequest } from './event-reader.ts';
import { eventToken, parseEventToken } from '../model/event-token.ts';

/** Something that happened, as the part of the agent tells it that saw it happen. */
export interface NewEvent {
  readonly kind: EventKind;
  readonly guest?: GuestPath;
  /** Who caused it, where a user did. */
  readonly user?: string;
  /** One sentence for people. */
  readonly summary: string;
  readonly data?: Readonly<Record<string, string | number | boolean>>;
}

export interface EventLogParts {
  readonly store: EventStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** Told when there is more to read, and when there will be no more. */
export interface EventWatcher {
  stored(): void;
  closed(): void;
}

/** Time after which stored events are flushed to the disk: a power failure takes no older ones. */
const FLUSH_AFTER_MS = 1000;
const RETRY_AFTER_MS = 1000;
/** Most events that wait for a store that cannot be written. */
const LONGEST_QUEUE = 10_000;
/** Most events that are looked at in one go. */
const LARGEST_PAGE = 1000;
const LONGEST_SUMMARY = 1000;
const LONGEST_VALUE = 4000;

/**
 * What happens on this server, in order. Events that are emitted together share one commit a moment later, which does
 * not wait for the disk: no act pays for its events. Readers see an event once it is stored, so that none that somebody
 * saw is gone after a crash, and its number is never another's.
 */
export class EventLog {
  readonly #parts: EventLogParts;
  readonly #watchers = new Set<EventWatcher>();
  #pending: Omit<StoredEvent, 'number'>[] = [];
  #dropped = 0;
  #isScheduled = false;
  #isClosing = false;
  #isClosed = false;
  #retry: Timer | undefined;
  #flush: Timer | undefined;

  constructor(parts: EventLogParts) {
    this.#parts = parts;
  }

  /** Adds an event. It never fails: what cannot be stored is in the log of the agent, and told once it can be again. */
  emit({ data = {}, guest, kind, summary, user }: NewEvent): void {
    if (this.#isClosed) return;
    if (this.#pending.length >= LONGEST_QUEUE) {
      this.#dropped++;
      return;
    }
    this.#pending.push({
      at: this.#parts.clock.now(),
      kind,
      guest,
      user,
      summary: oneLine(summary),
      data: bounded(data),
    });
    if (this.#isScheduled || this.#retry) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#storePending();
    });
  }

  /** One that reads on its own. @throws AgentError BAD_VALUE, STOPPING */
  reader(request: EventRequest): EventReader {
    return new EventReader(this, request);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The place behind the newest event. */
  get token(): string {
    return this.tokenOf(this.newest);
  }

  /** The cursor of a reader that wants what comes from now on. */
  get newest(): number {
    return this.#parts.store.newest;
  }

  tokenOf(number: number): string {
    return eventToken({ epoch: this.#parts.store.epoch, number });
  }

  /**
   * Where a reader goes on that has read up to a token.
   * @throws AgentError BAD_VALUE when it is no token
   */
  cursorOf(token: string): { readonly cursor: number; readonly resync: Resync | undefined } {
    const { epoch, newest, oldest } = this.#parts.store;
    const place = parseEventToken(token);
    if (place.epoch !== epoch) {
      const cursor = oldest - 1;
      const summary = 'the token is from another event log, which is gone; all events that are kept follow';
      return { cursor, resync: { reason: 'other-log', summary, token: this.tokenOf(cursor) } };
    }
    if (place.number > newest) {
      const summary =
        'the token is ahead of the event log, which was put back to an earlier state; events from now on follow';
      return { cursor: newest, resync: { reason: 'ahead', summary, token: this.tokenOf(newest) } };
    }
    const resync = this.#missedAfter(place.number);
    return { cursor: resync ? oldest - 1 : place.number, resync };
  }

  /**
   * Events behind a cursor, oldest first.
   * @throws AgentError STORE
   */
  read(cursor: number, { guest, kinds }: EventFilter = {}, most = LARGEST_PAGE): EventPage {
    const { store } = this.#parts;
    const resync = this.#missedAfter(cursor);
    const limit = Math.min(most, LARGEST_PAGE);
    const found = store.read({ after: cursor, limit, guest });
    const wanted = kinds ? found.filter(({ kind }) => kinds.some(known => known === kind)) : found;
    // A page that is not full was looked for up to the end.
    const last = found.length < limit ? store.newest : found.at(-1)!.number;
    return { resync, events: wanted.map(event => this.#shown(event)), cursor: last };
  }

  /**
   * Events behind a token, or the newest; oldest first.
   * @throws AgentError BAD_VALUE, STOPPING
   */
  list(
    after: string | undefined,
    limit: number,
    guest?: GuestPath,
  ): readonly (AgentEvent | (Resync & { readonly kind: 'resync' }))[] {
    if (after === undefined) return this.readNewest(limit, guest);
    const { events, resync } = this.reader({ after, guest }).read(limit);
    return resync ? [{ kind: 'resync', ...resync }, ...events] : events;
  }

  /** The newest events, oldest first. */
  readNewest(limit: number, guest?: GuestPath): readonly AgentEvent[] {
    return this.#parts.store.readNewest({ limit, guest }).map(event => this.#shown(event));
  }

  /** Whether the agent before this one closed it. */
  get wasClosed(): boolean {
    return this.#parts.store.wasClosed;
  }

  /** Of each guest the newest event that has `change` among its data. */
  newestChanges(): readonly AgentEvent[] {
    return this.#parts.store.newestWith('change').map(event => this.#shown(event));
  }

  /** @returns to be called when it is to be told no more */
  watch(watcher: EventWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Stores what waits, lets readers have it, and closes the store. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosing = true;
    this.#retry?.cancel();
    this.#storePending();
    this.#isClosed = true;
    this.#flush?.cancel();
    for (const watcher of [...this.#watchers]) watcher.closed();
    this.#watchers.clear();
    try {
      this.#parts.store.close();
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the events could not be closed');
    }
  }

  #missedAfter(number: number): Resync | undefined {
    const { oldest } = this.#parts.store;
    const lost = oldest - 1 - number;
    if (lost <= 0) return undefined;
    const token = this.tokenOf(oldest - 1);
    return { reason: 'too-old', lost, token, summary: `${lost} events are kept no more; those that are kept follow` };
  }

  #storePending(): void {
    const { clock, log, store } = this.#parts;
    const events = this.#pending;
    if (events.length === 0 || this.#isClosed) return;
    try {
      store.append(events);
    } catch (error) {
      log.error({ err: error, waiting: events.length }, `events could not be stored: ${messageOf(error)}`);
      if (this.#isClosing) return;
      this.#retry = clock.setTimer(RETRY_AFTER_MS, () => {
        this.#retry = undefined;
        this.#storePending();
      });
      return;
    }
    this.#pending = [];
    this.#flush ??= clock.setTimer(FLUSH_AFTER_MS, () => this.#flushStore());
    if (this.#dropped > 0) {
      const lost = this.#dropped;
      this.#dropped = 0;
      this.emit({ kind: 'server', summary: `${lost} events could not be stored and are lost`, data: { lost } });
    }
    for (const watcher of [...this.#watchers]) watcher.stored();
  }

  #flushStore(): void {
    this.#flush = undefined;
    try {
      this.#parts.store.sync();
    } catch (error) {
      this.#parts.log.error({ err: error }, 'events could not be flushed to the disk');
    }
  }

  #shown({ at, data, guest, kind, number, summary, user }: StoredEvent): AgentEvent {
    return {
      token: this.tokenOf(number),
      number,
      at: new Date(at).toISOString(),
      kind: kind as EventKind,
      ...(guest === undefined ? {} : { guest }),
      ...(user === undefined ? {} : { user }),
      summary,
      data,
    };
  }
}

/** Nobody can fill the store or break a line with a name or a message of his own. */
function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  return line.length > LONGEST_SUMMARY ? `${line.slice(0, LONGEST_SUMMARY)}…` : line;
}

function bounded(data: Fields): Fields {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value,
    ]),
  );
}
