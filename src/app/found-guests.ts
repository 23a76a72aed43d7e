import { readdirSync } from 'node:fs';
import type { AgentPaths } from '../config/paths.ts';
import type { Log } from '../host/log.ts';
import {
  DEFAULT_REPOSITORY,
  isGuestName,
  isRepositoryId,
  MOUNT_DIRECTORY,
  parseGuestPath,
} from '../model/guest-path.ts';
import type { GuestMembership } from '../services/guest-membership.ts';

/** Makes the records of all guests whose directories are there, where the database was lost. */
export async function registerFoundGuests(paths: AgentPaths, membership: GuestMembership, log: Log): Promise<void> {
  for (const repository of repositoriesOn(paths)) {
    const pool = `${repository}/running_pool`;
    for (const name of entriesOf(paths.onDisk(pool)).filter(isGuestName)) {
      await membership
        .register({ user: 'agent', log }, parseGuestPath(`${pool}/${name}`))
        .catch((error: unknown) =>
          log.warn({ err: error, guest: `${pool}/${name}` }, 'a guest could not be registered again'),
        );
    }
  }
}

function repositoriesOn(paths: AgentPaths): string[] {
  const mounted = entriesOf(paths.onDisk(MOUNT_DIRECTORY)).filter(isRepositoryId);
  return [DEFAULT_REPOSITORY, ...mounted.map(name => `${MOUNT_DIRECTORY}/${name}`)];
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
