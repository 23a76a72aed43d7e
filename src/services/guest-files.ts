import { randomUUID } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { AgentError } from '../errors.ts';
import type { StartPlan } from '../drivers/driver.ts';
import { bridgeExists } from '../host/bridges.ts';
import type { Disk, GuestConfig } from '../model/guest-config.ts';
import { DEFAULT_REPOSITORY, guestNameOf, type GuestPath, MOUNT_DIRECTORY, quote } from '../model/guest-path.ts';
import { findQcow2Reference } from './qcow2.ts';

/** Where paths as callers give them lie on this server's disk. */
export interface PathMap {
  onDisk(path: string): string;
}

export interface GuestFilesParts {
  readonly paths: PathMap;
  /** Reads a guest file; its errors name line and column. */
  readonly parse: (bytes: Uint8Array, path: GuestPath) => GuestConfig;
  /** Directories outside the repositories from which kernels and ramdisks are taken, as given. */
  readonly kernelDirectories: readonly string[];
  /** Memory of this server that a new guest can have now, in MiB. */
  readonly availableMemoryMib: () => number;
}

/** Largest guest file that is read. */
const GUEST_FILE_LIMIT_BYTES = 256 * 1024;
/** Memory that a hypervisor needs beside that of the guest. */
const OVERHEAD_MIB = 48;

/** Guests as they lie in repositories: their directories, guest files and images. */
export class GuestFiles {
  readonly #parts: GuestFilesParts;

  constructor(parts: GuestFilesParts) {
    this.#parts = parts;
  }

  /** @throws AgentError NO_SUCH_GUEST, BAD_CONFIG */
  async readConfig(path: GuestPath): Promise<GuestConfig> {
    const place = `${this.#parts.paths.onDisk(path)}/vm.cfg`;
    const [file, found] = await Promise.all([findRealPath(place), stat(place).catch(() => undefined)]);
    if (file !== place) await this.#requireOwnFile(path, file);
    if (file === undefined || !found?.isFile()) {
      throw new AgentError('BAD_CONFIG', `guest ${path}: it has no vm.cfg; a guest's directory must hold one`);
    }
    if (found.size > GUEST_FILE_LIMIT_BYTES) {
      throw new AgentError(
        'BAD_CONFIG',
        `guest ${path}: its vm.cfg is larger than ${GUEST_FILE_LIMIT_BYTES / 1024} KiB`,
      );
    }
    return this.#parts.parse(await readFile(file), path);
  }

  /**
   * Everything that a start needs, with all files found, allowed, and as paths on disk. Nothing is changed.
   * @throws AgentError NO_SUCH_GUEST, BAD_CONFIG, NO_SUCH_FILE, NO_RESOURCES, NOT_SUPPORTED
   */
  async planStart(path: GuestPath): Promise<StartPlan> {
    const config = await this.readConfig(path);
    const needed = config.memoryMib + OVERHEAD_MIB;
    const available = this.#parts.availableMemoryMib();
    if (needed > available) {
      throw new AgentError(
        'NO_RESOURCES',
        `start ${path}: it needs ${needed} MiB of memory (${config.memoryMib} of its own) and ${Math.max(0, available)} MiB ` +
          'are free here; lower memory in its vm.cfg or stop another guest',
      );
    }
    for (const { bridge } of config.networkInterfaces) {
      if (bridge === undefined || bridgeExists(bridge)) continue;
      throw new AgentError(
        'NO_RESOURCES',
        `start ${path}: bridge ${quote(bridge)} is not on this server; make it, or name another in vif`,
      );
    }
    const [boot, disks] = await Promise.all([
      this.#bootOnDisk(path, config),
      Promise.all(config.disks.map(disk => this.#diskOnDisk(path, disk))),
    ]);
    return { path, config: { ...config, boot, disks } };
  }

  /** Removes a guest's directory: first out of sight in one step, then file by file. */
  async removeDirectory(path: GuestPath): Promise<void> {
    const directory = await this.#directoryOf(path);
    const aside = `${dirname(directory)}/.deleted-${guestNameOf(path)}-${randomUUID()}`;
    await rename(directory, aside);
    await rm(aside, { recursive: true });
  }

  /** A link out of the guest's directory would make the agent read a stranger's file; one above it is a repository's. */
  async #requireOwnFile(path: GuestPath, file: string | undefined): Promise<void> {
    const directory = await this.#directoryOf(path);
    if (file !== undefined && dirname(file) !== directory) {
      throw new AgentError('BAD_CONFIG', `guest ${path}: its vm.cfg is a link to elsewhere; it must be a file`);
    }
  }

  async #directoryOf(path: GuestPath): Promise<string> {
    const place = this.#parts.paths.onDisk(path);
    const [pool, directory, found] = await Promise.all([
      findRealPath(dirname(place)),
      findRealPath(place),
      stat(place).catch(() => undefined),
    ]);
    if (pool === undefined || directory === undefined || !found?.isDirectory()) {
      throw new AgentError('NO_SUCH_GUEST', `guest ${path}: there is no such directory; make it, with a vm.cfg in it`);
    }
    if (dirname(directory) !== pool) {
      throw new AgentError(
        'NO_SUCH_GUEST',
        `guest ${path}: it is a link to outside its repository; it must be a directory`,
      );
    }
    return directory;
  }

  async #bootOnDisk(path: GuestPath, { boot }: GuestConfig): Promise<GuestConfig['boot']> {
    if (boot.from !== 'kernel') return boot;
    const allowed = this.#parts.kernelDirectories;
    const [kernel, ramdisk] = await Promise.all([
      this.#fileOnDisk(path, 'kernel', boot.kernel, allowed),
      boot.ramdisk === undefined ? undefined : this.#fileOnDisk(path, 'ramdisk', boot.ramdisk, allowed),
    ]);
    return { ...boot, kernel, ramdisk };
  }

  async #diskOnDisk(path: GuestPath, disk: Disk): Promise<Disk> {
    if (disk.source === undefined) return disk;
    const label = `disk ${disk.target}`;
    if (disk.sourceKind === 'device') return { ...disk, source: await deviceOnDisk(path, label, disk.source) };
    const source = await this.#fileOnDisk(path, label, disk.source, []);
    if (disk.format === 'qcow2') await refuseReferences(path, label, source);
    return { ...disk, source };
  }

  /** A file that vm.cfg names must lie inside a repository, whatever links lead to it. */
  async #fileOnDisk(path: GuestPath, label: string, given: string, alsoBelow: readonly string[]): Promise<string> {
    const { paths } = this.#parts;
    const place = paths.onDisk(given);
    const [file, found] = await Promise.all([findRealPath(place), stat(place).catch(() => undefined)]);
    if (file === undefined || !found?.isFile()) {
      throw new AgentError(
        'NO_SUCH_FILE',
        `start ${path}: ${label} ${quote(given)} is not there; put the file there, or mend vm.cfg`,
      );
    }
    const roots = [DEFAULT_REPOSITORY, MOUNT_DIRECTORY, ...alsoBelow].map(root => paths.onDisk(root));
    // Where no link leads elsewhere, what the path says is where the file is.
    const realRoots = file === place ? roots : await Promise.all(roots.map(findRealPath));
    if (realRoots.some(root => root !== undefined && file.startsWith(root + sep))) return file;
    const where = [`the repositories (${DEFAULT_REPOSITORY}, ${MOUNT_DIRECTORY})`, ...alsoBelow].join(' or ');
    throw new AgentError(
      'BAD_CONFIG',
      `start ${path}: ${label} ${quote(given)} lies outside ${where}; it must lie inside`,
    );
  }
}

/** Where a path leads, links and all; undefined when it leads nowhere. */
function findRealPath(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

/** Devices are those of this server, whatever root directory the agent has. */
async function deviceOnDisk(path: GuestPath, label: string, given: string): Promise<string> {
  const device = await findRealPath(given);
  if (device === undefined || !(await stat(device)).isBlockDevice()) {
    throw new AgentError(
      'NO_SUCH_FILE',
      `start ${path}: ${label} ${quote(given)} is no block device of this server; see phy: in vm.cfg`,
    );
  }
  return device;
}

async function refuseReferences(path: GuestPath, label: string, file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const header = Buffer.alloc(104);
    await handle.read(header, 0, header.length, 0);
    const reference = findQcow2Reference(header);
    if (reference === undefined) return;
    throw new AgentError(
      'NOT_SUPPORTED',
      `start ${path}: ${label} is a qcow2 image with ${reference}, which could name any file of this server; ` +
        'make it whole with "qemu-img convert -O qcow2"',
    );
  } finally {
    await handle.close();
  }
}
