import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { Disk, GuestConfig, NetworkInterface } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { requireStatus, statusFrom } from '../model/guest-state.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { GuestFileEditor } from '../vmcfg/editor.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';
import type { Caller } from './caller.ts';
import type { GuestDisks } from './guest-disks.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecord, GuestRecords } from './guest-records.ts';
import { requireBridge, type StartPlanner } from './start-planner.ts';

export interface GuestEditingParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly disks: GuestDisks;
  readonly planner: StartPlanner;
  readonly reader: GuestReader;
  readonly lanes: GuestLanes;
}

export interface Edit {
  /** What is done, in the words of the log, such as `set memory`. */
  readonly what: string;
  /**
   * @param config the guest as the file describes it; it throws where the file describes none
   * @param isRunning whether a running guest is changed as well
   */
  readonly change: (editor: GuestFileEditor, config: () => GuestConfig, isRunning: boolean) => void;
  /** Leave a running guest as it is: the change holds from its next start. */
  readonly onlyFile?: boolean;
  /** Digest of the file that the caller has seen. */
  readonly digest?: string | undefined;
}

/** One change of a running guest, and the one that takes it back. */
interface LiveAct {
  readonly act: () => Promise<void>;
  readonly undo: () => Promise<void>;
}

/**
 * Changes guest files, and the guests that run with them. A change is first made to the text in memory and read as a
 * whole; then the file is written, then the running guest is changed. Where that cannot be done the file is as it was.
 */
export class GuestEditing {
  readonly #parts: GuestEditingParts;

  constructor(parts: GuestEditingParts) {
    this.#parts = parts;
  }

  /**
   * @returns the digest of the file as it is now
   * @throws AgentError NO_SUCH_GUEST, BAD_CONFIG, STALE, WRONG_STATE, BUSY, and what a running guest answers
   */
  edit(caller: Caller, path: GuestPath, edit: Edit): Promise<string> {
    return this.#parts.lanes.run(path, edit.what, () => this.#editInLane(caller, path, edit));
  }

  async #editInLane(caller: Caller, path: GuestPath, edit: Edit): Promise<string> {
    const { driver, files, reader, records } = this.#parts;
    const { state } = await driver.inspect(path);
    const record = records.find(path);
    requireStatus('configure', path, statusFrom(record?.status ?? 'DOWN', state), record?.reason);
    const isRunning = state !== 'absent' && !edit.onlyFile;
    const before = await files.read(path);
    if (edit.digest !== undefined && edit.digest !== before.digest) {
      throw new AgentError(
        'STALE',
        `${edit.what} of ${path}: its vm.cfg is another than the one you read; read it again`,
      );
    }
    const config = (): GuestConfig => reader.readConfig(before.bytes, path);
    const bytes = reader.edit(before.bytes, path, editor => edit.change(editor, config, isRunning));
    if (Buffer.from(bytes).equals(before.bytes) && !isRunning) return before.digest;
    const after = reader.readConfig(bytes, path);
    const acts = isRunning ? await this.#liveActs(caller, path, config(), after) : [];
    if (acts.length > 0 && (state === 'paused' || state === 'stuck') && removesDevice(config(), after)) {
      throw new AgentError(
        'WRONG_STATE',
        `${edit.what} of ${path}: it is PAUSED, and its system must let go of what is removed; unpause it first`,
      );
    }
    const digest = await files.write(path, bytes, before.digest);
    try {
      await runAll(acts);
    } catch (error) {
      await files.write(path, before.bytes, digest);
      throw error;
    }
    if (record) {
      const says =
        isRunning && this.#wasAsStarted(record, before.bytes) ? { config_digest: this.#meaningOf(bytes, path) } : {};
      await records.setFields(path, { memory: after.memoryMib, vcpus: after.vcpus, ...says });
    }
    caller.log.info({ guest: path, what: edit.what, live: acts.length > 0 }, 'vm.cfg was changed');
    return digest;
  }

  /** Whether a running guest was as its file said, and so is as it says now. */
  #wasAsStarted({ fields, path }: GuestRecord, before: Uint8Array): boolean {
    return fields['config_digest'] === this.#meaningOf(before, path);
  }

  #meaningOf(bytes: Uint8Array, path: GuestPath): string {
    return this.#parts.reader.meaningOf(this.#parts.reader.readFile(bytes, path));
  }

  /** What must be done to a running guest so that it is as its file says; nothing is done yet. */
  async #liveActs(caller: Caller, path: GuestPath, before: GuestConfig, after: GuestConfig): Promise<LiveAct[]> {
    const { driver } = this.#parts;
    const acts: LiveAct[] = [];
    if (after.memoryMib !== before.memoryMib) {
      if (after.memoryMib > before.memoryMib)
        await this.#parts.planner.requireMemory('change', path, after.memoryMib - before.memoryMib);
      acts.push(exchange(before.memoryMib, after.memoryMib, mib => driver.setMemory(path, mib, caller)));
    }
    if (after.vcpus !== before.vcpus)
      acts.push(exchange(before.vcpus, after.vcpus, count => driver.setVcpus(path, count, caller)));
    acts.push(...(await this.#diskActs(caller, path, before.disks, after.disks)));
    acts.push(...this.#cardActs(caller, path, before.networkInterfaces, after.networkInterfaces));
    const [old, now] = [before.display?.password, after.display?.password];
    if (now !== undefined && now !== old)
      acts.push(exchange(old ?? '', now, password => driver.setVncPassword(path, password, caller)));
    return acts;
  }

  async #diskActs(
    caller: Caller,
    path: GuestPath,
    before: readonly Disk[],
    after: readonly Disk[],
  ): Promise<LiveAct[]> {
    const { disks, driver } = this.#parts;
    const acts: LiveAct[] = [];
    const resolved = (disk: Disk): Promise<Disk> => disks.resolve('change', path, disk);
    const change = (old: Disk | undefined, now: Disk | undefined): LiveAct => {
      if (old?.isCdrom && now?.isCdrom) return exchange(old, now, drive => driver.changeMedium(path, drive, caller));
      const swap = (from: Disk | undefined, to: Disk | undefined): Promise<void> =>
        exchangeParts(
          from,
          to,
          disk => driver.detachDisk(path, disk.target, caller),
          disk => driver.attachDisk(path, disk, caller),
        );
      return { act: () => swap(old, now), undo: () => swap(now, old) };
    };
    const held = driver.holdings().find(holding => holding.path === path)?.disks ?? [];
    for (const target of new Set([...before, ...after].map(disk => disk.target))) {
      const old = before.find(disk => disk.target === target);
      const now = after.find(disk => disk.target === target);
      const has = held.find(disk => disk.target === target);
      // A drive may have another medium than its file said; other disks are as they were where nothing is said of them.
      if (isSame(old, now) && !now?.isCdrom) continue;
      const place = now && (await resolved(now));
      // What the guest has, or has not, already: an edit by hand, or an agent that was killed between file and guest.
      if (place ? has?.source === place.source && (has !== undefined || place.isCdrom) && isSame(old, now) : !has)
        continue;
      if (place && !place.isCdrom && has?.source === place.source && has?.mode === place.mode) continue;
      if (place) disks.requireFree('change', path, [place]);
      // What leaves may have lost its file meanwhile, which must not keep it there.
      const leaving = old && (has || old.isCdrom) ? await resolved(old).catch(() => old) : undefined;
      acts.push(change(leaving, place));
    }
    return acts;
  }

  #cardActs(
    caller: Caller,
    path: GuestPath,
    before: readonly NetworkInterface[],
    after: readonly NetworkInterface[],
  ): LiveAct[] {
    const { driver, planner } = this.#parts;
    const held = driver.holdings().find(holding => holding.path === path)?.macs ?? [];
    const swap = (from: NetworkInterface | undefined, to: NetworkInterface | undefined): Promise<void> =>
      exchangeParts(
        from,
        to,
        card => driver.detachNetworkInterface(path, card.mac, caller),
        card => driver.attachNetworkInterface(path, card, caller),
      );
    return [...new Set([...before, ...after].map(card => card.mac))].flatMap(mac => {
      const old = before.find(card => card.mac === mac);
      const now = after.find(card => card.mac === mac);
      const leaving = held.includes(mac) ? old : undefined;
      if (isSame(old, now) || isSame(leaving, now) || (!old && held.includes(mac))) return [];
      requireBridge('change', path, now?.bridge);
      if (now) planner.requireOwnIdentity('change', path, { networkInterfaces: [now] });
      return [{ act: () => swap(leaving, now), undo: () => swap(now, leaving) }];
    });
  }
}

function exchange<T>(before: T, after: T, set: (value: T) => Promise<void>): LiveAct {
  return { act: () => set(after), undo: () => set(before) };
}

/** One part in place of another: the old one comes back where the new one cannot be had. */
async function exchangeParts<T>(
  from: T | undefined,
  to: T | undefined,
  detach: (part: T) => Promise<void>,
  attach: (part: T) => Promise<void>,
): Promise<void> {
  if (from) await detach(from);
  try {
    if (to) await attach(to);
  } catch (error) {
    if (from) await attach(from);
    throw error;
  }
}

/** Plain records of the model are the same when they are written the same. */
function isSame(left: object | undefined, right: object | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** All acts or none: those that were done are taken back, the last one first, when a later one fails. */
async function runAll(acts: readonly LiveAct[]): Promise<void> {
  const done: LiveAct[] = [];
  try {
    for (const act of acts) {
      await act.act();
      done.push(act);
    }
  } catch (error) {
    for (const act of done.reverse()) await act.undo().catch(() => undefined);
    throw error;
  }
}

/** Whether something leaves that the system inside must let go of. */
function removesDevice(before: GuestConfig, after: GuestConfig): boolean {
  const isLost = (old: Disk): boolean => !old.isCdrom && !after.disks.some(now => isSame(old, now));
  const isCardLost = (old: NetworkInterface): boolean => !after.networkInterfaces.some(now => isSame(old, now));
  return before.disks.some(isLost) || before.networkInterfaces.some(isCardLost);
}
