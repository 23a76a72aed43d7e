import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { Domain, DomainEvent, Driver, StartPlan } from '../drivers/driver.ts';
import { endOf } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type GuestAct, type GuestStatus, requireStatus, statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { Caller } from './caller.ts';
import type { CoreDumps } from './core-dumps.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestMembership } from './guest-membership.ts';
import type { GuestRecord, GuestRecords } from './guest-records.ts';
import type { StartPlanner } from './start-planner.ts';

export interface GuestLifecycleParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly membership: GuestMembership;
  readonly planner: StartPlanner;
  readonly coreDumps: CoreDumps;
  readonly consoles: Pick<GuestConsoles, 'follow'>;
  readonly lanes: GuestLanes;
  readonly clock: Clock;
  readonly log: Log;
  /** Time that a guest has to power off after it was asked to. */
  readonly stopTimeoutMs: number;
  /** By which this server is known. */
  readonly ownAddress: () => string;
}

/** A start that takes longer is shown as one that is under way. */
const SHOW_START_AFTER_MS = 250;

/** A stop that waits for the system inside to power off. */
interface PatientStop {
  readonly hurry: AbortController;
  readonly done: Promise<void>;
}

/**
 * Starts, stops and changes guests. Before an act the hypervisor is asked what is true and the one table of states says
 * whether the act is allowed; after it, done or failed, what is true is asked again and stored.
 */
export class GuestLifecycle {
  readonly #parts: GuestLifecycleParts;
  readonly #patientStops = new Map<GuestPath, PatientStop>();
  readonly #watchers = new Set<(event: DomainEvent) => void>();
  readonly #toReconcile = new Set<GuestPath>();
  /** Why guests ended, until that is stored. */
  readonly #endReasons = new Map<GuestPath, string>();
  readonly #closing = new AbortController();

  constructor(parts: GuestLifecycleParts) {
    this.#parts = parts;
    parts.driver.onEvent(event => this.#heard(event));
  }

  /**
   * Starts a guest that is DOWN; one that nobody registered is registered first.
   * @returns the address of the server it runs on
   */
  async start(caller: Caller, path: GuestPath): Promise<{ ip: string }> {
    const { membership, planner, records } = this.#parts;
    await this.#act(
      'start',
      path,
      () =>
        planner.withPlan(caller, path, async plan => {
          const domain = await this.#startShowing(caller, plan);
          await records.setStatus(path, statusFrom('INITIALIZING', domain.state), undefined, {
            memory: plan.config.memoryMib,
            vcpus: plan.config.vcpus,
            server: this.#parts.ownAddress(),
            vnc_port: domain.vncPort ?? null,
          });
          return domain;
        }),
      () => membership.registerInLane(caller, path),
    );
    return { ip: this.#parts.ownAddress() };
  }

  /**
   * Asks the system inside to power off and waits; when it does not within the time limit, or with `force`, the guest is
   * destroyed. A forced stop also hurries a stop of the same guest that waits.
   */
  stop(caller: Caller, path: GuestPath, force: boolean): Promise<void> {
    if (!force) return this.#stopPatiently(caller, path);
    const waiting = this.#patientStops.get(path);
    if (!waiting) return this.#act('destroy', path, () => this.#destroy(caller, path, 'force was asked for'));
    waiting.hurry.abort();
    return waiting.done;
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

  /** Asks the system inside to reboot; when it does not within the time limit of a stop, its machine is reset. */
  reboot(caller: Caller, path: GuestPath): Promise<void> {
    const { driver, records, stopTimeoutMs } = this.#parts;
    return this.#act('reboot', path, async () => {
      await records.setStatus(path, 'REBOOTING');
      await driver.requestReboot(path, caller);
      const domain = await this.#waitFor(path, isOff, stopTimeoutMs, this.#closing.signal);
      if (this.#closing.signal.aborted && !isOff(domain)) throw this.#leavingOff('reboot', path);
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

  /** Finds the guests that an earlier agent left running and brings every record in line with the truth. */
  async adopt(): Promise<void> {
    const { consoles, driver, log, records } = this.#parts;
    const found = await driver.adopt({ log });
    for (const domain of found) consoles.follow(domain.path);
    const paths = new Set([...records.list().map(record => record.path), ...found.map(domain => domain.path)]);
    const look = (path: GuestPath, appliesPolicy: boolean): Promise<void> =>
      this.#reconcile(path, appliesPolicy).catch((error: unknown) =>
        log.error({ guest: path, err: error }, 'the record of a guest could not be brought up to date'),
      );
    await Promise.all([...paths].map(path => look(path, false)));
    // What their systems' ends ask for may take long, and no guest keeps the agent from answering for the others.
    for (const path of paths) void look(path, true);
  }

  /** Ends the waiting of acts, so that the agent can stop: guests that were asked to power off go on doing so. */
  interrupt(): void {
    this.#closing.abort();
  }

  #simpleAct(caller: Caller, act: 'reset' | 'pause' | 'unpause', path: GuestPath): Promise<void> {
    return this.#act(act, path, async () => {
      await this.#parts.driver[act](path, caller);
      return this.#parts.driver.inspect(path);
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
    try {
      const domain = await driver.start(plan, caller);
      consoles.follow(plan.path);
      return domain;
    } finally {
      timer.cancel();
      await shown;
    }
  }

  #stopPatiently(caller: Caller, path: GuestPath): Promise<void> {
    const hurry = new AbortController();
    const done = this.#act('stop', path, async domain => {
      this.#patientStops.set(path, { hurry, done });
      const { driver, records, stopTimeoutMs } = this.#parts;
      await records.setStatus(path, 'SHUTTING_DOWN');
      // A paused system cannot answer its power button.
      if (domain.state === 'paused') await driver.unpause(path, caller);
      if (domain.state !== 'halted') await driver.requestShutdown(path, 'acpi', caller);
      const either = AbortSignal.any([hurry.signal, this.#closing.signal]);
      const now = await this.#waitFor(path, isOff, stopTimeoutMs, either);
      if (now.state === 'absent') {
        caller.log.info({ guest: path }, 'stop: the system powered off');
        return now;
      }
      if (now.state === 'halted') return this.#destroy(caller, path, 'the system powered off');
      if (this.#closing.signal.aborted) throw this.#leavingOff('stop', path);
      const why = hurry.signal.aborted
        ? 'force was asked for'
        : `it did not power off within ${stopTimeoutMs / 1000} s`;
      return this.#destroy(caller, path, why);
    }).finally(() => this.#patientStops.delete(path));
    return done;
  }

  async #destroy(caller: Caller, path: GuestPath, why: string): Promise<Domain> {
    await this.#parts.driver.destroy(path, caller);
    caller.log.info({ guest: path, why }, 'stop: the guest was destroyed');
    return this.#parts.driver.inspect(path);
  }

  #leavingOff(act: string, path: GuestPath): AgentError {
    return new AgentError('STOPPING', `${act} ${path}: the agent is stopping; the guest was asked and may still do it`);
  }

  /**
   * The frame of every act: in the guest's lane; the truth asked, checked, and stored afterwards.
   * @param unregistered what to do for a guest without a record
   */
  #act(
    act: GuestAct,
    path: GuestPath,
    work: (domain: Domain) => Promise<Domain>,
    unregistered?: () => Promise<void>,
  ): Promise<void> {
    const { driver, lanes, records } = this.#parts;
    return lanes.run(path, act, async () => {
      if (unregistered && !records.find(path)) await unregistered();
      const before = records.get(path);
      const domain = await driver.inspect(path);
      const status = statusFrom(before.status, domain.state);
      if (status !== before.status) await this.#storeTruth(before, domain, undefined);
      requireStatus(act, path, status, before.reason);
      try {
        const after = await work(domain);
        await this.#storeTruth(records.get(path), after, undefined);
      } catch (error) {
        const after = await driver.inspect(path);
        await this.#storeTruth(records.get(path), after, `${act} failed: ${messageOf(error)}`);
        throw error;
      }
    });
  }

  async #storeTruth(record: GuestRecord, domain: Domain, reason: string | undefined): Promise<void> {
    this.#endReasons.delete(record.path);
    const status = statusFrom(record.status, domain.state);
    const vncPort = domain.vncPort ?? null;
    const isSame = status === record.status && (reason ?? record.reason) === record.reason;
    if (isSame && vncPort === (record.fields['vnc_port'] ?? null)) return;
    await this.#parts.records.setStatus(record.path, status, reason, { vnc_port: vncPort });
  }

  /** Events only say that something changed; what is done about it is done in the guest's lane, at the agent's own pace. */
  #heard(event: DomainEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
    const { log, records } = this.#parts;
    if (event.kind === 'ended') {
      log.info({ guest: event.path, reason: event.reason }, 'a guest ended');
      this.#endReasons.set(event.path, event.reason);
    }
    if (this.#toReconcile.has(event.path) || !records.find(event.path)) return;
    this.#toReconcile.add(event.path);
    this.#reconcile(event.path).catch((error: unknown) =>
      log.error({ guest: event.path, err: error }, 'the record of a guest could not be brought up to date'),
    );
  }

  #reconcile(path: GuestPath, appliesPolicy = true): Promise<void> {
    const { driver, lanes, log, records } = this.#parts;
    return lanes.follow(path, 'look at', async () => {
      this.#toReconcile.delete(path);
      const record = records.find(path);
      const found = await driver.inspect(path);
      // What was stored says what its end was to be: it stays until that is done.
      if (!appliesPolicy && hasEndedInside(found)) return;
      const domain = appliesPolicy ? await this.#applyEndPolicy(found, record?.status) : found;
      if (!record && domain.state === 'absent') return;
      if (!record) await records.setStatus(path, 'UNKNOWN', 'found running');
      const now = records.get(path);
      const status = statusFrom(now.status, domain.state);
      if (status === now.status) return;
      const reason = this.#endReasons.get(path) ?? keptReason(domain);
      await this.#storeTruth(now, domain, reason);
      log.info({ guest: path, from: now.status, to: status, reason }, 'the status of a guest changed');
    });
  }

  /** Does what the guest's on_poweroff and on_crash say, whether its system ended just now or while no agent ran. */
  async #applyEndPolicy(domain: Domain, stored: GuestStatus | undefined): Promise<Domain> {
    const { coreDumps, driver, log, records } = this.#parts;
    if (!hasEndedInside(domain) || !domain.ends) return domain;
    const wasRebooting = stored === 'REBOOTING' && domain.state === 'halted';
    const action = wasRebooting
      ? 'restart'
      : endOf(domain.ends, domain.state === 'halted' ? (domain.endedBy ?? 'poweroff') : 'crash').action;
    if (action === 'preserve') return domain;
    log.info({ guest: domain.path, state: domain.state, action }, 'the system of a guest ended');
    if (domain.state === 'crashed' && (domain.ends.dumpsCore || coreDumps.always)) {
      const memoryMib = Number(records.find(domain.path)?.fields['memory'] ?? 0);
      await coreDumps.dump(domain.path, memoryMib, { log }, this.#closing.signal);
    }
    if (action === 'restart') await driver.reset(domain.path, { log });
    else await driver.destroy(domain.path, { log });
    return driver.inspect(domain.path);
  }

  /** Waits until the hypervisor says so, looking again at each event; gives the last answer when the time is over. */
  async #waitFor(
    path: GuestPath,
    isReached: (domain: Domain) => boolean,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Domain> {
    const { clock, driver } = this.#parts;
    const deadline = clock.monotonic() + timeoutMs;
    for (;;) {
      const wake = new AbortController();
      const watcher = (event: DomainEvent): void => {
        if (event.path === path) wake.abort();
      };
      this.#watchers.add(watcher);
      try {
        const domain = await driver.inspect(path);
        const leftMs = deadline - clock.monotonic();
        if (isReached(domain) || leftMs <= 0 || signal.aborted) return domain;
        await clock.sleep(leftMs, AbortSignal.any([wake.signal, signal])).catch(() => undefined);
      } finally {
        this.#watchers.delete(watcher);
      }
    }
  }
}

function hasEndedInside({ state }: Domain): boolean {
  return state === 'halted' || state === 'crashed';
}

function isOff(domain: Domain): boolean {
  return domain.state === 'absent' || domain.state === 'halted';
}

function keptReason(domain: Domain): string | undefined {
  if (domain.state === 'crashed') return 'its system crashed and was kept (on_crash = preserve)';
  return domain.state === 'halted' ? 'its system powered off and was kept (on_poweroff = preserve)' : undefined;
}
