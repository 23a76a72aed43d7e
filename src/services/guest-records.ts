import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { guestNameOf, type GuestPath, parseGuestPath, quote } from '../model/guest-path.ts';
import { type GuestStatus, guestStatuses } from '../model/guest-state.ts';
import type { FieldChanges, Fields, Store } from '../store/store.ts';

export const GUEST_DATABASE = 'vm';

/** What the agent has stored of a guest. */
export interface GuestRecord {
  readonly path: GuestPath;
  readonly status: GuestStatus;
  /** Why it has that status, where there is more to say than the status itself. */
  readonly reason: string | undefined;
  readonly fields: Fields;
}

/** The records of guests, in the database `vm` under their paths. */
export class GuestRecords {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
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
  setStatus(path: GuestPath, status: GuestStatus, reason?: string, more: FieldChanges = {}): Promise<void> {
    return this.#store.merge(GUEST_DATABASE, path, {
      path,
      name: guestNameOf(path),
      ...more,
      status,
      reason: reason ?? null,
      changed_at: new Date(this.#clock.now()).toISOString(),
    });
  }

  /** Stores what is known of a guest beside its status. */
  setFields(path: GuestPath, fields: FieldChanges): Promise<void> {
    return this.#store.merge(GUEST_DATABASE, path, fields);
  }

  remove(path: GuestPath): Promise<void> {
    return this.#store.delete(GUEST_DATABASE, path);
  }
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
