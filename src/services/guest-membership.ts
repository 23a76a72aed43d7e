import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { requireStatus, statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestFiles } from './guest-files.ts';
import { requireOneName } from './guest-placing.ts';
import type { GuestRecords } from './guest-records.ts';

export interface GuestMembershipParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly consoles: Pick<GuestConsoles, 'forget'>;
  readonly lanes: GuestLanes;
  readonly operations: Operations;
  /** Whether a state of it lies in its directory, with which it goes on when it is resumed. */
  readonly isSuspended: (path: GuestPath) => Promise<boolean>;
}

interface Deletion {
  readonly path: GuestPath;
  /** Name of its directory while it is being removed. */
  readonly aside: string;
  readonly user: string;
}

/** How a guest has left, by the act. */
const LEFT = { unregister: 'unregistered', delete: 'deleted' } as const;

/** Which guests the agent knows: they come by registration and go by being forgotten or deleted. */
export class GuestMembership {
  readonly #parts: GuestMembershipParts;

  readonly #deletion: Operation<Deletion>;

  constructor(parts: GuestMembershipParts) {
    this.#parts = parts;
    const { files, operations, records } = parts;
    this.#deletion = operations.define<Deletion>({
      name: 'delete',
      finishFrom: 'forget',
      steps: [
        {
          name: 'set aside',
          title: 'puts its directory out of sight',
          weight: 1,
          run: ({ aside, path }) => files.setAside(path, aside),
          undo: ({ aside, path }) => files.putBack(path, aside),
        },
        {
          name: 'forget',
          title: 'forgets it',
          weight: 1,
          run: ({ path, user }) => records.remove(path, { change: 'deleted', user }),
        },
        {
          name: 'remove',
          title: 'removes its files',
          weight: 8,
          run: ({ aside, path }) => files.removeAside(path, aside),
        },
      ],
    });
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
    await requireOneName('register', path, { records, repositoryFiles: this.#parts.repositoryFiles });
    const domain = await driver.inspect(path);
    const stored = (await this.#parts.isSuspended(path)) ? 'SUSPEND' : 'DOWN';
    await records.add(path, statusFrom(stored, domain.state), caller.user, {
      memory: config.memoryMib,
      vcpus: config.vcpus,
    });
    caller.log.info({ guest: path }, 'guest registered');
  }

  /** Forgets a guest that does not run; its files stay. */
  unregister(caller: Caller, path: GuestPath): Promise<void> {
    return this.#leave(caller, 'unregister', path, () =>
      this.#parts.records.remove(path, { change: 'unregistered', user: caller.user }),
    );
  }

  /** Forgets a guest that is DOWN and removes its directory. */
  delete(caller: Caller, path: GuestPath): Promise<void> {
    const { files, operations } = this.#parts;
    return this.#leave(caller, 'delete', path, () =>
      operations.run(this.#deletion, path, { path, aside: files.nameAside(path), user: caller.user }, caller),
    );
  }

  #leave(caller: Caller, act: keyof typeof LEFT, path: GuestPath, leave: () => Promise<void>): Promise<void> {
    const { consoles, driver, lanes, operations, records } = this.#parts;
    return lanes.run(path, act, async () => {
      await operations.settle(path);
      const record = records.get(path);
      const { state } = await driver.inspect(path);
      requireStatus(act, path, statusFrom(record.status, state), record.reason);
      if (state !== 'absent') {
        throw new AgentError(
          'WRONG_STATE',
          `${act} ${path}: a domain of it was kept; stop_vm with force removes that first`,
        );
      }
      await leave();
      const what = `guest ${LEFT[act]}`;
      // A later guest of that path may be somebody else's.
      consoles.forget(path, what, act === 'delete');
      caller.log.info({ guest: path }, what);
    });
  }
}
