import { AgentError, messageOf } from '../errors.ts';
import type { Domain, Driver } from '../drivers/driver.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { Caller } from './caller.ts';
import { type GuestActs, isOff, type StopKind } from './guest-acts.ts';
import type { GuestRecords } from './guest-records.ts';

/** How long each way of stopping is waited for before the next one is taken. */
export interface StopWaits {
  /** For the guest agent inside; 0 does not ask it. */
  readonly agentMs: number;
  /** For the power button; 0 does not press it. */
  readonly buttonMs: number;
}

export interface GuestStopsParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly acts: GuestActs;
  /** Where a call says nothing else. */
  readonly waits: StopWaits;
  /** Throws away what is kept of a guest that is suspended. */
  readonly discardState: (path: GuestPath) => Promise<void>;
}

/** A stop that waits for the system inside to power off. */
interface PatientStop {
  readonly hurry: AbortController;
  readonly done: Promise<StopKind>;
}

/** Stops guests: by the guest agent inside where one answers, then by the power button, and in the end by pulling the plug. */
export class GuestStops {
  readonly #parts: GuestStopsParts;
  readonly #patient = new Map<GuestPath, PatientStop>();

  constructor(parts: GuestStopsParts) {
    this.#parts = parts;
  }

  /**
   * Stops a guest, and waits until it is DOWN. A forced stop destroys it at once, and hurries a stop of the same guest that
   * waits.
   * @param waits in place of those of the settings
   * @returns which step of the ladder it was
   */
  async stop(caller: Caller, path: GuestPath, force: boolean, waits: Partial<StopWaits> = {}): Promise<StopKind> {
    if (!force) return this.#stopPatiently(caller, path, { ...this.#parts.waits, ...waits });
    const waiting = this.#patient.get(path);
    if (!waiting) {
      await this.#parts.acts.perform('destroy', caller, path, domain =>
        domain.state === 'absent' ? this.#discard(caller, path) : this.#destroy(caller, path, 'force was asked for'),
      );
      return 'destroyed';
    }
    waiting.hurry.abort();
    return waiting.done;
  }

  #stopPatiently(caller: Caller, path: GuestPath, waits: StopWaits): Promise<StopKind> {
    const { acts, driver, records } = this.#parts;
    const hurry = new AbortController();
    let how: StopKind = 'destroyed';
    const done: Promise<StopKind> = acts
      .perform('stop', caller, path, async domain => {
        this.#patient.set(path, { hurry, done });
        await records.setStatus(path, 'SHUTTING_DOWN');
        if (domain.state === 'halted') return this.#destroy(caller, path, 'its system has powered off');
        // A paused system cannot answer.
        if (domain.state === 'paused' || domain.state === 'stuck') await driver.unpause(path, caller);
        const ladder = [
          ['agent', 'guest agent', waits.agentMs],
          ['acpi', 'power button', waits.buttonMs],
        ] as const;
        let waitedMs = 0;
        for (const [by, kind, timeoutMs] of ladder) {
          if (timeoutMs === 0 || hurry.signal.aborted) continue;
          const now = await this.#ask(caller, path, by, kind, timeoutMs, hurry.signal);
          if (now === 'cannot be asked') continue;
          waitedMs += timeoutMs;
          if (!now) continue;
          how = kind;
          return now.state === 'absent' ? now : this.#destroy(caller, path, 'its system powered off', kind);
        }
        const why = hurry.signal.aborted ? 'force was asked for' : `it did not power off within ${waitedMs / 1000} s`;
        return this.#destroy(caller, path, why);
      })
      .then(() => how)
      .finally(() => this.#patient.delete(path));
    return done;
  }

  /**
   * One rung of the ladder.
   * @returns the domain once its system is off; undefined when it did not do it
   */
  async #ask(
    caller: Caller,
    path: GuestPath,
    by: 'agent' | 'acpi',
    how: StopKind,
    timeoutMs: number,
    hurry: AbortSignal,
  ): Promise<Domain | 'cannot be asked' | undefined> {
    const { acts, driver } = this.#parts;
    acts.noteCause(path, { how, by: caller.user });
    caller.report?.({ percent: by === 'agent' ? 5 : 30, step: `waits for the ${how} to power it off` });
    try {
      await driver.requestShutdown(path, by, caller);
    } catch (error) {
      acts.forgetCause(path);
      // Most guests have no agent inside.
      if (!(error instanceof AgentError && error.code === 'NOT_SUPPORTED')) throw error;
      caller.log.debug({ guest: path, by, reason: messageOf(error) }, 'stop: it cannot be asked that way');
      return 'cannot be asked';
    }
    const signal = acts.waitingOf(caller, hurry);
    const now = await acts.waitFor(path, isOff, timeoutMs, signal);
    if (isOff(now)) {
      caller.log.info({ guest: path, how }, 'stop: the system powered off');
      return now;
    }
    acts.forgetCause(path);
    if (signal.aborted && !hurry.aborted) throw acts.leavingOff('stop', path, caller);
    return undefined;
  }

  async #destroy(caller: Caller, path: GuestPath, why: string, how: StopKind = 'destroyed'): Promise<Domain> {
    const { acts, driver } = this.#parts;
    acts.noteCause(path, { how, by: caller.user, reason: why });
    await driver.destroy(path, caller);
    caller.log.info({ guest: path, why }, 'stop: the guest was destroyed');
    return driver.inspect(path);
  }

  /** A guest without a domain: one that is suspended loses its memory, one in ERROR its error. */
  async #discard(caller: Caller, path: GuestPath): Promise<Domain> {
    const { driver, records } = this.#parts;
    const { status } = records.get(path);
    await records.setStatus(path, 'DOWN', status === 'SUSPEND' ? 'its saved state was thrown away' : undefined);
    if (status === 'SUSPEND') await this.#parts.discardState(path);
    caller.log.info({ guest: path, status }, 'stop: nothing is left of the guest but its files');
    return driver.inspect(path);
  }
}
