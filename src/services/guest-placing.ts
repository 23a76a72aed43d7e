import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';
import type { Step } from '../operations/operation.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';

export interface GuestPlacingParts {
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
}

/** A guest whose directory is made under another name first. */
export interface Placing {
  readonly path: GuestPath;
  readonly aside: string;
  readonly user: string;
}

/** A name beside a guest's directory for one that is not finished; nothing is there yet. */
export function nameUnfinished(path: GuestPath): string {
  return `${posix.dirname(path)}/.creating-${guestNameOf(path)}-${randomUUID()}`;
}

/**
 * Puts a whole directory in its place, and makes the guest's record: to be the last steps of an operation, which is finished from
 * the first of them.
 */
export function placingSteps({ files, records, repositoryFiles }: GuestPlacingParts): readonly Step<Placing>[] {
  return [
    {
      name: 'place',
      title: 'puts it in its place',
      weight: 1,
      run: async ({ aside, path }) => {
        if ((await repositoryFiles.find(aside)).outcome === 'there') await repositoryFiles.rename(aside, path);
      },
    },
    {
      name: 'record',
      title: 'makes its record',
      weight: 1,
      run: async ({ path, user }) => {
        if (records.find(path)) return;
        const { memoryMib, vcpus } = await files.readConfig(path);
        await records.add(path, 'DOWN', user, { memory: memoryMib, vcpus });
      },
    },
  ];
}

/** @throws AgentError EXISTS when there is a guest or anything else of that name */
export async function requireNoGuest(
  act: string,
  path: GuestPath,
  { records, repositoryFiles }: Pick<GuestPlacingParts, 'records' | 'repositoryFiles'>,
): Promise<void> {
  await requireOneName(act, path, { records, repositoryFiles });
  if (records.find(path) || (await repositoryFiles.find(path)).outcome !== 'absent') {
    throw new AgentError('EXISTS', `${act} ${path}: there is a guest or a directory of that name; choose another`);
  }
}

/**
 * The default repository has a second name, that of its mount: a guest in it is known by one of the two.
 * @throws AgentError EXISTS when it is known by the other
 */
export async function requireOneName(
  act: string,
  path: GuestPath,
  { records, repositoryFiles }: Pick<GuestPlacingParts, 'records' | 'repositoryFiles'>,
): Promise<void> {
  const namesakes = records.named(guestNameOf(path)).filter(record => record.path !== path);
  if (namesakes.length === 0) return;
  const pool = await repositoryFiles.find(posix.dirname(path));
  for (const other of namesakes) {
    const otherPool = await repositoryFiles.find(posix.dirname(other.path));
    if (pool.outcome !== 'there' || otherPool.outcome !== 'there' || pool.place !== otherPool.place) continue;
    throw new AgentError('EXISTS', `${act} ${path}: that directory is registered as ${other.path}; use that name`);
  }
}
