import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Domain, DomainEvent, Driver } from '../drivers/driver.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type GuestAct, requireStatus, statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { Operations } from '../operations/operations.ts';
import type { FieldChanges } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { GuestRecord, GuestRecords } from './guest-records.ts';

export interface GuestActsParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly lanes: GuestLanes;
  readonly operations: Operations;
  readonly clock: Clock;
}

/** By what a guest came to its end. */
export const stopKinds = [
  'guest agent',
  'power button',
  'destroyed',
  'inside',
  'crash',
  'suspended',
  'saved',
  'restart limit',
  'disk error',
  'unknown',
] as const;
export type StopKind = (typeof stopKinds)[number];

/** Why a guest stopped, as far as it is known. */
export interface StopCause {
  readonly how: StopKind;
  /** User who asked for it, where somebody did. */
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
}

/**
 * The frame of every act on a guest: in its lane; the hypervisor asked what is true, the table of states whether the act is
 * allowed; and what is true afterwards stored, whether the act was done or failed.
 */
export class GuestActs {
  readonly #parts: GuestActsParts;
  readonly #watchers = new Set<(event: DomainEvent) => void>();
  /** Why guests stop, until that is stored. */
  readonly #causes = new Map<GuestPath, StopCause>();
  readonly #closing = new AbortController();

  constructor(parts: GuestActsParts) {
    this.#parts = parts;
    parts.driver.onEvent(event => {
      for (const watcher of [...this.#watchers]) watcher(event);
    });
  }

  /** Aborted when the agent stops: acts that wait leave off. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Ends the waiting of acts, so that the agent can stop: guests that were asked to power off go on doing so. */
  interrupt(): void {
    this.#closing.abort();
  }

  /**
   * @param work returns what is true afterwards
   * @param unregistered what to do for a guest without a record
   */
  perform(
    act: GuestAct,
    caller: Caller,
    path: GuestPath,
    work: (domain: Domain, record: GuestRecord) => Promise<Domain>,
    unregistered?: () => Promise<void>,
  ): Promise<void> {
    const { driver, lanes, operations, records } = this.#parts;
    return lanes.run(path, act, async () => {
      requireWanted(act, path, caller);
      await operations.settle(path);
      if (unregistered && !records.find(path)) await unregistered();
      const before = records.get(path);
      const domain = await driver.inspect(path);
      const status = statusFrom(before.status, domain.state);
      if (status !== before.status) await this.storeTruth(before, domain, undefined);
      requireStatus(act, path, status, before.reason);
      try {
        const after = await work(domain, before);
        await this.storeTruth(records.get(path), after, undefined);
      } catch (error) {
        const after = await driver.inspect(path);
        await this.storeTruth(records.get(path), after, `${act} failed: ${messageOf(error)}`);
        throw error;
      }
    });
  }

  /** Notes why a guest is about to be stopped. */
  noteCause(path: GuestPath, cause: StopCause): void {
    this.#causes.set(path, cause);
  }

  /** Notes what the hypervisor says of the end of a guest: what is known of it already counts more. */
  noteEnd(path: GuestPath, reason: string): void {
    this.#causes.set(path, { reason, ...(this.#causes.get(path) ?? { how: 'inside' }) });
  }

  /** Forgets why a guest was about to stop: it goes on. */
  forgetCause(path: GuestPath): void {
    this.#causes.delete(path);
  }

  findCause(path: GuestPath): StopCause | undefined {
    return this.#causes.get(path);
  }

  /** Stores what the hypervisor says of a guest, and with its end why it ended. */
  async storeTruth(record: GuestRecord, domain: Domain, reason: string | undefined): Promise<void> {
    const status = statusFrom(record.status, domain.state);
    const vncPort = domain.vncPort ?? null;
    const isSame = status === record.status && (reason ?? record.reason) === record.reason;
    const hasEnded = domain.state === 'absent' && record.fields['running_since'] !== undefined;
    if (isSame && !hasEnded && vncPort === (record.fields['vnc_port'] ?? null)) return;
    await this.#parts.records.setStatus(record.path, status, reason, {
      vnc_port: vncPort,
      ...(hasEnded ? this.endFields(record.path) : {}),
    });
  }

  /** What is kept of a guest's last end: who asked for it, how it came about, why, and when. */
  endFields(path: GuestPath): FieldChanges {
    const cause = this.#causes.get(path) ?? { how: 'unknown', reason: 'it ended while the agent did not run' };
    this.#causes.delete(path);
    return {
      running_since: null,
      stopped_at: new Date(this.#parts.clock.now()).toISOString(),
      stopped_by: cause.by ?? null,
      stopped_how: cause.how,
      stopped_reason: cause.reason ?? null,
    };
  }

  /** Waits until the hypervisor says so, looking again at each event; gives the last answer when the time is over. */
  async waitFor(
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

  /** What an act that waited throws when it is to wait no longer, because the agent stops or its caller gives it up. */
  leavingOff(act: string, path: GuestPath, caller: Caller): AgentError {
    if (this.closing.aborted)
      return new AgentError(
        'STOPPING',
        `${act} ${path}: the agent is stopping; the guest was asked and may still do it`,
      );
    return givenUp(act, path, caller.signal, '; the guest was asked and may still do it');
  }

  /** Ends the waiting of an act: its caller's wish, or the end of the agent. */
  waitingOf(caller: Caller, ...others: readonly AbortSignal[]): AbortSignal {
    return AbortSignal.any([this.closing, ...(caller.signal ? [caller.signal] : []), ...others]);
  }
}

/** Whether a guest's system is no longer there, with or without its domain. */
export function isOff({ state }: Domain): boolean {
  return state === 'absent' || state === 'halted';
}

/** @throws AgentError CANCELLED, or why else the caller gave the act up */
export function requireWanted(act: string, path: GuestPath, { signal }: Caller): void {
  if (signal?.aborted) throw givenUp(act, path, signal);
}

function givenUp(act: string, path: GuestPath, signal: AbortSignal | undefined, more = ''): AgentError {
  if (signal?.reason instanceof AgentError) return signal.reason;
  return new AgentError('CANCELLED', `${act} ${path}: it was given up${more}`);
}
