import type { Holdings } from '../drivers/driver.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { GuestLanes } from '../operations/guest-lanes.ts';
import type { GuestRecords } from './guest-records.ts';

export interface RepositoryUsersParts {
  readonly files: RepositoryFiles;
  readonly records: Pick<GuestRecords, 'list'>;
  readonly lanes: Pick<GuestLanes, 'busy'>;
  readonly holdings: () => readonly Holdings[];
}

/** States of a guest in which nothing of it is open. */
const AT_REST = new Set(['DOWN', 'SUSPEND', 'ERROR']);

/** Who needs a repository now, as the rest of a sentence each: guests that run from it or have a disk there, and acts in it. */
export function usersOf(
  { files, holdings, lanes, records }: RepositoryUsersParts,
  repository: string,
): readonly string[] {
  const isThere = (path: string): boolean => files.isIn(repository, path);
  const running = records.list().filter(({ path, status }) => !AT_REST.has(status) && isThere(path));
  const users = new Map<string, string>(running.map(({ path, status }) => [path, `guest ${path} is ${status}`]));
  for (const { disks, path } of holdings()) {
    const disk = disks.find(({ source }) => isThere(source));
    if (users.has(path)) continue;
    if (isThere(path)) users.set(path, `guest ${path} runs`);
    else if (disk) users.set(path, `guest ${path} has its disk ${disk.target} there`);
  }
  for (const { act, path } of lanes.busy()) {
    if (isThere(path) && !users.has(path)) users.set(path, `"${act}" works on ${path}`);
  }
  return [...users.values()];
}
