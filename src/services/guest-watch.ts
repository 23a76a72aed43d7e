import type { Log } from '../host/log.ts';
import type { Domain, DomainEvent, Driver } from '../drivers/driver.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { GuestActs } from './guest-acts.ts';
import type { GuestConsoles } from './guest-consoles.ts';
import type { GuestEnds } from './guest-ends.ts';
import type { GuestRecords } from './guest-records.ts';

export interface GuestWatchParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly acts: GuestActs;
  readonly ends: GuestEnds;
  readonly consoles: Pick<GuestConsoles, 'follow'>;
  readonly lanes: GuestLanes;
  readonly log: Log;
}

/** Follows what happens to guests of their own accord, and keeps their records true. */
export class GuestWatch {
  readonly #parts: GuestWatchParts;
  readonly #toReconcile = new Set<GuestPath>();

  constructor(parts: GuestWatchParts) {
    this.#parts = parts;
    parts.driver.onEvent(event => this.#heard(event));
    parts.ends.onDue(path => void this.#look(path));
  }

  /** Brings every record in line with the truth, once the driver has found the guests that an earlier agent left running. */
  async adopt(found: readonly Domain[]): Promise<void> {
    const { consoles, records } = this.#parts;
    for (const domain of found) consoles.follow(domain.path);
    const paths = records.list().map(record => record.path);
    await Promise.all(paths.map(path => this.#look(path, false)));
    // What their systems' ends ask for may take long, and no guest keeps the agent from answering for the others.
    for (const path of paths) void this.#look(path);
  }

  /** Events only say that something changed; what is done about it is done in the guest's lane, at the agent's own pace. */
  #heard(event: DomainEvent): void {
    const { acts, ends, log, records } = this.#parts;
    ends.heard(event);
    if (event.kind === 'ended') {
      log.info({ guest: event.path, reason: event.reason }, 'a guest ended');
      acts.noteEnd(event.path, event.reason);
    }
    if (this.#toReconcile.has(event.path) || !records.find(event.path)) return;
    this.#toReconcile.add(event.path);
    void this.#look(event.path);
  }

  #look(path: GuestPath, appliesPolicy = true): Promise<void> {
    return this.#reconcile(path, appliesPolicy).catch((error: unknown) =>
      this.#parts.log.error({ guest: path, err: error }, 'the record of a guest could not be brought up to date'),
    );
  }

  #reconcile(path: GuestPath, appliesPolicy: boolean): Promise<void> {
    const { acts, driver, ends, lanes, log, records } = this.#parts;
    return lanes.follow(path, 'look at', async () => {
      this.#toReconcile.delete(path);
      const record = records.find(path);
      if (!record) return;
      const found = await driver.inspect(path);
      // What was stored says what its end was to be: it stays until that is done.
      if (!appliesPolicy && ends.hasEndedInside(found)) return;
      const { domain, reason } = appliesPolicy
        ? await ends.follow(found, record)
        : { domain: found, reason: undefined };
      const now = records.get(path);
      const status = statusFrom(now.status, domain.state);
      const why = reason ?? acts.findCause(path)?.reason;
      const hasEnded = domain.state === 'absent' && now.fields['running_since'] !== undefined;
      if (status === now.status && reason === undefined && !hasEnded) return;
      await acts.storeTruth(now, domain, why);
      if (status !== now.status)
        log.info({ guest: path, from: now.status, to: status, reason: why }, 'the status of a guest changed');
    });
  }
}
