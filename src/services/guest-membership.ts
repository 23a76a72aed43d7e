import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type GuestAct, requireStatus, statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { Caller } from './caller.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';

export interface GuestMembershipParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly consoles: Pick<GuestConsoles, 'forget'>;
  readonly lanes: GuestLanes;
}

/** Which guests the agent knows: they come by registration and go by being forgotten or deleted. */
export class GuestMembership {
  readonly #parts: GuestMembershipParts;

  constructor(parts: GuestMembershipParts) {
    this.#parts = parts;
  }

  /** Makes the record of a guest whose directory and guest file are there. A guest that is registered stays as it is. */
  register(caller: Caller, path: GuestPath): Promise<void> {
    return this.#parts.lanes.run(path, 'register', () => this.registerInLane(caller, path));
  }

  /** The same for an act that has the guest's lane already. */
  async registerInLane(caller: Caller, path: GuestPath): Promise<void> {
    const { driver, files, records } = this.#parts;
    const config = await files.readConfig(path);
    if (records.find(path)) return;
    const domain = await driver.inspect(path);
    await records.setStatus(path, statusFrom('DOWN', domain.state), undefined, {
      memory: config.memoryMib,
      vcpus: config.vcpus,
    });
    caller.log.info({ guest: path }, 'guest registered');
  }

  /** Forgets a guest that does not run; its files stay. */
  unregister(caller: Caller, path: GuestPath): Promise<void> {
    return this.#leave(caller, 'unregister', path, () => Promise.resolve());
  }

  /** Forgets a guest that is DOWN and removes its directory. */
  delete(caller: Caller, path: GuestPath): Promise<void> {
    return this.#leave(caller, 'delete', path, () => this.#parts.files.removeDirectory(path));
  }

  #leave(caller: Caller, act: GuestAct, path: GuestPath, remove: () => Promise<void>): Promise<void> {
    const { consoles, driver, lanes, records } = this.#parts;
    return lanes.run(path, act, async () => {
      const record = records.get(path);
      const { state } = await driver.inspect(path);
      requireStatus(act, path, statusFrom(record.status, state), record.reason);
      if (state !== 'absent') {
        throw new AgentError(
          'WRONG_STATE',
          `${act} ${path}: a domain of it was kept; stop_vm with force removes that first`,
        );
      }
      await remove();
      await records.remove(path);
      const what = `guest ${act === 'delete' ? 'deleted' : 'unregistered'}`;
      // A later guest of that path may be somebody else's.
      consoles.forget(path, what, act === 'delete');
      caller.log.info({ guest: path }, what);
    });
  }
}
