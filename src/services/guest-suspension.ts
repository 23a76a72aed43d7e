import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import type { PathMap } from '../files/repository-places.ts';
import type { Clock } from '../host/clock.ts';
import type { Driver } from '../drivers/driver.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';
import { statusFrom } from '../model/guest-state.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import type { GuestActs } from './guest-acts.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestLifecycle } from './guest-lifecycle.ts';
import type { GuestRecord, GuestRecords } from './guest-records.ts';
import type { StartPlanner } from './start-planner.ts';
import { stampDisks, type StateFiles } from './state-files.ts';
import { type DiskStamp, type StateHeader, whyNotRestorable } from './state-header.ts';

export interface GuestSuspensionParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly acts: GuestActs;
  readonly operations: Operations;
  readonly lifecycle: Pick<GuestLifecycle, 'runFields'>;
  readonly planner: StartPlanner;
  readonly files: GuestFiles;
  readonly stateFiles: StateFiles;
  readonly paths: PathMap;
  readonly consoles: Pick<GuestConsoles, 'follow'>;
  readonly clock: Clock;
  /** What is written into each state. */
  readonly maker: Pick<StateHeader, 'agentVersion' | 'hypervisor' | 'hypervisorVersion'>;
  /** Directories beside the repositories in which states may lie, as given. */
  readonly directories: readonly string[];
}

/** Field of a record: the guest was suspended with its server, and goes on with it. */
export const RESUMES_AT_BOOT = 'resume_at_boot';

/** Name of the state of a suspended guest, in its directory. */
const STATE_FILE = 'suspended.state';

const LABEL = 'state file';

/** Memory is not all of a state: devices have theirs, those with a screen most of it. */
const DEVICES_MIB = 64;

/** All that the steps of a save know. */
interface Saving {
  readonly path: GuestPath;
  /** As it lies on this server's disk. */
  readonly file: string;
  readonly isSuspension: boolean;
  readonly wasPaused: boolean;
  readonly user: string;
  /** Stands in the file, by which it is known to be this operation's. */
  readonly savedAt: string;
}

/** All that the steps of a restore know. */
interface Restoring {
  readonly path: GuestPath;
  readonly file: string;
  readonly isResumption: boolean;
  readonly wasPaused: boolean;
}

/** Puts guests aside as files, and brings them back to where they were. */
export class GuestSuspension {
  readonly #parts: GuestSuspensionParts;
  readonly #saving: Operation<Saving>;
  readonly #restoring: Operation<Restoring>;
  /** Callers of the operations that run now: what a step logs and asks for is theirs. */
  readonly #callers = new Map<GuestPath, Caller>();

  constructor(parts: GuestSuspensionParts) {
    this.#parts = parts;
    this.#saving = parts.operations.define(this.#savingSteps());
    this.#restoring = parts.operations.define(this.#restoringSteps());
  }

  /** Whether a state of the guest lies in its directory. */
  async isSuspended(path: GuestPath): Promise<boolean> {
    try {
      const header = await this.#parts.stateFiles.readHeader(await this.#ownFile('look at', path));
      return header.path === path;
    } catch {
      return false;
    }
  }

  /** Puts a guest aside in its own directory: it needs no memory until it is resumed. */
  async suspend(caller: Caller, path: GuestPath): Promise<void> {
    await this.#put(caller, 'suspend', path, await this.#ownFile('suspend', path));
  }

  /** Brings a suspended guest back to where it was. */
  async resume(caller: Caller, path: GuestPath): Promise<void> {
    await this.#bring(caller, 'resume', path, await this.#ownFile('resume', path));
  }

  /**
   * Writes the state of a guest to a file and ends it.
   * @param given the file, in a repository or a directory of `state_directories`
   */
  async save(caller: Caller, path: GuestPath, given: string): Promise<void> {
    const { directories, files, paths } = this.#parts;
    for (const directory of directories) {
      if (isBelow(given, directory)) await mkdir(paths.onDisk(directory), { recursive: true, mode: 0o700 });
    }
    await this.#put(caller, 'save', path, await files.findPlace('save', path, LABEL, given, directories));
  }

  /** Starts a guest from a file. The file stays: it can be restored again until the guest has run. */
  async restore(caller: Caller, path: GuestPath, given: string): Promise<void> {
    await this.#bring(caller, 'restore', path, await this.#find('restore', path, given));
  }

  /** What a state file says of itself. */
  async describe(given: string): Promise<StateHeader> {
    return this.#parts.stateFiles.readHeader(await this.#find('look at', given, given));
  }

  #find(act: string, path: string, given: string): Promise<string> {
    return this.#parts.files.findFile(act, path, LABEL, given, this.#parts.directories);
  }

  /** Throws away the state of a suspended guest. */
  async discard(path: GuestPath): Promise<void> {
    await rm(await this.#ownFile('discard', path), { force: true });
  }

  /** A repository that does not answer is found here, before anything of it is opened. */
  #ownFile(act: string, path: GuestPath): Promise<string> {
    return this.#parts.files.findPlace(act, path, LABEL, join(path, STATE_FILE));
  }

  #put(caller: Caller, act: 'suspend' | 'save', path: GuestPath, file: string): Promise<void> {
    const { acts, clock, driver, operations, stateFiles } = this.#parts;
    return acts.perform(act, caller, path, async (domain, record) => {
      await this.#requireSameConfiguration(act, path, record);
      // Of a guest that is not suspended nobody misses what an earlier suspension has left.
      if (act === 'suspend') await rm(file, { force: true });
      else await stateFiles.requireAbsent(act, path, file);
      const wasPaused = domain.state === 'paused';
      const savedAt = new Date(clock.now()).toISOString();
      const state = { path, file, isSuspension: act === 'suspend', wasPaused, user: caller.user, savedAt };
      await this.#asCaller(caller, path, () => operations.run(this.#saving, path, state, caller));
      return driver.inspect(path);
    });
  }

  #bring(caller: Caller, act: 'resume' | 'restore', path: GuestPath, file: string): Promise<void> {
    const { acts, driver, operations } = this.#parts;
    return acts.perform(act, caller, path, async (_domain, record) => {
      const header = await this.#parts.stateFiles.readHeader(file);
      await this.#requireRestorable(act, path, file, header, record);
      const state = { path, file, isResumption: act === 'resume', wasPaused: header.wasPaused };
      await this.#asCaller(caller, path, () => operations.run(this.#restoring, path, state, caller));
      return driver.inspect(path);
    });
  }

  async #asCaller(caller: Caller, path: GuestPath, work: () => Promise<void>): Promise<void> {
    this.#callers.set(path, caller);
    try {
      await work();
    } finally {
      this.#callers.delete(path);
    }
  }

  /** A guest whose file was changed while it ran could not be brought back with it. */
  async #requireSameConfiguration(act: string, path: GuestPath, { fields }: GuestRecord): Promise<void> {
    const { digest } = await this.#parts.files.readMeaning(path);
    if (fields['config_digest'] === undefined || fields['config_digest'] === digest) return;
    throw new AgentError(
      'BAD_CONFIG',
      `${act} ${path}: its vm.cfg was changed for its next start, and its state would not fit it; stop it, or put the file back as it was`,
    );
  }

  /** @throws AgentError BAD_VALUE; the file stays as it is */
  async #requireRestorable(
    act: string,
    path: GuestPath,
    file: string,
    header: StateHeader,
    { fields }: GuestRecord,
  ): Promise<void> {
    const { files, maker, paths } = this.#parts;
    const { config, digest } = await files.readMeaning(path);
    const { run_id: runId } = fields;
    const reason = whyNotRestorable(header, {
      path,
      uuid: config.uuid,
      configDigest: digest,
      runId: typeof runId === 'string' ? runId : undefined,
      hypervisor: maker.hypervisor,
      hypervisorVersion: maker.hypervisorVersion,
      disks: await this.#stamps(path),
    });
    if (reason === undefined) return;
    throw new AgentError('BAD_VALUE', `${act} ${path}: ${paths.asGiven(file)}: ${reason}`);
  }

  async #stamps(path: GuestPath): Promise<readonly DiskStamp[]> {
    const { disks } = await this.#parts.files.readConfig(path);
    return stampDisks(
      disks.map(disk => ({ target: disk.target, source: disk.source && this.#parts.paths.onDisk(disk.source) })),
    );
  }

  #savingSteps(): Operation<Saving> {
    const { driver, records, stateFiles } = this.#parts;
    return {
      name: 'save',
      finishFrom: 'end',
      steps: [
        {
          name: 'mark',
          title: 'prepares',
          weight: 1,
          run: ({ path }) => records.setStatus(path, 'SAVING'),
        },
        {
          name: 'write',
          title: 'writes its memory',
          weight: 97,
          run: (state, context) => this.#write(state, context),
          undo: async ({ file, path, savedAt, wasPaused }, context) => {
            stateFiles.removeUnfinished(file);
            if ((await stateFiles.readHeader(file).catch(() => undefined))?.savedAt === savedAt) await rm(file);
            const { state } = await driver.inspect(path);
            if (state === 'paused' && !wasPaused) await driver.unpause(path, context);
          },
        },
        {
          name: 'end',
          title: 'ends it',
          weight: 1,
          run: ({ path }, context) => driver.destroy(path, context),
        },
        {
          name: 'record',
          title: 'writes down where it is',
          weight: 1,
          run: ({ file, isSuspension, path, user }) => {
            const given = this.#parts.paths.asGiven(file);
            const { acts } = this.#parts;
            acts.noteCause(path, {
              how: isSuspension ? 'suspended' : 'saved',
              by: user,
              ...(isSuspension ? {} : { reason: `saved to ${given}` }),
            });
            return records.setStatus(
              path,
              isSuspension ? 'SUSPEND' : 'DOWN',
              isSuspension ? undefined : `saved to ${given}`,
              {
                vnc_port: null,
                ...acts.endFields(path),
              },
            );
          },
        },
      ],
    };
  }

  async #write({ file, path, savedAt, wasPaused }: Saving, { log, report, signal }: StepContext): Promise<void> {
    const { driver, files, maker, records, stateFiles } = this.#parts;
    const { config, digest } = await files.readMeaning(path);
    const { fields } = records.get(path);
    const memoryMib = Math.max(config.memoryMib, Number(fields['memory'] ?? 0));
    const header = {
      ...maker,
      path,
      name: guestNameOf(path),
      uuid: config.uuid,
      configDigest: digest,
      runId: String(fields['run_id'] ?? ''),
      savedAt,
      memoryMib,
      wasPaused,
      disks: () => this.#stamps(path),
    };
    await stateFiles.write(
      file,
      header,
      sink =>
        driver.saveState(
          path,
          sink,
          { log },
          { signal, onProgress: (done, total) => report(done / Math.max(1, total), done) },
        ),
      { signal, estimateBytes: (memoryMib + DEVICES_MIB) * 2 ** 20 },
    );
  }

  #restoringSteps(): Operation<Restoring> {
    const { driver, files, lifecycle, records, stateFiles } = this.#parts;
    return {
      name: 'restore',
      finishFrom: 'run',
      steps: [
        {
          name: 'verify',
          title: 'checks the file',
          weight: 40,
          run: ({ file }, { report, signal }) =>
            stateFiles.verify(file, { signal, onProgress: (done, total) => report(done / Math.max(1, total), done) }),
        },
        {
          name: 'load',
          title: 'reads its memory',
          weight: 58,
          run: (state, context) => this.#load(state, context),
          // It has not run yet: nothing is lost with it.
          undo: async ({ isResumption, path }, context) => {
            await driver.destroy(path, context);
            await records.setStatus(path, isResumption ? 'SUSPEND' : 'DOWN');
          },
        },
        {
          name: 'run',
          title: 'lets it run',
          weight: 1,
          run: async ({ path, wasPaused }, context) => {
            const { state } = await driver.inspect(path);
            if (state === 'paused' && !wasPaused) await driver.unpause(path, context);
          },
        },
        {
          name: 'record',
          title: 'clears up',
          weight: 1,
          run: async ({ file, isResumption, path }) => {
            const domain = await driver.inspect(path);
            if (domain.state === 'absent') {
              if (isResumption) await this.#afterLoss(path, file);
              return;
            }
            const { config, digest } = await files.readMeaning(path);
            const fields = lifecycle.runFields({ path, config }, digest, domain);
            await records.setStatus(path, statusFrom('INITIALIZING', domain.state), undefined, fields);
            if (isResumption) await rm(file, { force: true });
          },
        },
      ],
    };
  }

  /**
   * Its domain is gone, with the server perhaps, and nobody knows whether it ran. While its record does not say that it did,
   * its state is the best there is: whether its disks are as they were is looked at when it is resumed.
   */
  async #afterLoss(path: GuestPath, file: string): Promise<void> {
    const { records, stateFiles } = this.#parts;
    const header = await stateFiles.readHeader(file).catch(() => undefined);
    if (header?.runId === records.get(path).fields['run_id']) {
      await records.setStatus(path, 'SUSPEND', 'it was lost while it was resumed');
    } else {
      await rm(file, { force: true });
    }
  }

  async #load({ file, path }: Restoring, context: StepContext): Promise<void> {
    const { consoles, driver, planner, records, stateFiles } = this.#parts;
    const caller = this.#callers.get(path);
    if (!caller) throw new Error(`nobody restores ${path}`);
    await records.setStatus(path, 'INITIALIZING');
    await planner.withPlan(caller, path, async plan => {
      const { payload } = await stateFiles.open(file);
      try {
        await driver.restoreState(plan, payload, context, context.signal);
      } finally {
        // A driver that refuses has not read it.
        payload.destroy();
      }
      consoles.follow(path);
    });
  }
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}
