import { existsSync, readdirSync, rmSync } from 'node:fs';
import { chmod, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActContext, Driver } from '../drivers/driver.ts';
import { messageOf } from '../errors.ts';
import { makePrivateDirectory } from '../host/atomic-file.ts';
import type { Clock } from '../host/clock.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';

export interface CoreDumpsParts {
  readonly driver: Driver;
  readonly clock: Clock;
  /** Where dumps are kept, on this server's disk. */
  readonly directory: string;
  /** Whether every crash is dumped, whatever the guest's on_crash says (enable-dump of xend-config.sxp). */
  readonly always: boolean;
}

/** Space that a dump leaves on its disk. */
const RESERVE_MIB = 256;

/** Memory of crashed guests, kept for those who look for the cause. */
export class CoreDumps {
  readonly #parts: CoreDumpsParts;

  constructor(parts: CoreDumpsParts) {
    this.#parts = parts;
  }

  /** Removes what an agent that was killed has left unfinished. */
  removeUnfinished(): void {
    const { directory } = this.#parts;
    if (!existsSync(directory)) return;
    for (const name of readdirSync(directory)) {
      if (name.endsWith('.core.part')) rmSync(join(directory, name), { force: true });
    }
  }

  get always(): boolean {
    return this.#parts.always;
  }

  /**
   * Writes the memory of a guest to a file of its own. A dump that fails is logged and no more: what happens to the guest
   * next must not wait for it.
   */
  async dump(path: GuestPath, memoryMib: number, context: ActContext, signal: AbortSignal): Promise<void> {
    const { clock, directory, driver } = this.#parts;
    const moment = new Date(clock.now()).toISOString().replace(/[-:]|\.\d+/g, '');
    const file = join(directory, `${guestNameOf(path)}-${moment}.core`);
    const partial = `${file}.part`;
    try {
      makePrivateDirectory(directory);
      const { bavail, bsize } = await statfs(directory);
      const freeMib = Math.floor((bavail * bsize) / 2 ** 20);
      if (freeMib < memoryMib + RESERVE_MIB) {
        context.log.error({ guest: path, directory, freeMib, memoryMib }, 'there is no space for the dump of a guest');
        return;
      }
      await driver.dumpCore(path, partial, context, signal);
      // QEMU leaves it to be read only.
      await chmod(partial, 0o600);
      await rename(partial, file);
      context.log.warn({ guest: path, file }, 'the memory of a guest that crashed was dumped');
    } catch (error) {
      await rm(partial, { force: true });
      context.log.error(
        { guest: path, reason: messageOf(error) },
        'the memory of a guest that crashed could not be dumped',
      );
    }
  }
}
