import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import { guestNameOf, type GuestPath, quote } from '../model/guest-path.ts';
import { statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { FieldChanges, Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';

export interface ForeignGuestsParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly store: Store;
  readonly lanes: GuestLanes;
  readonly consoles: Pick<GuestConsoles, 'follow'>;
}

/** A domain that runs on this server and that no record is about. */
export interface ForeignGuest {
  /** By which it is adopted or ignored: its path, or where it has none the hypervisor's number for it. */
  readonly id: string;
  readonly name: string;
  readonly path: GuestPath | undefined;
  readonly adoptable: boolean;
  /** Why it is foreign, or why it cannot be adopted. */
  readonly reason: string;
  readonly ignored: boolean;
}

const IGNORED_DATABASE = 'ignored';

/** Domains that the agent finds running and does not know. They are listed, adopted or ignored, and never acted on unasked. */
export class ForeignGuests {
  readonly #parts: ForeignGuestsParts;

  constructor(parts: ForeignGuestsParts) {
    this.#parts = parts;
  }

  async list(): Promise<readonly ForeignGuest[]> {
    const { driver, records, store } = this.#parts;
    const [domains, strangers] = await Promise.all([driver.list(), driver.foreign()]);
    const ignored = new Set(store.list(IGNORED_DATABASE).map(({ fields, key }) => `${key} ${String(fields['name'])}`));
    const unknown = domains
      .filter(({ path }) => !records.find(path))
      .map(({ path }) => ({
        id: path,
        name: guestNameOf(path),
        path,
        adoptable: true,
        reason: 'an agent started it, and its record is gone',
      }));
    const unmanaged = strangers.map(({ id, name, reason }) => ({
      id: String(id),
      name,
      path: undefined,
      adoptable: false,
      reason,
    }));
    return [...unknown, ...unmanaged].map(guest => ({ ...guest, ignored: ignored.has(`${guest.id} ${guest.name}`) }));
  }

  /**
   * Makes the record of a guest that runs without one. The guest notices nothing of it.
   * @throws AgentError NO_SUCH_GUEST, EXISTS when it is registered, NOT_SUPPORTED when it is none of the agent's
   */
  async adopt(caller: Caller, id: string): Promise<void> {
    const { consoles, driver, files, lanes, records, store } = this.#parts;
    const { path, reason } = await this.#find('adopt', id);
    if (path === undefined) {
      throw new AgentError(
        'NOT_SUPPORTED',
        `adopt ${quote(id)}: ${reason}; stop it where it was started, and start it here`,
      );
    }
    await lanes.run(path, 'adopt', async () => {
      if (records.find(path)) throw new AgentError('EXISTS', `adopt ${path}: it is registered already`);
      const domain = await driver.inspect(path);
      if (domain.state === 'absent') throw new AgentError('NO_SUCH_GUEST', `adopt ${path}: it no longer runs`);
      // Its file may be gone as well: what runs is not less real for it.
      const config = await files.readConfig(path).catch(() => undefined);
      const facts: FieldChanges = config ? { memory: config.memoryMib, vcpus: config.vcpus } : {};
      await records.setStatus(path, statusFrom('UNKNOWN', domain.state), `adopted by ${caller.user}`, {
        ...facts,
        vnc_port: domain.vncPort ?? null,
      });
      await store.delete(IGNORED_DATABASE, id);
      consoles.follow(path);
      caller.log.info({ guest: path }, 'a guest that was found running was adopted');
    });
  }

  /** Marks a foreign domain as one that is to be left alone; it stays in the list, marked. */
  async ignore(caller: Caller, id: string): Promise<void> {
    const { name } = await this.#find('ignore', id);
    await this.#parts.store.merge(IGNORED_DATABASE, id, { name });
    caller.log.info({ foreign: id, name }, 'a foreign guest is ignored');
  }

  async #find(act: string, id: string): Promise<ForeignGuest> {
    const found = (await this.list()).find(guest => guest.id === id);
    if (found) return found;
    throw new AgentError('NO_SUCH_GUEST', `${act} ${quote(id)}: no foreign guest has that id; see list_foreign_vms`);
  }
}
