import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { guestNameOf, type GuestPath, parseGuestPath, quote } from '../model/guest-path.ts';
import { type GuestStatus, guestStatuses } from '../model/guest-state.ts';
import type { FieldChanges, Fields, Store } from '../store/store.ts';
import type { EventLog } from './event-log.ts';

export const GUEST_DATABASE = 'vm';

/** What the agent has stored of a guest. */
export interface GuestRecord {
  readonly path: GuestPath;
  readonly status: GuestStatus;
  /** Why it has that status, where there is more to say than the status itself. */
  readonly reason: string | undefined;
  readonly fields: Fields;
}

/** How a guest's record came to its end, and who brought that about. */
export interface Removal {
  readonly user: string;
  readonly change: 'unregistered' | 'deleted';
}

/** The user of what the agent does of its own accord. */
const AGENT_USER = 'agent';

/** The records of guests, in the database `vm` under their paths. Every change of a status is told as an event. */
export class GuestRecords {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: Pick<EventLog, 'emit'>;

  constructor(store: Store, clock: Clock, events: Pick<EventLog, 'emit'>) {
    this.#store = store;
    this.#clock = clock;
    this.#events = events;
  }

  find(path: GuestPath): GuestRecord | undefined {
    const fields = this.#store.find(GUEST_DATABASE, path);
    return fields && recordFrom(path, fields);
  }

  /** @throws AgentError NO_SUCH_GUEST */
  get(path: GuestPath): GuestRecord {
    const record = this.find(path);
    if (!record) throw new AgentError('NO_SUCH_GUEST', `guest ${path}: it is not registered; register_vm does that`);
    return record;
  }

  /** Records whose key is no path of a guest, which only hands can have made, are left out. */
  list(): readonly GuestRecord[] {
    return this.#store.list(GUEST_DATABASE).flatMap(({ key, fields }) => {
      try {
        return [recordFrom(parseGuestPath(key), fields)];
      } catch {
        return [];
      }
    });
  }

  /** The guests of that name: several when repositories hold namesakes. */
  named(name: string): readonly GuestRecord[] {
    return this.list().filter(record => guestNameOf(record.path) === name);
  }

  /** Stores a status, and why the guest has it: without a reason an earlier one is removed. */
  async setStatus(path: GuestPath, status: GuestStatus, reason?: string, more: FieldChanges = {}): Promise<void> {
    const before = this.find(path);
    await this.#write(path, status, reason, more);
    if (!before) this.#tellRegistered(path, status, reason, AGENT_USER);
    else if (before.status !== status || (reason !== undefined && reason !== before.reason)) {
      this.#tellStatus(path, before.status, status, reason);
    }
  }

  /** Makes the record of a guest that has none. */
  async add(path: GuestPath, status: GuestStatus, user: string, more: FieldChanges = {}): Promise<void> {
    await this.#write(path, status, undefined, more);
    this.#tellRegistered(path, status, undefined, user);
  }

  /** Stores what is known of a guest beside its status. */
  setFields(path: GuestPath, fields: FieldChanges): Promise<void> {
    return this.#store.merge(GUEST_DATABASE, path, fields);
  }

  async remove(path: GuestPath, { change, user }: Removal): Promise<void> {
    const before = this.find(path);
    await this.#store.delete(GUEST_DATABASE, path);
    this.#events.emit({
      kind: 'guest',
      guest: path,
      user,
      summary: `guest ${guestNameOf(path)} was ${change} by ${user}`,
      data: { change, ...(before ? { from: before.status } : {}) },
    });
  }

  /**
   * Tells the changes that the record has and no event told, because the agent or its server ended in between.
   * @param told the newest change of each guest that was told
   */
  tellMissed(told: ReturnType<EventLog['newestChanges']>): void {
    const records = new Map<string, GuestRecord>(this.list().map(record => [record.path, record]));
    for (const { data, guest = '' } of told) {
      const from = guestStatuses.find(known => known === data['to']);
      const record = records.get(guest);
      if (!record) {
        if (from !== undefined) this.#tellGone(guest as GuestPath, from);
      } else if (from === undefined) {
        this.#tellRegistered(record.path, record.status, record.reason, AGENT_USER);
      } else if (from !== record.status) {
        this.#tellStatus(record.path, from, record.status, record.reason);
      }
    }
  }

  #write(path: GuestPath, status: GuestStatus, reason: string | undefined, more: FieldChanges): Promise<void> {
    return this.#store.merge(GUEST_DATABASE, path, {
      path,
      name: guestNameOf(path),
      ...more,
      status,
      reason: reason ?? null,
      changed_at: new Date(this.#clock.now()).toISOString(),
    });
  }

  #tellRegistered(path: GuestPath, to: GuestStatus, reason: string | undefined, user: string): void {
    this.#events.emit({
      kind: 'guest',
      guest: path,
      user,
      summary: `guest ${guestNameOf(path)} was registered and is ${to}${because(reason)}`,
      data: { change: 'registered', to, ...(reason === undefined ? {} : { reason }) },
    });
  }

  #tellStatus(path: GuestPath, from: GuestStatus, to: GuestStatus, reason: string | undefined): void {
    const what = from === to ? `is still ${to}` : `is ${to}, it was ${from}`;
    this.#events.emit({
      kind: 'guest',
      guest: path,
      summary: `guest ${guestNameOf(path)} ${what}${because(reason)}`,
      data: { change: 'status', from, to, ...(reason === undefined ? {} : { reason }) },
    });
  }

  #tellGone(path: GuestPath, from: GuestStatus): void {
    this.#events.emit({
      kind: 'guest',
      guest: path,
      user: AGENT_USER,
      summary: `guest ${guestNameOf(path)} is registered no more`,
      data: { change: 'unregistered', from },
    });
  }
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : ` (${reason})`;
}

function recordFrom(path: GuestPath, fields: Fields): GuestRecord {
  const { status, reason } = fields as { status?: unknown; reason?: unknown };
  return {
    path,
    // A status that somebody wrote by hand and nobody knows is no knowledge.
    status: guestStatuses.find(known => known === status) ?? 'UNKNOWN',
    reason: typeof reason === 'string' ? reason : undefined,
    fields,
  };
}

/**
 * The one guest of that name.
 * @throws AgentError NO_SUCH_GUEST when there is none, BAD_VALUE when there are several: it lists them
 */
export function theGuestNamed(records: GuestRecords, name: string): GuestRecord {
  const [first, ...others] = records.named(name);
  if (!first) throw new AgentError('NO_SUCH_GUEST', `guest ${quote(name)}: no guest of that name is registered`);
  if (others.length > 0) {
    const paths = [first, ...others].map(record => record.path).join(' ');
    throw new AgentError('BAD_VALUE', `guest ${quote(name)}: several guests have that name (${paths}); give the path`);
  }
  return first;
}
