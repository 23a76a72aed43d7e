import type { Clock, Timer } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { Domain, DomainEvent, Driver } from '../drivers/driver.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type End, endOf } from '../model/guest-config.ts';
import { brakeRestart, recentRestarts, type RestartLimits } from '../model/restart-brake.ts';
import type { CoreDumps } from './core-dumps.ts';
import { type DiskErrorPolicy, nextDiskErrorStep } from './disk-error-policy.ts';
import type { GuestActs, StopKind } from './guest-acts.ts';
import type { GuestRecord, GuestRecords } from './guest-records.ts';

export interface GuestEndsParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly acts: GuestActs;
  readonly coreDumps: CoreDumps;
  readonly clock: Clock;
  readonly log: Log;
  readonly restartLimits: RestartLimits;
  readonly diskErrors: DiskErrorPolicy;
}

/** What is so after the policies were applied, and why where there is something to say. */
interface Followed {
  readonly domain: Domain;
  readonly reason: string | undefined;
}

/** Field of a record: the agent has paused the guest, and lets it go on by itself. */
const BRAKED = 'braked';

/**
 * What becomes of a guest whose system has ended, whose disk has failed, or that restarts again and again: what its
 * on_poweroff, on_reboot and on_crash say, held back by a brake so that no guest keeps the server busy for nothing.
 */
export class GuestEnds {
  readonly #parts: GuestEndsParts;
  /** Moments of the restarts of guests, on the monotonic clock. */
  readonly #restarts = new Map<GuestPath, readonly number[]>();
  /** Guests that wait, and whether they have waited long enough. */
  readonly #waiting = new Map<GuestPath, { readonly timer: Timer; isDue: boolean }>();
  /** Guests that rebooted by themselves, until that is thought about. */
  readonly #rebooted = new Set<GuestPath>();
  /** Moments at which disks of guests failed. */
  readonly #diskErrors = new Map<GuestPath, readonly number[]>();
  #whenDue: (path: GuestPath) => void = () => undefined;

  constructor(parts: GuestEndsParts) {
    this.#parts = parts;
  }

  /** @param look is called for a guest whose waiting is over */
  onDue(look: (path: GuestPath) => void): void {
    this.#whenDue = look;
  }

  /** Keeps what an event says and later questions do not. */
  heard(event: DomainEvent): void {
    if (event.kind !== 'rebooted') return;
    this.#countRestart(event.path);
    this.#rebooted.add(event.path);
  }

  hasEndedInside({ state }: Domain): boolean {
    return state === 'halted' || state === 'crashed';
  }

  /** Lets go of everything that waits. */
  stop(): void {
    for (const { timer } of this.#waiting.values()) timer.cancel();
    this.#waiting.clear();
  }

  /** Does what is to be done about the state of a guest, be it that it changed just now or while no agent ran. */
  async follow(domain: Domain, record: GuestRecord): Promise<Followed> {
    switch (domain.state) {
      case 'halted':
      case 'crashed':
        return this.#ended(domain, record);
      case 'running':
        return this.#running(domain, record);
      case 'paused':
        return this.#paused(domain, record);
      case 'stuck':
        return this.#stuck(domain);
      case 'absent':
        this.#forget(domain.path);
        return { domain, reason: undefined };
      default:
        return { domain, reason: undefined };
    }
  }

  async #ended(domain: Domain, { status }: GuestRecord): Promise<Followed> {
    const { coreDumps, driver, log, records } = this.#parts;
    const { ends, path, state } = domain;
    if (!ends) return { domain, reason: undefined };
    const wasRebooting = status === 'REBOOTING' && state === 'halted';
    const { action, dumpsCore } = wasRebooting ? RESTART : endOf(ends, howEnded(domain));
    if (action === 'preserve') return { domain, reason: keptReason(domain) };
    if (this.#isWaiting(path)) return { domain, reason: undefined };
    const isDue = this.#waiting.delete(path);
    if (!isDue && (dumpsCore || (state === 'crashed' && coreDumps.always))) {
      const memoryMib = Number(records.find(path)?.fields['memory'] ?? 0);
      await coreDumps.dump(path, memoryMib, { log }, this.#parts.acts.closing);
    }
    log.info({ guest: path, state, action }, 'the system of a guest ended');
    if (action === 'destroy') {
      const how = state === 'crashed' ? 'crash' : 'inside';
      await this.#destroy(path, how, state === 'crashed' ? 'its system crashed' : endedReason(domain));
      return this.#now(path, undefined);
    }
    if (!isDue && !wasRebooting) {
      this.#countRestart(path);
      const held = await this.#heldBack(path, `${endedReason(domain)} again and again`);
      if (held !== undefined) return this.#now(path, held);
    }
    await driver.reset(path, { log });
    return this.#now(path, undefined);
  }

  /** A guest that reboots by itself: its hypervisor resets it without asking anybody. */
  async #running(domain: Domain, { fields }: GuestRecord): Promise<Followed> {
    const { path } = domain;
    // Whoever let it go on, by hand perhaps: nothing waits for it any more.
    this.#stopWaiting(path);
    if (fields[BRAKED] === true) await this.#parts.records.setFields(path, { [BRAKED]: null });
    if (!this.#rebooted.delete(path)) return { domain, reason: undefined };
    const held = await this.#heldBack(path, 'its system rebooted again and again', async () => {
      await this.#parts.records.setFields(path, { [BRAKED]: true });
      await this.#parts.driver.pause(path, { log: this.#parts.log });
    });
    return held === undefined ? { domain, reason: undefined } : this.#now(path, held);
  }

  async #paused(domain: Domain, { fields }: GuestRecord): Promise<Followed> {
    const { driver, log, records } = this.#parts;
    const { path } = domain;
    // Nobody of this agent holds it where an earlier one did.
    if (fields[BRAKED] !== true || this.#isWaiting(path)) return { domain, reason: undefined };
    this.#waiting.delete(path);
    await driver.unpause(path, { log });
    await records.setFields(path, { [BRAKED]: null });
    return this.#now(path, undefined);
  }

  async #stuck(domain: Domain): Promise<Followed> {
    const { clock, diskErrors, driver, log } = this.#parts;
    const { path, problem } = domain;
    const reason = problem ? `disk ${problem.target}: ${problem.reason}` : 'one of its disks failed';
    if (this.#isWaiting(path)) return { domain, reason: undefined };
    if (this.#waiting.delete(path)) {
      log.info({ guest: path }, 'a guest that was stopped by an error of its disk tries again');
      await driver.unpause(path, { log });
      return this.#now(path, undefined);
    }
    const failures = [...(this.#diskErrors.get(path) ?? []), clock.monotonic()];
    const next = nextDiskErrorStep(diskErrors, failures);
    switch (next.step) {
      case 'keep':
        return { domain, reason: `${reason}; it was paused, and unpause_vm tries again` };
      case 'resume':
        this.#diskErrors.set(path, failures);
        this.#waitFor(path, next.delayMs);
        return { domain, reason: `${reason}; it tries again in ${next.delayMs / 1000} s` };
      case 'destroy':
        await this.#giveUp(path, 'disk error', reason);
        return this.#now(path, undefined);
    }
  }

  /**
   * Holds a guest back that restarts too often.
   * @param hold what keeps it from running meanwhile
   * @returns why, where it is held back or given up
   */
  async #heldBack(path: GuestPath, what: string, hold?: () => Promise<void>): Promise<string | undefined> {
    const { clock, log, restartLimits } = this.#parts;
    const restarts = this.#restarts.get(path) ?? [];
    const decision = brakeRestart(restarts.slice(0, -1), clock.monotonic(), restartLimits);
    if (!decision.restarts) {
      const seconds = restartLimits.windowMs / 1000;
      const reason = `${what}: ${decision.count} times within ${seconds} s, which is restart_limit`;
      await this.#giveUp(path, 'restart limit', reason);
      return reason;
    }
    const { delayMs } = decision;
    if (delayMs === 0) return undefined;
    await hold?.();
    this.#waitFor(path, delayMs);
    log.warn({ guest: path, restarts: restarts.length, delayMs }, 'a guest restarts too often; it waits');
    return `${what} (${restarts.length} times); it goes on in ${delayMs / 1000} s`;
  }

  /** Ends a guest for good: its status says that somebody has to look at it. */
  async #giveUp(path: GuestPath, how: StopKind, reason: string): Promise<void> {
    const { acts, driver, log, records } = this.#parts;
    acts.noteCause(path, { how, reason });
    await driver.destroy(path, { log });
    await records.setStatus(path, 'ERROR', reason, { vnc_port: null, [BRAKED]: null, ...acts.endFields(path) });
    log.error({ guest: path, how, reason }, 'a guest was given up');
    this.#forget(path);
  }

  async #destroy(path: GuestPath, how: StopKind, reason: string): Promise<void> {
    const { acts, driver, log } = this.#parts;
    acts.noteCause(path, { how, reason });
    await driver.destroy(path, { log });
  }

  async #now(path: GuestPath, reason: string | undefined): Promise<Followed> {
    return { domain: await this.#parts.driver.inspect(path), reason };
  }

  #countRestart(path: GuestPath): void {
    const { clock, restartLimits } = this.#parts;
    const now = clock.monotonic();
    this.#restarts.set(path, [...recentRestarts(this.#restarts.get(path) ?? [], now, restartLimits), now]);
  }

  #isWaiting(path: GuestPath): boolean {
    return this.#waiting.get(path)?.isDue === false;
  }

  #waitFor(path: GuestPath, delayMs: number): void {
    this.#waiting.get(path)?.timer.cancel();
    const timer = this.#parts.clock.setTimer(delayMs, () => {
      waiting.isDue = true;
      this.#whenDue(path);
    });
    const waiting = { timer, isDue: false };
    this.#waiting.set(path, waiting);
  }

  #stopWaiting(path: GuestPath): void {
    this.#waiting.get(path)?.timer.cancel();
    this.#waiting.delete(path);
  }

  #forget(path: GuestPath): void {
    this.#stopWaiting(path);
    for (const memory of [this.#restarts, this.#diskErrors, this.#rebooted]) memory.delete(path);
  }
}

/** What is done about a system that powered off because it was asked to reboot. */
const RESTART: End = { action: 'restart', dumpsCore: false };

/** Which of the guest's policies is about that end. */
function howEnded({ endedBy, state }: Domain): 'poweroff' | 'reboot' | 'crash' {
  if (state === 'crashed') return 'crash';
  return endedBy === 'reboot' ? 'reboot' : 'poweroff';
}

function endedReason(domain: Domain): string {
  const texts = { crash: 'its system crashed', poweroff: 'its system powered off', reboot: 'its system rebooted' };
  return texts[howEnded(domain)];
}

function keptReason(domain: Domain): string {
  return `${endedReason(domain)} and was kept (on_${howEnded(domain)} = preserve)`;
}
