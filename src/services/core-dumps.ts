import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { chmod, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActContext, Driver } from '../drivers/driver.ts';
import { AgentError, messageOf } from '../errors.ts';
import { makePrivateDirectory } from '../host/atomic-file.ts';
import type { Clock } from '../host/clock.ts';
import { guestNameOf, type GuestPath, isGuestName } from '../model/guest-path.ts';

export interface CoreDumpsParts {
  readonly driver: Driver;
  readonly clock: Clock;
  /** Where dumps are kept, on this server's disk. */
  readonly directory: string;
  /** Whether every crash is dumped, whatever the guest's on_crash says (enable-dump of xend-config.sxp). */
  readonly always: boolean;
  /** How many of each guest are kept. */
  readonly keptPerGuest: number;
  /** Bytes of all together; 0 writes none. */
  readonly spaceBytes: number;
}

/** A dump that is whole. */
interface Dump {
  readonly file: string;
  readonly guest: string;
  readonly moment: string;
  readonly bytes: number;
}

const MIB = 2 ** 20;
/** Space that a dump leaves on its disk. */
const RESERVE_BYTES = 256 * MIB;
const PARTIAL = '.part';
/** Only what was written here is ever counted or removed: the directory is xend's as well. */
const DUMP_NAME = /^(.+)-(\d{8}T\d{6}Z)\.core$/;

/** Memory of guests that ended, kept for those who look for the cause. */
export class CoreDumps {
  readonly #parts: CoreDumpsParts;
  /** Files that are being written now, with what they will take. */
  readonly #writing = new Map<string, number>();

  constructor(parts: CoreDumpsParts) {
    this.#parts = parts;
  }

  /** Removes what an agent that was killed has left unfinished. */
  removeUnfinished(): void {
    const { directory } = this.#parts;
    if (!existsSync(directory)) return;
    for (const name of readdirSync(directory)) {
      const isPartial = name.endsWith(PARTIAL) && parseName(name.slice(0, -PARTIAL.length)) !== undefined;
      if (isPartial) rmSync(join(directory, name), { force: true });
    }
  }

  get always(): boolean {
    return this.#parts.always;
  }

  /**
   * Writes the memory of a guest that ended to a file of its own. A dump that fails is logged and no more: what happens to the
   * guest next must not wait for it.
   */
  async dump(path: GuestPath, memoryMib: number, context: ActContext, signal: AbortSignal): Promise<void> {
    await this.write(path, memoryMib, context, signal).catch((error: unknown) =>
      context.log.error({ guest: path, reason: messageOf(error) }, 'the memory of a guest could not be dumped'),
    );
  }

  /**
   * Writes the memory of a guest to a file of its own, and removes the oldest dumps for it.
   * @returns the file
   * @throws AgentError NO_RESOURCES where there is no room for it, and what the driver throws
   */
  async write(path: GuestPath, memoryMib: number, context: ActContext, signal: AbortSignal): Promise<string> {
    const { directory, driver, spaceBytes } = this.#parts;
    const guest = guestNameOf(path);
    if (spaceBytes === 0) throw noRoom(path, 'core_dump_space is 0');
    makePrivateDirectory(directory);
    const file = this.#newFile(guest);
    const partial = `${file}${PARTIAL}`;
    // Counted from now on, for others that look for room meanwhile.
    this.#writing.set(file, memoryMib * MIB);
    try {
      const why = await this.#makeRoom(guest, context);
      if (why !== undefined) throw noRoom(path, why);
      await driver.dumpCore(path, partial, context, signal);
      // QEMU leaves it to be read only.
      await chmod(partial, 0o600);
      await rename(partial, file);
      context.log.warn({ guest: path, file }, 'the memory of a guest was dumped');
      this.#trim(file, context);
      return file;
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    } finally {
      this.#writing.delete(file);
    }
  }

  /**
   * Removes the oldest dumps until all that are being written have their place. Nothing is removed where that would not be enough.
   * @returns why there is none
   */
  async #makeRoom(guest: string, context: ActContext): Promise<string | undefined> {
    const { directory, keptPerGuest, spaceBytes } = this.#parts;
    const dumps = this.#dumps();
    const writing = [...this.#writing.values()].reduce((sum, size) => sum + size, 0);
    if (writing > spaceBytes) return 'it is larger than core_dump_space allows';
    const removed = tooMany(
      dumps.filter(dump => dump.guest === guest),
      keptPerGuest - 1,
    );
    const left = dumps.filter(dump => !removed.includes(dump));
    removed.push(...tooLarge(left, spaceBytes - writing));
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize + sizeOf(removed) < writing + RESERVE_BYTES) return 'the disk is too full';
    this.#remove(removed, context);
    return undefined;
  }

  /** A dump may have become larger than the guest's memory. It stays itself. */
  #trim(file: string, context: ActContext): void {
    const dumps = this.#dumps();
    const others = dumps.filter(dump => dump.file !== file);
    const own = dumps.find(dump => dump.file === file)?.bytes ?? 0;
    this.#remove(tooLarge(others, this.#parts.spaceBytes - own), context);
  }

  #remove(dumps: readonly Dump[], { log }: ActContext): void {
    for (const { file } of dumps) {
      rmSync(file, { force: true });
      log.info({ file }, 'an old dump of a guest was removed');
    }
  }

  /** Two guests may have one name, in different directories, and crash in the same second. */
  #newFile(guest: string): string {
    const { clock, directory } = this.#parts;
    for (let time = clock.now(); ; time += 1000) {
      const moment = new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');
      const file = join(directory, `${guest}-${moment}.core`);
      if (!this.#writing.has(file) && !existsSync(file)) return file;
    }
  }

  /** Those that are whole, the oldest first. */
  #dumps(): readonly Dump[] {
    const { directory } = this.#parts;
    return readdirSync(directory)
      .flatMap((name): Dump[] => {
        const file = join(directory, name);
        const parsed = parseName(name);
        const stat = parsed && lstatSync(file, { throwIfNoEntry: false });
        return stat?.isFile() ? [{ ...parsed!, file, bytes: stat.size }] : [];
      })
      .sort((left, right) => left.moment.localeCompare(right.moment) || left.file.localeCompare(right.file));
  }
}

function noRoom(path: GuestPath, why: string): AgentError {
  return new AgentError('NO_RESOURCES', `dump ${path}: ${why}; make room, or raise core_dump_space`);
}

function parseName(name: string): Pick<Dump, 'guest' | 'moment'> | undefined {
  const [, guest, moment] = DUMP_NAME.exec(name) ?? [];
  return guest !== undefined && moment !== undefined && isGuestName(guest) ? { guest, moment } : undefined;
}

/** The first of them, so that no more than `most` are left. */
function tooMany(dumps: readonly Dump[], most: number): Dump[] {
  return dumps.slice(0, Math.max(0, dumps.length - most));
}

/** The first of them, so that the others take no more than that. */
function tooLarge(dumps: readonly Dump[], bytes: number): readonly Dump[] {
  let first = 0;
  while (first < dumps.length && sizeOf(dumps.slice(first)) > bytes) first++;
  return dumps.slice(0, first);
}

function sizeOf(dumps: readonly Dump[]): number {
  return dumps.reduce((sum, dump) => sum + dump.bytes, 0);
}
