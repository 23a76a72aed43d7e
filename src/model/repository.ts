import { AgentError } from '../errors.ts';
import { MOUNT_DIRECTORY, quote } from './guest-path.ts';

/** The uuid of a repository as 32 upper-case hexadecimal digits: the name of the directory in which it is mounted. */
export type RepositoryId = string & { readonly brand: 'RepositoryId' };

/** Directories of every repository: guests, templates, ISO images, templates for others, disks that guests share (guide, chapter 7). */
export const REPOSITORY_POOLS = ['running_pool', 'seed_pool', 'iso_pool', 'publish_pool', 'sharedDisk'] as const;

/** Where a repository's files come from. */
export type RepositorySource =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'nfs'; readonly host: string; readonly path: string };

/**
 * @param text a uuid in any of its usual forms: upper or lower case, with or without dashes
 * @throws AgentError BAD_VALUE
 */
export function parseRepositoryId(text: string): RepositoryId {
  const digits = text.replaceAll('-', '').toUpperCase();
  if (!/^[0-9A-F]{32}$/.test(digits)) {
    throw new AgentError(
      'BAD_VALUE',
      `repository ${quote(text)}: it is no uuid; list_repositories shows those there are`,
    );
  }
  return digits as RepositoryId;
}

/** Directory in which a repository is mounted, as callers name it. */
export function mountPlaceOf(id: RepositoryId): string {
  return `${MOUNT_DIRECTORY}/${id}`;
}

/** What a path or a name on another host may consist of: it stands in a file whose fields are parted by blanks. */
const PLAIN_PATH = /^\/[\x21-\x7e]{0,1023}$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:]{2,45}\])$/;

/**
 * @param text a block device (`/dev/…`), another directory of this server, or `host:/path` of an NFS server
 * @throws AgentError BAD_VALUE
 */
export function parseRepositorySource(text: string): RepositorySource {
  const refuse = (what: string): never => {
    throw new AgentError(
      'BAD_VALUE',
      `repository source ${quote(text)}: ${what}; it must be a block device, a directory, or host:/path of an NFS server`,
    );
  };
  if (text.startsWith('/')) {
    if (!PLAIN_PATH.test(text)) return refuse('it holds blanks or characters that are not ASCII');
    const path = normalized(text);
    if (path === '/' || text.split('/').includes('..')) return refuse('it is no directory of its own');
    return { kind: path.startsWith('/dev/') ? 'device' : 'directory', path };
  }
  const colon = text.indexOf(':/');
  if (colon < 0) return refuse('it is none of the three');
  const [host, path] = [text.slice(0, colon), text.slice(colon + 1)];
  if (!HOST.test(host)) return refuse('there is no name of a host before the colon');
  if (path.startsWith('//')) return refuse('it looks like a URL');
  if (!PLAIN_PATH.test(path)) return refuse('its path holds blanks or characters that are not ASCII');
  return { kind: 'nfs', host, path: normalized(path) };
}

/** A source as it stands in /etc/ovs/repositories. */
export function sourceText(source: RepositorySource): string {
  return source.kind === 'nfs' ? `${source.host}:${source.path}` : source.path;
}

function normalized(path: string): string {
  const elements = path.split('/').filter(element => element !== '' && element !== '.');
  return `/${elements.join('/')}`;
}
