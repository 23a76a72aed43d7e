import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { runCommand } from '../host/command.ts';
import { quote } from '../model/guest-path.ts';
import { RESERVE_BYTES } from './disk-room.ts';

export interface NewImage {
  /** As given; its directory is there. */
  readonly file: string;
  readonly sizeMib: number;
  /** Whether it takes all its space at once. */
  readonly preallocate: boolean;
}

export interface NewImageParts {
  readonly repositoryFiles: RepositoryFiles;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

const MIB = 2 ** 20;
/** File systems that cannot reserve space have it written. */
const PREALLOCATION_MS = 24 * 3_600_000;

/**
 * Finds out whether images fit: together where they take their space at once, and each by itself where they do not.
 * @param images in directories that are there
 * @throws AgentError NO_RESOURCES with what is needed and what there is, in MiB
 */
export async function requireImageRoom(
  act: string,
  images: readonly NewImage[],
  { repositoryFiles }: Pick<NewImageParts, 'repositoryFiles'>,
): Promise<void> {
  for (const directory of new Set(images.map(({ file }) => posix.dirname(file)))) {
    const inside = images.filter(({ file }) => posix.dirname(file) === directory);
    const { freeBytes, sizeBytes } = await repositoryFiles.space(directory);
    const neededMib = inside.filter(({ preallocate }) => preallocate).reduce((sum, { sizeMib }) => sum + sizeMib, 0);
    const freeMib = Math.max(0, Math.floor((freeBytes - RESERVE_BYTES) / MIB));
    if (neededMib > freeMib) {
      throw new AgentError(
        'NO_RESOURCES',
        `${act}: its disks need ${neededMib} MiB in ${directory}, and ${freeMib} MiB can be had; make room`,
      );
    }
    const largest = Math.max(...inside.map(({ sizeMib }) => sizeMib));
    if (largest * MIB <= sizeBytes) continue;
    throw new AgentError(
      'NO_RESOURCES',
      `${act}: a disk of ${largest} MiB could never be filled in ${directory}, which has ${Math.floor(sizeBytes / MIB)} MiB in all; a smaller one is needed`,
    );
  }
}

/** Makes an image, whole or not at all. @throws AgentError EXISTS, NO_RESOURCES, CANCELLED, HOST */
export async function makeNewImage(
  { file, preallocate, sizeMib }: NewImage,
  { clock, repositoryFiles, signal }: NewImageParts,
): Promise<void> {
  await repositoryFiles.makeImage(file, sizeMib * MIB);
  if (!preallocate) return;
  try {
    const found = await repositoryFiles.find(file);
    if (found.outcome !== 'there') throw new AgentError('HOST', `make ${quote(file)}: it is gone already; try again`);
    const args = ['--posix', '--length', String(sizeMib * MIB), '--', found.place];
    const options = { clock, timeoutMs: PREALLOCATION_MS, ...(signal && { signal }), debianPackage: 'util-linux' };
    const { exitCode, stderr } = await runCommand('fallocate', args, options);
    if (exitCode === 0) return;
    const said = stderr.trim().slice(0, 300);
    throw said.includes('No space left')
      ? new AgentError('NO_RESOURCES', `make ${quote(file)}: no space is left; make room`)
      : new AgentError('HOST', `make ${quote(file)}: ${said}; see to the disk`);
  } catch (error) {
    await repositoryFiles.remove(file);
    throw error;
  }
}
