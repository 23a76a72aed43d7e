import { AgentError } from '../errors.ts';
import { parseGuestPath, quote } from '../model/guest-path.ts';
import { type AgentEvent, type EventFilter, type EventKind, eventKinds, type Resync } from './agent-event.ts';
import type { EventLog } from './event-log.ts';

/** What a reader asks for, in the words of its request. */
export interface EventRequest {
  /** Token of the last event that it has; without one it begins with now. */
  readonly after?: string | undefined;
  /** Path of the only guest that it wants to hear of. */
  readonly guest?: string | undefined;
  /** The kinds that it wants, separated by commas. */
  readonly kinds?: string | undefined;
}

/** One that reads the event log at a pace of its own. It holds a place in the log and no events. */
export class EventReader {
  readonly #log: EventLog;
  readonly #filter: EventFilter;
  #cursor: number;
  #resync: Resync | undefined;

  /** @throws AgentError BAD_VALUE when the request cannot be understood, STOPPING when there will be no more events */
  constructor(log: EventLog, { after, guest, kinds }: EventRequest) {
    if (log.isClosed)
      throw new AgentError('STOPPING', 'events: the agent is stopping; ask again when it has restarted');
    this.#log = log;
    this.#filter = {
      guest: guest === undefined ? undefined : parseGuestPath(guest),
      kinds: kinds === undefined ? undefined : parseKinds(kinds),
    };
    const from = after === undefined ? { cursor: log.newest, resync: undefined } : log.cursorOf(after);
    this.#cursor = from.cursor;
    this.#resync = from.resync;
  }

  /** The place up to which it has read: who comes back with it misses nothing. */
  get token(): string {
    return this.#log.tokenOf(this.#cursor);
  }

  get isAtEnd(): boolean {
    return this.#resync === undefined && this.#cursor >= this.#log.newest;
  }

  /**
   * Reads on. There may be more, unless it is at the end then.
   * @param most events that are looked at
   */
  read(most: number): { readonly resync: Resync | undefined; readonly events: readonly AgentEvent[] } {
    const page = this.#log.read(this.#cursor, this.#filter, most);
    const resync =
      page.resync && this.#resync === undefined ? { ...page.resync, reason: 'slow' as const } : page.resync;
    const told = this.#resync;
    this.#resync = undefined;
    this.#cursor = page.cursor;
    return { resync: resync ?? told, events: page.events };
  }
}

function parseKinds(text: string): readonly EventKind[] {
  return text.split(',').map(word => {
    const kind = eventKinds.find(known => known === word);
    if (kind === undefined) {
      throw new AgentError(
        'BAD_VALUE',
        `events of kind ${quote(word)}: there is no such kind; there are ${eventKinds.join(', ')}`,
      );
    }
    return kind;
  });
}
