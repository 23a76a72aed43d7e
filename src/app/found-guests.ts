import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Log } from '../host/log.ts';
import { isGuestName, parseGuestPath } from '../model/guest-path.ts';
import type { GuestMembership } from '../services/guest-membership.ts';

/** Makes the records of all guests whose directories are there, where the database was lost. */
export async function registerFoundGuests(
  files: RepositoryFiles,
  membership: Pick<GuestMembership, 'register'>,
  log: Log,
): Promise<void> {
  for (const repository of files.repositories()) {
    const pool = `${repository}/running_pool`;
    const entries = await files.list(pool).catch(() => []);
    for (const { name } of entries.filter(entry => isGuestName(entry.name))) {
      await membership
        .register({ user: 'agent', log }, parseGuestPath(`${pool}/${name}`))
        .catch((error: unknown) =>
          log.warn({ err: error, guest: `${pool}/${name}` }, 'a guest could not be registered again'),
        );
    }
  }
}
