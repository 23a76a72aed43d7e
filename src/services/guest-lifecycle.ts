import { randomUUID } from 'node:crypto';
import { AgentError } from '../errors.ts';
import type { PathMap } from '../files/repository-places.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { Domain, Driver, StartPlan } from '../drivers/driver.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type GuestStatus, statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { FieldChanges } from '../store/store.ts';
import type { ConfigChanges } from '../vmcfg/changes.ts';
import type { Caller } from './caller.ts';
import type { CoreDumps } from './core-dumps.ts';
import { type GuestActs, isOff, requireWanted } from './guest-acts.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestMembership } from './guest-membership.ts';
import type { GuestRecords } from './guest-records.ts';
import type { StartPlanner } from './start-planner.ts';

export interface GuestLifecycleParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly acts: GuestActs;
  readonly membership: GuestMembership;
  readonly planner: StartPlanner;
  readonly coreDumps: CoreDumps;
  readonly consoles: Pick<GuestConsoles, 'follow'>;
  readonly lanes: GuestLanes;
  readonly paths: PathMap;
  readonly clock: Clock;
  readonly log: Log;
  /** Time that a guest has to power off before its machine is reset. */
  readonly rebootTimeoutMs: number;
  /** By which this server is known. */
  readonly ownAddress: () => string;
}

/** A start that takes longer is shown as one that is under way. */
const SHOW_START_AFTER_MS = 250;

/** Starts guests, and changes those that run. */
export class GuestLifecycle {
  readonly #parts: GuestLifecycleParts;

  constructor(parts: GuestLifecycleParts) {
    this.#parts = parts;
  }

  /**
   * Starts a guest that is DOWN; one that nobody registered is registered first.
   * @param overrides in place of what its guest file says, for this start only
   * @param fetched directory, as given, in which the kernel of this start lies until it runs
   * @returns the address of the server it runs on
   */
  async start(
    caller: Caller,
    path: GuestPath,
    overrides: ConfigChanges = {},
    fetched?: string,
  ): Promise<{ ip: string }> {
    const { acts, membership, planner, records } = this.#parts;
    await acts.perform(
      'start',
      caller,
      path,
      () =>
        planner.withPlan(
          caller,
          path,
          async (plan, digest) => {
            const domain = await this.#startShowing(caller, plan);
            const fields = this.runFields(plan, digest, domain);
            await records.setStatus(path, statusFrom('INITIALIZING', domain.state), undefined, fields);
            return domain;
          },
          overrides,
          fetched,
        ),
      () => membership.registerInLane(caller, path),
    );
    return { ip: this.#parts.ownAddress() };
  }

  /** What is stored of a guest that has begun to run. By its run a state that was saved in an earlier one is told. */
  runFields({ config, path }: StartPlan, digest: string, { vncPort }: Domain): FieldChanges {
    this.#parts.acts.forgetCause(path);
    return {
      memory: config.memoryMib,
      vcpus: config.vcpus,
      server: this.#parts.ownAddress(),
      vnc_port: vncPort ?? null,
      run_id: randomUUID(),
      config_digest: digest,
      running_since: new Date(this.#parts.clock.now()).toISOString(),
    };
  }

  reset(caller: Caller, path: GuestPath): Promise<void> {
    return this.#simpleAct(caller, 'reset', path);
  }

  pause(caller: Caller, path: GuestPath): Promise<void> {
    return this.#simpleAct(caller, 'pause', path);
  }

  unpause(caller: Caller, path: GuestPath): Promise<void> {
    return this.#simpleAct(caller, 'unpause', path);
  }

  /**
   * Makes the system inside crash by a non-maskable interrupt, as operators do with one that hangs, for its dump. What it
   * does then is its own affair, and what becomes of it is on_crash.
   */
  crash(caller: Caller, path: GuestPath): Promise<void> {
    return this.#simpleAct(caller, 'crash', path);
  }

  /** Writes the memory of a guest to a file, and lets it go on. */
  async dump(caller: Caller, path: GuestPath): Promise<{ file: string }> {
    const { acts, coreDumps, driver } = this.#parts;
    let file = '';
    await acts.perform('dump', caller, path, async (_domain, { fields }) => {
      file = await coreDumps.write(path, Number(fields['memory'] ?? 0), caller, acts.waitingOf(caller));
      return driver.inspect(path);
    });
    return { file: this.#parts.paths.asGiven(file) };
  }

  /** Asks the system inside to reboot; when it does not within the time limit of a stop, its machine is reset. */
  reboot(caller: Caller, path: GuestPath): Promise<void> {
    const { acts, driver, rebootTimeoutMs, records } = this.#parts;
    return acts.perform('reboot', caller, path, async () => {
      await records.setStatus(path, 'REBOOTING');
      caller.report?.({ percent: 5, step: 'waits for it to power off' });
      await driver.requestReboot(path, caller);
      const signal = acts.waitingOf(caller);
      const domain = await acts.waitFor(path, isOff, rebootTimeoutMs, signal);
      if (signal.aborted && !isOff(domain)) throw acts.leavingOff('reboot', path, caller);
      if (domain.state === 'absent') return domain;
      caller.log.info({ guest: path, powered_off: isOff(domain) }, 'reboot: the machine is reset');
      await driver.reset(path, caller);
      return driver.inspect(path);
    });
  }

  /**
   * Stores a status by hand, as old controllers do after they have mended something.
   * @throws AgentError WRONG_STATE when the hypervisor knows better
   */
  setStatus(caller: Caller, path: GuestPath, status: GuestStatus): Promise<void> {
    const { driver, records } = this.#parts;
    return this.#parts.lanes.run(path, 'set status of', async () => {
      const record = records.get(path);
      const domain = await driver.inspect(path);
      const truth = statusFrom(status, domain.state);
      if (truth !== status) {
        throw new AgentError(
          'WRONG_STATE',
          `set status of ${path}: its hypervisor says ${truth}; only that${domain.state === 'absent' ? ', SUSPEND or ERROR' : ''} can be set`,
        );
      }
      await records.setStatus(path, status, `set by ${caller.user}`);
      caller.log.info({ guest: path, from: record.status, to: status }, 'status set by hand');
    });
  }

  #simpleAct(caller: Caller, act: 'reset' | 'pause' | 'unpause' | 'crash', path: GuestPath): Promise<void> {
    const { acts, driver } = this.#parts;
    return acts.perform(act, caller, path, async () => {
      await driver[act](path, caller);
      return driver.inspect(path);
    });
  }

  /**
   * Starts a guest, and stores that it is starting where that takes a while. Most start in less time than a record takes
   * to reach the disk twice; what is found again after a crash is the note that the driver writes before it acts.
   */
  async #startShowing(caller: Caller, plan: StartPlan): Promise<Domain> {
    const { clock, consoles, driver, log, records } = this.#parts;
    let shown: Promise<void> | undefined;
    const timer = clock.setTimer(SHOW_START_AFTER_MS, () => {
      shown = records
        .setStatus(plan.path, 'INITIALIZING')
        .catch((error: unknown) =>
          log.error({ guest: plan.path, err: error }, 'the start of a guest could not be stored'),
        );
    });
    // A start cannot be told to stop: what it has started is ended.
    const giveUp = (): void => void driver.destroy(plan.path, caller).catch(() => undefined);
    caller.signal?.addEventListener('abort', giveUp, { once: true });
    try {
      const domain = await driver.start(plan, caller);
      if (caller.signal?.aborted) await driver.destroy(plan.path, caller);
      requireWanted('start', plan.path, caller);
      consoles.follow(plan.path);
      return domain;
    } catch (error) {
      requireWanted('start', plan.path, caller);
      throw error;
    } finally {
      caller.signal?.removeEventListener('abort', giveUp);
      timer.cancel();
      await shown;
    }
  }
}
