import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { findBootFiles } from '../bootloader/find-boot-files.ts';
import type { AgentPaths } from '../config/paths.ts';
import type { Clock } from '../host/clock.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';
import type { BootFileFinder } from '../services/start-planner.ts';

const BOOT_FILES_MS = 60_000;

/** Entries of a boot menu are named by their title or their number. */
export function bootFileFinder(clock: Clock): BootFileFinder {
  return {
    find: ({ commandLine, directory, entry, image }) =>
      findBootFiles(
        {
          image,
          format: 'raw',
          directory,
          ...(entry === undefined ? {} : { entry: /^\d+$/.test(entry) ? Number(entry) : entry }),
          extraArguments: commandLine,
          timeoutMs: BOOT_FILES_MS,
        },
        { clock },
      ),
  };
}

export function bootDirectory(paths: AgentPaths): string {
  return join(paths.runtimeDirectory, 'boot');
}

/** Kernels of guests are private while they lie there: they hold what the guest's owner put into them. */
export function makeBootDirectory(paths: AgentPaths, path: GuestPath): string {
  const parent = bootDirectory(paths);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  return mkdtempSync(join(parent, `${guestNameOf(path)}-`));
}
