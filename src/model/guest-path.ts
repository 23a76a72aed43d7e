import { AgentError } from '../errors.ts';

/**
 * Directory of a guest as callers name it, such as `/OVS/running_pool/guest`: one path element below the
 * `running_pool` of a repository. It names a place; whether something is there is another question.
 */
export type GuestPath = string & { readonly brand: 'GuestPath' };

/** Where repositories lie: the default one, and the directory of those that are mounted (guide, chapter 7). */
export const DEFAULT_REPOSITORY = '/OVS';
export const MOUNT_DIRECTORY = '/var/ovs/mount';

/** Mounted repositories are named by the 32 hexadecimal digits of their uuid. */
const REPOSITORY_ID = /^[0-9A-Fa-f]{32}$/;

/** Whether a directory below `MOUNT_DIRECTORY` has the name of a repository. */
export function isRepositoryId(name: string): boolean {
  return REPOSITORY_ID.test(name);
}

function isRepository(path: string): boolean {
  if (path === DEFAULT_REPOSITORY) return true;
  return path.startsWith(`${MOUNT_DIRECTORY}/`) && isRepositoryId(path.slice(MOUNT_DIRECTORY.length + 1));
}

/** One path element from an allow list: no separator, no leading dot or dash, nothing that a shell, XML or a reply reads. */
const GUEST_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/;

/**
 * @param text a path as it came over the wire; one trailing slash is tolerated
 * @throws AgentError BAD_VALUE when it is not the directory of a guest
 */
export function parseGuestPath(text: string): GuestPath {
  const trimmed = text.endsWith('/') ? text.slice(0, -1) : text;
  const parts = trimmed.split('/');
  const name = parts.pop() ?? '';
  const pool = parts.pop();
  if (pool !== 'running_pool' || !isRepository(parts.join('/')) || !GUEST_NAME.test(name)) {
    throw new AgentError(
      'BAD_VALUE',
      `guest path ${quote(text)}: it is not the directory of a guest; it must look like /OVS/running_pool/NAME ` +
        'or /var/ovs/mount/<32 hex digits>/running_pool/NAME, with a name of letters, digits and _ . + -',
    );
  }
  return trimmed as GuestPath;
}

/** The last element of the path: the name by which people know the guest. */
export function guestNameOf(path: GuestPath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether a text has the form of a guest's name. */
export function isGuestName(text: string): boolean {
  return GUEST_NAME.test(text);
}

/** A stranger's text made fit for a message: bounded, in quotes, control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
