import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { GuestConfig } from '../model/guest-config.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';
import { type ShutdownAction, shutdownActions } from '../model/guest-state.ts';
import type { FieldChanges } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { GuestDisks } from './guest-disks.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestLifecycle } from './guest-lifecycle.ts';
import type { GuestRecord, GuestRecords } from './guest-records.ts';
import type { GuestStops } from './guest-stops.ts';
import { type GuestSuspension, RESUMES_AT_BOOT } from './guest-suspension.ts';

/** How a guest goes with its server. */
export interface BootPolicy {
  /** Whether it starts when the server does. */
  readonly start: boolean;
  /** Lower ones start first and stop last. */
  readonly order: number;
  /** Seconds to wait after its start before the next one. */
  readonly delaySeconds: number;
  readonly atShutdown: ShutdownAction;
}

export interface HostPowerParts {
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly disks: GuestDisks;
  readonly lifecycle: GuestLifecycle;
  readonly suspension: GuestSuspension;
  readonly stops: GuestStops;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: {
    readonly shutdownAction: ShutdownAction;
    /** For all guests together, before those that are left are destroyed. */
    readonly shutdownTimeMs: number;
    /** For the storage of a guest to be there. */
    readonly storageWaitMs: number;
    readonly startDelaySeconds: number;
  };
}

/** What became of the guests, by name. */
export interface PowerResult {
  readonly done: readonly string[];
  readonly failed: readonly string[];
}

/** Guests that are put aside or stopped at the same time. */
const AT_ONCE = 4;
const LOOK_MS = 1_000;

/** Starts and stops guests together with their server. */
export class HostPower {
  readonly #parts: HostPowerParts;

  constructor(parts: HostPowerParts) {
    this.#parts = parts;
  }

  /** How a guest goes with its server: what was set for it, else what its guest file says, else the settings. */
  async policyOf(path: GuestPath): Promise<BootPolicy> {
    const { files, records, settings } = this.#parts;
    const { fields } = records.get(path);
    // A guest whose storage is not there has no file to ask.
    const config = await files.readConfig(path).catch(() => undefined);
    const { boot_delay: delay, boot_order: order, boot_start: start, shutdown_action: action } = fields;
    return {
      start: typeof start === 'boolean' ? start : (config?.hostBoot ?? false),
      order: typeof order === 'number' ? order : 100,
      delaySeconds: typeof delay === 'number' ? delay : settings.startDelaySeconds,
      atShutdown: shutdownActions.find(known => known === action) ?? shutdownOf(config) ?? settings.shutdownAction,
    };
  }

  /** Changes what is given; the rest stays. */
  async setPolicy(caller: Caller, path: GuestPath, changes: Partial<BootPolicy>): Promise<void> {
    const { records } = this.#parts;
    records.get(path);
    const { atShutdown, delaySeconds, order, start } = changes;
    const fields: Record<string, FieldChanges[string]> = {};
    if (start !== undefined) fields['boot_start'] = start;
    if (order !== undefined) fields['boot_order'] = order;
    if (delaySeconds !== undefined) fields['boot_delay'] = delaySeconds;
    if (atShutdown !== undefined) fields['shutdown_action'] = atShutdown;
    await records.setFields(path, fields);
    caller.log.info({ guest: path, ...changes }, 'how a guest goes with its server was set');
  }

  /** Starts the guests that start with their server, in order, and those go on that were suspended with it. */
  async startAll(caller: Caller): Promise<PowerResult> {
    const { clock, lifecycle, records, suspension } = this.#parts;
    const guests = await this.#inOrder(({ status }) => status === 'DOWN' || status === 'SUSPEND');
    const wanted = guests.filter(({ policy, record }) =>
      record.status === 'SUSPEND' ? record.fields[RESUMES_AT_BOOT] === true : policy.start,
    );
    const result = { done: [] as string[], failed: [] as string[] };
    const deadline = clock.monotonic() + this.#parts.settings.storageWaitMs;
    for (const [index, { policy, record }] of wanted.entries()) {
      const { path, status } = record;
      const name = guestNameOf(path);
      caller.report?.({ percent: (100 * index) / wanted.length, step: `starts ${name}` });
      requireWanted(caller);
      try {
        await this.#untilStorage(caller, path, deadline);
        if (status === 'SUSPEND') await suspension.resume(caller, path);
        else await lifecycle.start(caller, path);
        await records.setFields(path, { [RESUMES_AT_BOOT]: null });
        result.done.push(name);
        if (index < wanted.length - 1 && policy.delaySeconds > 0) {
          await clock.sleep(policy.delaySeconds * 1000, caller.signal).catch(() => undefined);
        }
      } catch (error) {
        caller.log.error({ guest: path, reason: messageOf(error) }, 'a guest could not be started with its server');
        result.failed.push(name);
      }
    }
    return result;
  }

  /** Puts every guest aside or stops it, each by its setting, the last started first; what is left in the end is destroyed. */
  async stopAll(caller: Caller): Promise<PowerResult> {
    const guests = await this.#inOrder(({ status }) => status !== 'DOWN' && status !== 'SUSPEND' && status !== 'ERROR');
    const waiting = guests.reverse();
    const result = { done: [] as string[], failed: [] as string[] };
    const total = waiting.length;
    const hurry = new AbortController();
    const late = this.#parts.clock.setTimer(this.#parts.settings.shutdownTimeMs, () => hurry.abort());
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const { policy, record } = next;
        const name = guestNameOf(record.path);
        const ended = result.done.length + result.failed.length;
        caller.report?.({ percent: (100 * ended) / total, step: `${policy.atShutdown}: ${name}` });
        const isDown = await this.#stopOne(caller, record.path, policy.atShutdown, hurry.signal);
        (isDown ? result.done : result.failed).push(name);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    } finally {
      late.cancel();
    }
    return result;
  }

  /** From the way that was asked for down to the one that always works; what is late takes that at once. */
  async #stopOne(caller: Caller, path: GuestPath, action: ShutdownAction, hurry: AbortSignal): Promise<boolean> {
    const { suspension, stops } = this.#parts;
    const signal = caller.signal ? AbortSignal.any([caller.signal, hurry]) : hurry;
    // The progress of one is not that of all.
    const unhurried: Caller = { user: caller.user, log: caller.log, job: caller.job };
    const patient: Caller = { ...unhurried, signal };
    const save = async (): Promise<void> => {
      await suspension.suspend(patient, path);
      await this.#parts.records.setFields(path, { [RESUMES_AT_BOOT]: true });
    };
    const stop = (): Promise<unknown> => stops.stop(patient, path, false);
    const destroy = (): Promise<unknown> => stops.stop(unhurried, path, true);
    if (action === 'migrate') {
      caller.log.warn({ guest: path }, 'migration at shutdown needs a server pool; the guest is saved instead');
    }
    const ways = {
      save: [save, stop, destroy],
      migrate: [save, stop, destroy],
      stop: [stop, destroy],
      destroy: [destroy],
    };
    for (const way of ways[action]) {
      if (hurry.aborted && way !== destroy) continue;
      if (caller.signal?.aborted) return false;
      try {
        await way();
        return true;
      } catch (error) {
        caller.log.warn(
          { guest: path, action, reason: messageOf(error) },
          'a guest did not go with its server as it should',
        );
      }
    }
    return false;
  }

  async #inOrder(
    isWanted: (record: GuestRecord) => boolean,
  ): Promise<{ readonly record: GuestRecord; readonly policy: BootPolicy }[]> {
    const records = this.#parts.records.list().filter(isWanted);
    const guests = await Promise.all(
      records.map(async record => ({ record, policy: await this.policyOf(record.path) })),
    );
    return guests.sort(
      (left, right) => left.policy.order - right.policy.order || (left.record.path < right.record.path ? -1 : 1),
    );
  }

  /** Network storage may come later than the agent. */
  async #untilStorage(caller: Caller, path: GuestPath, deadline: number): Promise<void> {
    const { clock, disks, files } = this.#parts;
    for (let isFirst = true; ; isFirst = false) {
      try {
        const config = await files.readConfig(path);
        await Promise.all(config.disks.map(disk => disks.resolve('start', path, disk)));
        return;
      } catch (error) {
        if (clock.monotonic() >= deadline || !isAbsence(error)) throw error;
        if (isFirst) caller.log.info({ guest: path, reason: messageOf(error) }, 'the storage of a guest is waited for');
        requireWanted(caller);
        await clock.sleep(LOOK_MS, caller.signal).catch(() => undefined);
      }
    }
  }
}

function shutdownOf(config: GuestConfig | undefined): ShutdownAction | undefined {
  switch (config?.hostShutdown) {
    case 'suspend':
      return 'save';
    case 'shutdown':
      return 'stop';
    default:
      return undefined;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof AgentError && (error.code === 'NO_SUCH_GUEST' || error.code === 'NO_SUCH_FILE');
}

function requireWanted({ signal }: Caller): void {
  if (!signal?.aborted) return;
  throw signal.reason instanceof AgentError
    ? signal.reason
    : new AgentError('CANCELLED', 'guests of this server: it was given up');
}
