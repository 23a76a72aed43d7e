import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { AgentError } from '../../errors.ts';
import { writeFileAtomically } from '../../host/atomic-file.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { killProcess, processesGiven } from '../../host/processes.ts';
import { scopeCommand } from '../../host/scopes.ts';
import { deviceModelWords, hasDeviceModel, vncPortOf } from './device-model.ts';
import { emptyDrivesOf } from './devices.ts';
import { domainFile } from './domain-file.ts';
import { restoreDomain } from './state-stream.ts';
import type { XenDomain } from './xen-domain.ts';
import type { DomainRow } from './xl-output.ts';
import type { Xl } from './xl.ts';

/** Time for an xl of an earlier agent to come to its end: well below what systemd gives the agent to start. */
const LEFT_OVER_MS = 20_000;
/** What may still be at work for an agent that was killed. */
const LEFT_OVER_PROGRAMS = ['xl', 'systemd-run'];
/** Xen gives memory back at its own pace. */
const DESTROY_MS = 3600_000;
/** One whose memory somebody else still holds stays for longer, and is gone for everybody else. */
const DYING_MS = 30_000;
const LOOK_MS = 50;
/** One block of a CD-ROM. */
const BLANK_BYTES = 2048;

/** Makes domains with xl, and leaves nothing where it fails. */
export class Maker {
  readonly #xl: Xl;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  constructor(xl: Xl, clock: Clock, timeoutMs: number) {
    this.#xl = xl;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Makes the domain anew, so that it runs. xl ends when that is done (`-e`): no xl stays behind to serve its ends.
   * @throws AgentError HYPERVISOR, TIMEOUT
   */
  async create(domain: XenDomain): Promise<DomainRow> {
    const { config } = domain.note;
    this.#writeFile(domain);
    const waits = emptyDrivesOf(config).length > 0;
    const make = async (): Promise<void> => {
      const args = ['create', '-e', '-q', ...(waits ? ['-p'] : []), domain.file];
      // What belongs to a device model outlives the agent's unit.
      // The one of the domain before may not be over yet.
      const name = `ovs-guest-${domain.place.id}-${randomBytes(4).toString('hex')}`;
      const scope = hasDeviceModel(config) ? scopeCommand(name, NO_SHARE) : [];
      try {
        await this.#xl.act(`start ${domain.path}`, args, { timeoutMs: this.#timeoutMs, before: scope });
      } catch (error) {
        if (!(error instanceof AgentError) || !hasDeviceModel(config)) throw error;
        throw new AgentError(error.code, `${error.message}${deviceModelWords(config)}`, { cause: error });
      }
    };
    const row = await this.#make('start', domain, make, waits);
    return waits ? { ...row, isPaused: false } : row;
  }

  /** Makes it from a state, paused. @throws AgentError CANCELLED, HYPERVISOR, and what the stream throws */
  async restore(domain: XenDomain, source: Readable, signal: AbortSignal | undefined): Promise<DomainRow> {
    this.#writeFile(domain);
    return this.#make('restore', domain, () => restoreDomain(this.#xl, domain, source, this.#clock, signal), false);
  }

  /**
   * Takes it from another server. On one and the same server, as in trials, the sender's domain has the same identity.
   * @throws AgentError HYPERVISOR, CANCELLED
   */
  async receive(domain: XenDomain, take: () => Promise<string | undefined>): Promise<DomainRow> {
    domain.change({
      earlier: domain.ownRows(await this.#xl.list()).map(row => row.id),
      sealedDrives: emptyDrivesOf(domain.note.config),
    });
    const problem = await take();
    const [row] = domain.ownRows(await this.#xl.list());
    // The last word of xl may have come to nobody: what is there counts.
    if (row?.name === domain.note.config.name && !row.isPaused) {
      await this.take(domain, row);
      return row;
    }
    await this.remove(domain);
    throw new AgentError('HYPERVISOR', `receive ${domain.path}: ${problem ?? 'no domain came'}; nothing of it is here`);
  }

  /** Notes that the domain is the guest's, and whole. */
  async take(domain: XenDomain, { id }: DomainRow): Promise<void> {
    const { display } = domain.note.config;
    // A guest that runs is not given up for a display of which nothing can be known.
    const vncPort = display && (await vncPortOf(domain.path, id, this.#clock).catch(() => undefined));
    domain.change({ domainId: id, phase: 'there', vncPort });
  }

  /** Removes what there is of a domain: also what is half-made, and nothing that is another's. */
  async remove(domain: XenDomain): Promise<void> {
    const destroyed = domain.ownRows(await this.#xl.list()).map(row => row.id);
    for (const id of destroyed) await this.#xl.run(['destroy', String(id)], { timeoutMs: DESTROY_MS });
    const deadline = this.#clock.monotonic() + DYING_MS;
    const isOneDying = async (): Promise<boolean> =>
      (await this.#xl.list()).some(row => row.isDying && destroyed.includes(row.id));
    while (destroyed.length > 0 && (await isOneDying()) && this.#clock.monotonic() < deadline) {
      await this.#clock.sleep(LOOK_MS);
    }
    const [left] = domain.ownRows(await this.#xl.list());
    if (left) throw new AgentError('HYPERVISOR', `destroy ${domain.path}: Xen still has it as domain ${left.id}`);
  }

  /** An xl of an agent that was killed goes on by itself; what it does must be over before anything is decided. */
  async untilLeftToItself(domain: XenDomain, log: Log): Promise<void> {
    const { directory } = domain.place;
    const deadline = this.#clock.monotonic() + LEFT_OVER_MS;
    const leftOver = (): readonly number[] => processesGiven(directory, LEFT_OVER_PROGRAMS);
    for (let left = leftOver(); left.length > 0; left = leftOver()) {
      if (this.#clock.monotonic() > deadline) {
        log.warn({ guest: domain.path, processes: left }, 'a program of an earlier agent does not end; it is killed');
        for (const id of left) killProcess(id);
        return;
      }
      await this.#clock.sleep(LOOK_MS);
    }
  }

  /** Drives begin with a blank medium: QEMU 7.2 ends when xl puts one into a drive that never had any. */
  #writeFile(domain: XenDomain): void {
    const { config } = domain.note;
    const empty = emptyDrivesOf(config);
    if (empty.length > 0) writeFileSync(domain.blankMedium, Buffer.alloc(BLANK_BYTES), { mode: 0o600 });
    const disks = config.disks.map(disk =>
      empty.includes(disk.target) ? { ...disk, source: domain.blankMedium, format: 'raw' as const } : disk,
    );
    writeFileAtomically(domain.file, domainFile({ ...config, disks }), 0o600);
  }

  /** @param goesOn whether what was made paused is to run */
  async #make(act: string, domain: XenDomain, work: () => Promise<void>, goesOn: boolean): Promise<DomainRow> {
    const what = `${act} ${domain.path}`;
    const others = domain.ownRows(await this.#xl.list());
    const [other] = others;
    // From here on it is written down which are not ours.
    domain.change({ earlier: [...(domain.note.earlier ?? []), ...others.map(row => row.id)] });
    if (other) {
      // Not ours to remove: whoever made it has given it this identity.
      throw new AgentError(
        'HYPERVISOR',
        `${what}: domain ${other.id} (${other.name}) has its uuid; stop that one, or give this guest another uuid`,
      );
    }
    try {
      await work();
      const row = domain.ownRows(await this.#xl.list())[0];
      if (!row) throw new AgentError('HYPERVISOR', `${what}: it ended at once`);
      const target = String(row.id);
      for (const drive of emptyDrivesOf(domain.note.config)) await this.#xl.act(what, ['cd-eject', target, drive]);
      if (goesOn) await this.#xl.act(what, ['unpause', target]);
      await this.take(domain, row);
      return row;
    } catch (error) {
      // Why it was not made is what counts; whether something is left is looked at by the keeper.
      await this.remove(domain).catch(() => undefined);
      throw error;
    }
  }
}

/** Xen itself shares the processors out between domains; the device model has no share of its own. */
const NO_SHARE = { weight: undefined, capPercent: undefined };
