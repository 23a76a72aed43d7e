import { realpath, stat } from 'node:fs/promises';
import type { Holdings } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { PathMap } from '../files/repository-places.ts';
import { findHolders } from '../host/file-holders.ts';
import { canShare, type Disk } from '../model/guest-config.ts';
import { type GuestPath, quote } from '../model/guest-path.ts';
import type { GuestFiles } from './guest-files.ts';
import { findQcow2Reference } from '../images/qcow2.ts';

export interface GuestDisksParts {
  readonly paths: PathMap;
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly holdings: () => readonly Holdings[];
}

const QCOW2_HEADER_BYTES = 104;

/** The images and devices of guests: where they lie, whether they can be used, and who uses them. */
export class GuestDisks {
  readonly #parts: GuestDisksParts;

  constructor(parts: GuestDisksParts) {
    this.#parts = parts;
  }

  /**
   * The disk with its source as it lies on this server's disk.
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG, NOT_SUPPORTED
   */
  async resolve(act: string, path: GuestPath, disk: Disk): Promise<Disk> {
    if (disk.source === undefined) return disk;
    const label = `disk ${disk.target}`;
    if (disk.sourceKind === 'device') return { ...disk, source: await deviceOnDisk(act, path, label, disk.source) };
    const source = await this.#parts.files.findFile(act, path, label, disk.source);
    if (disk.format === 'qcow2') await this.#refuseReferences(act, path, label, source);
    return { ...disk, source };
  }

  /**
   * Finds out whether a running guest has one of the disks, so that two never write to the same.
   * @param disks with sources as they lie on this server's disk
   * @throws AgentError IN_USE with the name of the guest that has it
   */
  requireFree(act: string, path: GuestPath, disks: readonly Disk[]): void {
    for (const held of this.#parts.holdings()) {
      if (held.path === path) continue;
      for (const { mode, source, target } of disks) {
        const other = held.disks.find(candidate => candidate.source === source);
        if (!other || canShare(mode, other.mode)) continue;
        throw new AgentError(
          'IN_USE',
          `${act} ${path}: disk ${target} (${this.#parts.paths.asGiven(other.source)}) is in use by ${held.path}, as ${other.target} with mode ${other.mode}; ` +
            `stop that guest, or write w! in both for a disk that they share`,
        );
      }
    }
  }

  /** After a failure: the processes of this server that have one of the disks open, as the rest of a sentence. */
  async describeHolders(disks: readonly Disk[]): Promise<string> {
    const sources = disks.flatMap(disk => disk.source ?? []);
    const holders = await findHolders(sources);
    return holders
      .map(
        ({ command, file, processId }) =>
          `; ${this.#parts.paths.asGiven(file)} is open in process ${processId} (${command})`,
      )
      .join('');
  }

  async #refuseReferences(act: string, path: GuestPath, label: string, file: string): Promise<void> {
    const { paths, repositoryFiles } = this.#parts;
    const piece = await repositoryFiles.readPiece(paths.asGiven(file), 0, QCOW2_HEADER_BYTES);
    const header = Buffer.concat([piece, Buffer.alloc(QCOW2_HEADER_BYTES)]);
    const reference = findQcow2Reference(header);
    if (reference === undefined) return;
    throw new AgentError(
      'NOT_SUPPORTED',
      `${act} ${path}: ${label} is a qcow2 image with ${reference}, which could name any file of this server; ` +
        'make it whole with "qemu-img convert -O qcow2"',
    );
  }
}

/** Devices are those of this server, whatever root directory the agent has. */
async function deviceOnDisk(act: string, path: GuestPath, label: string, given: string): Promise<string> {
  const device = await realpath(given).catch(() => undefined);
  if (device === undefined || !(await stat(device)).isBlockDevice()) {
    throw new AgentError(
      'NO_SUCH_FILE',
      `${act} ${path}: ${label} ${quote(given)} is no block device of this server; see phy: in vm.cfg`,
    );
  }
  return device;
}
