import { rm } from 'node:fs/promises';
import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { PathMap } from '../files/repository-places.ts';
import type { Clock } from '../host/clock.ts';
import { fetchBootFiles } from '../install-trees/fetch-boot-files.ts';
import { findInstallKernel } from '../install-trees/find-install-kernel.ts';
import { type GuestPath, quote } from '../model/guest-path.ts';
import type { NewGuest } from '../model/new-guest.ts';
import { parseSource, type TransferSource } from '../transfers/source.ts';
import type { ConfigChanges } from '../vmcfg/changes.ts';
import type { Caller } from './caller.ts';
import type { GuestCreation } from './guest-creation.ts';
import type { GuestLifecycle } from './guest-lifecycle.ts';
import type { GuestMembership } from './guest-membership.ts';

export interface GuestInstallationParts {
  readonly driver: Pick<Driver, 'name'>;
  readonly creation: GuestCreation;
  readonly lifecycle: Pick<GuestLifecycle, 'start'>;
  readonly membership: Pick<GuestMembership, 'delete'>;
  readonly repositoryFiles: RepositoryFiles;
  readonly paths: PathMap;
  readonly clock: Clock;
  /** A new directory for the kernel and ramdisk of one start; those that were left are removed when an agent starts. */
  readonly makeDirectory: (path: GuestPath) => string;
  /** What uname(2) calls the architecture of this server. */
  readonly machine: string;
}

/** A server may say nothing for so long. */
const IDLE_MS = 60_000;
/** Share of the progress that the start has; what is before that has the rest. */
const START_PERCENT = 5;

/** Guests that are made, and started for the first time with the installer of their system (guide, 4.5). */
export class GuestInstallation {
  readonly #parts: GuestInstallationParts;

  constructor(parts: GuestInstallationParts) {
    this.#parts = parts;
  }

  /**
   * Makes a guest and starts it. The kernel of an installation tree is that of this start only: when its installer reboots, the guest
   * ends, and boots from its own disk from then on.
   * @throws AgentError as `GuestCreation.create` does, those of transfers, and those of a start: the guest stays then, DOWN
   */
  async install(caller: Caller, path: GuestPath, guest: NewGuest): Promise<void> {
    const { creation, makeDirectory, paths } = this.#parts;
    await creation.requirePossible(caller, path, guest);
    const { install } = guest;
    if (install.from !== 'tree') {
      await creation.create(partOf(caller, 0, 100 - START_PERCENT), path, guest);
      await this.#start(caller, path, {});
      return;
    }
    const directory = makeDirectory(path);
    try {
      const half = (100 - START_PERCENT) / 2;
      const boot = await this.#fetch(partOf(caller, 0, half), guest, install.location, directory);
      await creation.create(partOf(caller, half, 2 * half), path, guest);
      const overrides = { ...boot, extra: install.arguments, bootloader: null, on_reboot: 'destroy' };
      await this.#start(caller, path, overrides, paths.asGiven(directory));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async #start(caller: Caller, path: GuestPath, overrides: ConfigChanges, fetched?: string): Promise<void> {
    caller.report?.({ percent: 100 - START_PERCENT, step: 'starts it' });
    try {
      await this.#parts.lifecycle.start(caller, path, overrides, fetched);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      if (error.code === 'CANCELLED') {
        // The guest is there for the sake of its installation alone.
        await this.#parts.membership.delete({ user: caller.user, log: caller.log }, path);
        throw error;
      }
      const next = fetched === undefined ? 'start_vm starts it, ' : '';
      throw new AgentError(
        error.code,
        `${error.message}; the guest was made, and is DOWN: ${next}delete_vm removes it`,
        { cause: error },
      );
    }
  }

  /** Kernel and ramdisk of the tree, as keys of vm.cfg. */
  async #fetch(
    { report, signal }: Caller,
    guest: NewGuest,
    location: string,
    directory: string,
  ): Promise<{ readonly kernel: string; readonly ramdisk: string }> {
    const { clock, driver, machine, paths } = this.#parts;
    const options = { clock, idleTimeoutMs: IDLE_MS, ...(signal && { signal }) };
    // Only Xen runs a kernel that is built for Xen alone.
    const wanted = {
      kind: driver.name === 'xen' ? 'xen' : 'hvm',
      architecture: architectureOf(guest.arch ?? machine),
    } as const;
    const tree = await findInstallKernel(await this.#sourceOf(location), wanted, options);
    const { kernel, ramdisk } = await fetchBootFiles(tree, directory, {
      ...options,
      onProgress: (done, total) =>
        report?.({
          percent: total === undefined ? 0 : (100 * done) / Math.max(1, total),
          step: 'fetches the installer',
        }),
    });
    return { kernel: paths.asGiven(kernel), ramdisk: paths.asGiven(ramdisk) };
  }

  /** A directory of this server must lie in a repository: nobody is to read files of this server in that way. */
  async #sourceOf(location: string): Promise<TransferSource> {
    const source = parseSource(location);
    if (source.kind !== 'file') return source;
    const found = await this.#parts.repositoryFiles.find(source.path);
    if (found.outcome === 'there') return { ...source, path: found.place };
    const isOutside = found.outcome === 'outside';
    throw new AgentError(
      isOutside ? 'BAD_VALUE' : 'NO_SUCH_FILE',
      `install from ${quote(location)}: ${isOutside ? 'it lies outside the repositories' : 'it is not there'}; name a directory in a repository`,
    );
  }
}

/** The caller with the part of the whole progress that one act has. Its job is not done with that act. */
function partOf(caller: Caller, from: number, to: number): Caller {
  const { report } = caller;
  const scaled = report && {
    report: (progress: Parameters<typeof report>[0]) =>
      report({ ...progress, percent: from + ((to - from) * progress.percent) / 100 }),
  };
  return { ...caller, job: undefined, ...scaled };
}

/** @throws AgentError NOT_SUPPORTED */
function architectureOf(name: string): 'x86_64' | 'i386' {
  if (/^i[3-6]86$/.test(name)) return 'i386';
  if (name === 'x86_64' || name === 'amd64') return 'x86_64';
  throw new AgentError(
    'NOT_SUPPORTED',
    `install for ${quote(name)}: no kernels of it are known; x86_64 or i386 is needed`,
  );
}
