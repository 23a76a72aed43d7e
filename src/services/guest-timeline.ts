import type { GuestPath } from '../model/guest-path.ts';
import type { Fields } from '../store/store.ts';
import type { EventLog } from './event-log.ts';
import type { GuestRecords } from './guest-records.ts';

/** The steps of a job, each of which is an event, are of no interest afterwards: so many more are read than are told. */
const EVENTS_PER_ENTRY = 8;

/** What happened to one guest, from the events that are kept. */
export class GuestTimeline {
  readonly #events: Pick<EventLog, 'readNewest'>;
  readonly #records: GuestRecords;

  constructor(events: Pick<EventLog, 'readNewest'>, records: GuestRecords) {
    this.#events = events;
    this.#records = records;
  }

  /**
   * The newest entries, oldest first. A guest that was deleted has a past as long as its events are kept.
   * @throws AgentError NO_SUCH_GUEST when there is neither
   */
  of(path: GuestPath, limit: number): readonly Fields[] {
    const events = this.#events
      .readNewest(limit * EVENTS_PER_ENTRY, path)
      .filter(({ data, kind }) => kind !== 'job' || data['step'] === undefined)
      .slice(-limit);
    if (events.length === 0) this.#records.get(path);
    return events.map(({ at, data, kind, summary, token, user }) => ({
      ...data,
      token,
      at,
      kind,
      ...(user === undefined ? {} : { user }),
      summary,
    }));
  }
}
