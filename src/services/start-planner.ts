import { rm } from 'node:fs/promises';
import type { Driver, StartPlan } from '../drivers/driver.ts';
import { AgentError, messageOf } from '../errors.ts';
import { bridgeExists } from '../host/bridges.ts';
import type { Boot, Disk, GuestConfig } from '../model/guest-config.ts';
import { type GuestPath, quote } from '../model/guest-path.ts';
import { applyChanges, type ConfigChanges } from '../vmcfg/changes.ts';
import { checkGuest } from '../vmcfg/checks.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';
import type { GuestFile } from '../vmcfg/reader.ts';
import type { Caller } from './caller.ts';
import type { CheckHost } from './check-host.ts';
import type { GuestDisks } from './guest-disks.ts';
import type { GuestFiles } from './guest-files.ts';

/** Finds kernel and ramdisk in an image, as the guest's own boot loader would (pygrub's work). */
export interface BootFileFinder {
  /**
   * @param directory new, empty; what is found is put there
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG, NOT_SUPPORTED, TIMEOUT, HOST
   */
  find(request: {
    readonly image: string;
    readonly directory: string;
    readonly entry: string | undefined;
    readonly commandLine: string;
  }): Promise<FoundKernel>;
}

export interface FoundKernel {
  readonly kernel: string;
  readonly ramdisk: string | undefined;
  readonly commandLine: string;
  /** Title of the menu's entry. */
  readonly title: string;
  /** What was not as the menu says, in sentences. */
  readonly notes: readonly string[];
}

export interface StartPlannerParts {
  readonly driver: Driver;
  readonly files: GuestFiles;
  readonly disks: GuestDisks;
  readonly reader: GuestReader;
  readonly host: CheckHost;
  readonly bootFiles: BootFileFinder;
  /** A new directory for the kernel and ramdisk of one start. */
  readonly makeDirectory: (path: GuestPath) => string;
  /** Directories outside the repositories from which kernels and ramdisks are taken, as given. */
  readonly kernelDirectories: readonly string[];
  /** Memory of this server that a new guest can have now, in MiB. */
  readonly availableMemoryMib: () => Promise<number>;
  readonly processors: number;
}

/** By what a guest is known to others. */
interface GuestIdentity {
  readonly uuid?: string;
  readonly networkInterfaces: readonly { readonly mac: string }[];
}

/** Memory that a hypervisor needs beside that of the guest. */
const OVERHEAD_MIB = 48;

/** What a start needs is looked up and checked here; nothing but the guest file is changed. */
export class StartPlanner {
  readonly #parts: StartPlannerParts;

  constructor(parts: StartPlannerParts) {
    this.#parts = parts;
  }

  /**
   * Runs `start` with everything that it needs: all files found, allowed, and as paths on disk.
   * @param start is given the plan, and the digest of what the guest file says
   * @param overrides in place of what the guest file says, for this start only
   * @param fetched directory, as given, in which the kernel of this start lies until it runs
   * @throws AgentError NO_SUCH_GUEST, BAD_CONFIG, NO_SUCH_FILE, NO_RESOURCES, NOT_SUPPORTED, IN_USE
   */
  async withPlan<T>(
    caller: Caller,
    path: GuestPath,
    start: (plan: StartPlan, digest: string) => Promise<T>,
    overrides: ConfigChanges = {},
    fetched?: string,
  ): Promise<T> {
    const { config, digest: meaning } = await this.#readConfig(caller, path, overrides);
    await this.requireMemory('start', path, config.memoryMib);
    this.#requireProcessors(path, config);
    for (const { bridge } of config.networkInterfaces) requireBridge('start', path, bridge);
    const disks = await Promise.all(config.disks.map(disk => this.#parts.disks.resolve('start', path, disk)));
    this.#parts.disks.requireFree('start', path, disks);
    this.requireOwnIdentity('start', path, config);
    const temporary = config.boot.from === 'bootloader' ? this.#parts.makeDirectory(path) : undefined;
    try {
      const boot = await this.#bootOnDisk(caller, path, config, disks, { temporary, fetched });
      const plan = { path, config: { ...config, boot, disks }, bootIsTemporary: (temporary ?? fetched) !== undefined };
      this.#parts.driver.check(plan);
      return await start(plan, meaning);
    } catch (error) {
      throw await this.#explained(error, disks);
    } finally {
      // A hypervisor has read both once it runs, and a driver that reads them again has kept them.
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    }
  }

  /** @throws AgentError NO_RESOURCES */
  async requireMemory(act: string, path: GuestPath, memoryMib: number): Promise<void> {
    const needed = memoryMib + OVERHEAD_MIB;
    const available = await this.#parts.availableMemoryMib();
    if (needed <= available) return;
    throw new AgentError(
      'NO_RESOURCES',
      `${act} ${path}: it needs ${needed} MiB of memory (${memoryMib} of its own) and ${Math.max(0, available)} MiB ` +
        'are free here; lower memory in its vm.cfg or stop another guest',
    );
  }

  /** Reads the guest file; addresses that are made for its network cards are written into it. */
  async #readConfig(
    caller: Caller,
    path: GuestPath,
    overrides: ConfigChanges,
  ): Promise<{ readonly config: GuestConfig; readonly digest: string }> {
    const { files, reader } = this.#parts;
    const { bytes: written, digest } = await files.read(path);
    const isOverridden = Object.keys(overrides).length > 0;
    const bytes = isOverridden ? reader.edit(written, path, editor => applyChanges(editor, overrides)) : written;
    const file = reader.readFile(bytes, path);
    const config = reader.configOf(file, path);
    this.#warn(caller, path, file, config);
    const asRead = { config, digest: reader.meaningOf(file) };
    // What holds for one start only is written nowhere.
    if (config.networkInterfaces.length === 0 || isOverridden) return asRead;
    const complete = reader.withMacs(bytes, path);
    if (complete === bytes) return asRead;
    try {
      await files.write(path, complete, digest);
      caller.log.info({ guest: path }, 'the addresses of its network cards were written into vm.cfg');
    } catch (error) {
      // They are the same at the next start all the same: a repository that cannot be written to is no obstacle.
      caller.log.warn({ guest: path, reason: messageOf(error) }, 'vm.cfg could not be completed');
      return asRead;
    }
    return { config, digest: reader.meaningOf(reader.readFile(complete, path)) };
  }

  /** What is no obstacle, and will surprise somebody, is in the log of the start. */
  #warn(caller: Caller, path: GuestPath, file: GuestFile, config: GuestConfig): void {
    const host = this.#parts.host.describe(path, config);
    for (const finding of checkGuest({ path, file, config, host, unusable: [], neighbours: [] })) {
      if (finding.severity !== 'warning') continue;
      const { code, line, mend, message } = finding;
      caller.log.warn({ guest: path, code, line, mend }, message);
    }
  }

  #requireProcessors(path: GuestPath, { pinning }: GuestConfig): void {
    const { processors } = this.#parts;
    const missing = pinning.flat().find(number => number >= processors);
    if (missing === undefined) return;
    throw new AgentError(
      'NO_RESOURCES',
      `start ${path}: cpus names processor ${missing}, and this server has 0 to ${processors - 1}; mend cpus in its vm.cfg`,
    );
  }

  /**
   * Two systems with one identity or one address disturb each other and all that talk to them.
   * @throws AgentError IN_USE
   */
  requireOwnIdentity(act: string, path: GuestPath, { networkInterfaces, uuid }: GuestIdentity): void {
    for (const held of this.#parts.driver.holdings()) {
      if (held.path === path) continue;
      const mac = networkInterfaces.find(card => held.macs.includes(card.mac))?.mac;
      const isTwin = uuid !== undefined && held.uuid === uuid;
      const what = isTwin ? `uuid ${uuid}` : mac === undefined ? undefined : `network address ${mac}`;
      if (what === undefined) continue;
      throw new AgentError(
        'IN_USE',
        `${act} ${path}: ${held.path} runs with the same ${what}; remove it from vm.cfg, and a new one is made`,
      );
    }
  }

  async #bootOnDisk(
    caller: Caller,
    path: GuestPath,
    { boot }: GuestConfig,
    disks: readonly Disk[],
    { fetched, temporary }: { readonly temporary: string | undefined; readonly fetched: string | undefined },
  ): Promise<Boot> {
    if (boot.from === 'firmware') return boot;
    if (boot.from === 'bootloader') return this.#bootFromDisk(caller, path, boot, disks, temporary!);
    const directories = [...this.#parts.kernelDirectories, ...(fetched === undefined ? [] : [fetched])];
    const find = (label: string, file: string): Promise<string> =>
      this.#parts.files.findFile('start', path, label, file, directories);
    const [kernel, ramdisk] = await Promise.all([
      find('kernel', boot.kernel),
      boot.ramdisk === undefined ? undefined : find('ramdisk', boot.ramdisk),
    ]);
    // QEMU takes a comma in the name of a ramdisk for the end of one and the beginning of the next (multiboot modules).
    if (ramdisk !== undefined && /[,\s]/.test(ramdisk)) {
      throw new AgentError(
        'BAD_CONFIG',
        `start ${path}: ramdisk ${quote(ramdisk)} has a comma or a blank in its name; rename it`,
      );
    }
    return { ...boot, kernel, ramdisk };
  }

  async #bootFromDisk(
    caller: Caller,
    path: GuestPath,
    { commandLine, entry }: Boot & { readonly from: 'bootloader' },
    disks: readonly Disk[],
    directory: string,
  ): Promise<Boot> {
    const disk = disks.find(candidate => !candidate.isCdrom);
    if (disk?.source === undefined || disk.format !== 'raw' || disk.sourceKind !== 'file') {
      throw new AgentError(
        'NOT_SUPPORTED',
        `start ${path}: pygrub needs a raw image file as its first disk; ${advice(disk)}`,
      );
    }
    try {
      const { notes, title, ...found } = await this.#parts.bootFiles.find({
        image: disk.source,
        directory,
        entry,
        commandLine,
      });
      caller.log.info({ guest: path, title, notes }, "the kernel was taken out of the guest's disk");
      return { from: 'kernel', ...found };
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      throw new AgentError(error.code, `start ${path}: pygrub, disk ${disk.target}: ${error.message}`, {
        cause: error,
      });
    }
  }

  /** A disk that another program has locked: QEMU knows that it is, and not by whom. */
  async #explained(error: unknown, disks: readonly Disk[]): Promise<unknown> {
    if (!(error instanceof AgentError) || !/Failed to get .*lock/.test(error.message)) return error;
    const holders = await this.#parts.disks.describeHolders(disks);
    return new AgentError('IN_USE', `${error.message}${holders}`, { cause: error });
  }
}

function advice(disk: Disk | undefined): string {
  if (!disk) return 'add one to disk';
  return disk.sourceKind === 'device'
    ? `${disk.target} is a device of this server: write kernel and ramdisk in place of bootloader`
    : `make ${disk.target} one with "qemu-img convert -O raw", and write file:`;
}

/** @throws AgentError NO_RESOURCES */
export function requireBridge(act: string, path: GuestPath, bridge: string | undefined): void {
  if (bridge === undefined || bridgeExists(bridge)) return;
  throw new AgentError(
    'NO_RESOURCES',
    `${act} ${path}: bridge ${quote(bridge)} is not on this server; make it, or name another in vif`,
  );
}
