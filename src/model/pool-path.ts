import { AgentError } from '../errors.ts';
import { DEFAULT_REPOSITORY, isGuestName, parseGuestPath, quote } from './guest-path.ts';

/** Pools whose files are named by their name in the default repository, or by their whole path. */
export type Pool = 'seed_pool' | 'iso_pool' | 'sharedDisk';

/** Image of a CD in an iso_pool, or of a disk in sharedDisk, such as `/OVS/iso_pool/oel5.iso` or `/OVS/iso_pool/linux/oel5.iso`. */
export type ImagePath = string & { readonly brand: 'ImagePath' };

/** What files of a pool are called in messages. */
const KIND: Readonly<Record<Pool, string>> = { seed_pool: 'template', iso_pool: 'ISO', sharedDisk: 'shared disk' };

/** Controllers keep ISOs in directories, one for each group (guide, 4.5). */
const DEEPEST: Readonly<Record<Pool, number>> = { seed_pool: 1, iso_pool: 2, sharedDisk: 1 };

/**
 * The whole path of a file in a pool of a repository.
 * @param text its name in the default repository, or its path
 * @throws AgentError BAD_VALUE
 */
export function parsePoolPath(pool: Pool, text: string): string {
  const given = text.startsWith('/') ? text.replace(/\/$/, '') : `${DEFAULT_REPOSITORY}/${pool}/${text}`;
  const [repository = '', inside = ''] = splitAt(given, `/${pool}/`);
  const names = inside.split('/');
  try {
    if (names.length > DEEPEST[pool] || !names.every(isGuestName)) throw new Error();
    // The same repositories have guests.
    parseGuestPath(`${repository}/running_pool/${names[0]!}`);
  } catch {
    const form = `${DEFAULT_REPOSITORY}/${pool}/${DEEPEST[pool] > 1 ? '[GROUP/]' : ''}NAME`;
    throw new AgentError(
      'BAD_VALUE',
      `${KIND[pool]} ${quote(text)}: it must be a name, or look like ${form}, with a name of letters, digits and _ . + -`,
    );
  }
  return given;
}

/** @throws AgentError BAD_VALUE */
export function parseImagePath(pool: 'iso_pool' | 'sharedDisk', text: string): ImagePath {
  return parsePoolPath(pool, text) as ImagePath;
}

function splitAt(text: string, separator: string): readonly [string, string] | readonly [] {
  const at = text.indexOf(separator);
  return at < 0 ? [] : [text.slice(0, at), text.slice(at + separator.length)];
}
