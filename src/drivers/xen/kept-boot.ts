import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Boot } from '../../model/guest-config.ts';

/** Kernels that were found in images: Xen reads them again when the domain is made again, at a reboot of its system. */
export class KeptBoot {
  readonly #parent: string;

  constructor(parent: string) {
    this.#parent = parent;
  }

  /** @param id of the guest's directory */
  keep(id: string, boot: Boot): Boot {
    if (boot.from !== 'kernel') return boot;
    const directory = join(this.#parent, id);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const keep = (file: string, name: string): string => {
      const kept = join(directory, name);
      copyFileSync(file, kept, constants.COPYFILE_FICLONE);
      return kept;
    };
    return {
      ...boot,
      kernel: keep(boot.kernel, 'kernel'),
      ramdisk: boot.ramdisk === undefined ? undefined : keep(boot.ramdisk, 'ramdisk'),
    };
  }

  forget(id: string): void {
    rmSync(join(this.#parent, id), { recursive: true, force: true });
  }

  /** After a restart of the server no guest is left that had them. */
  forgetAllBut(ids: ReadonlySet<string>): void {
    if (!existsSync(this.#parent)) return;
    for (const id of readdirSync(this.#parent)) if (!ids.has(id)) this.forget(id);
  }
}
