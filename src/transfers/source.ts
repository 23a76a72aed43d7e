import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** What a server asks for before it gives a file. It stands in no message, and in no argument of a program. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface UrlSource {
  readonly kind: 'http' | 'https' | 'ftp';
  /** Without user and password. */
  readonly url: string;
  readonly credentials?: Credentials;
}

export interface NfsSource {
  readonly kind: 'nfs';
  readonly host: string;
  /** Absolute, on that host. */
  readonly path: string;
}

export interface FileSource {
  readonly kind: 'file';
  /** Absolute, on this server. */
  readonly path: string;
}

/** Where a file, or a directory of files, is brought from. */
export type TransferSource = UrlSource | NfsSource | FileSource;

const LIMIT_CHARACTERS = 2048;

/** Nothing that a shell, a header, a message or a list of names would read as anything but itself. */
const PLAIN_PATH = /^\/[A-Za-z0-9._~%+,=@:/-]*$/;
const PLAIN_QUERY = /^\?[A-Za-z0-9._~%+,=@:/?&-]*$/;
const PLAIN_URL = /^[A-Za-z0-9._~%+,=@:/?&[\]-]*$/;
const HOST = /^(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])$/;
/** An escape that is none, or one of a control character. */
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})|%[01][0-9A-Fa-f]|%7f/i;
const DOT_ELEMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

const FORMS = 'http://, https://, ftp://, nfs:HOST:/PATH, nfs://HOST/PATH, file:///PATH or an absolute path';

/**
 * @param text a URL of one of the known schemes, `nfs:HOST:/PATH`, or an absolute path of this server
 * @throws AgentError BAD_VALUE; its message shows neither user nor password
 */
export function parseSource(text: string): TransferSource {
  if (text.length > LIMIT_CHARACTERS) throw refused(text, `it is longer than ${LIMIT_CHARACTERS} characters`);
  if (text.startsWith('/')) return { kind: 'file', path: plainPath(text, text) };
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  const rest = text.slice((scheme?.length ?? 0) + 1);
  switch (scheme) {
    case 'http':
    case 'https':
    case 'ftp':
      return parseUrl(scheme, text);
    case 'nfs':
      return parseNfs(rest, text);
    case 'file':
      return parseFile(rest, text);
    case undefined:
      throw refused(text, 'it names no scheme and is no absolute path');
    default:
      throw refused(text, `the scheme ${quote(scheme)} is not served`);
  }
}

/** The source for messages and logs: without user, password and query, which may hold a token. */
export function describeSource(source: TransferSource): string {
  switch (source.kind) {
    case 'nfs':
      return `nfs:${source.host}:${source.path}`;
    case 'file':
      return source.path;
    default:
      return describeUrl(new URL(source.url));
  }
}

/** The same for the URL to which a server sent us on. */
export function describeUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname.slice(0, LIMIT_CHARACTERS)}${url.search === '' ? '' : '?…'}`;
}

/** The last element of the path, as it is written in the source; empty when it ends in a slash. */
export function sourceName(source: TransferSource): string {
  const path = pathOf(source);
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What lies below a directory. @param relative elements of plain letters, parted by slashes */
export function sourceInside(directory: TransferSource, relative: string): TransferSource {
  return withPath(directory, `${pathOf(directory).replace(/\/+$/, '')}/${relative}`);
}

/** The file of the same name with more behind it. @throws AgentError BAD_VALUE when the URL has a query */
export function sourceBeside(source: TransferSource, suffix: string): TransferSource {
  return withPath(source, pathOf(source) + suffix);
}

function pathOf(source: TransferSource): string {
  return 'url' in source ? new URL(source.url).pathname : source.path;
}

function withPath(source: TransferSource, path: string): TransferSource {
  if (!('url' in source)) return { ...source, path: plainPath(path, path) };
  const url = new URL(source.url);
  if (url.search !== '') {
    throw new AgentError(
      'BAD_VALUE',
      `look near ${describeSource(source)}: a URL with a query has no neighbours; one without a query is needed`,
    );
  }
  url.pathname = plainPath(path, path);
  return { ...source, url: url.href };
}

function parseUrl(kind: UrlSource['kind'], text: string): UrlSource {
  if (!PLAIN_URL.test(text)) throw refused(text, 'it has blanks or other characters that must be percent-encoded');
  if (BAD_ESCAPE.test(text))
    throw refused(text, 'it has a percent sign that is no escape, or escapes a control character');
  // The URL class would take one slash, or none, for two.
  if (!/^[a-z]+:\/\/[^/]/i.test(text) || !URL.canParse(text)) throw refused(text, 'it is no URL');
  const written = /^[a-z]+:\/\/[^/?]*([^?]*)/i.exec(text)![1]!;
  const url = new URL(text);
  if (!HOST.test(url.hostname)) throw refused(text, 'its host is neither a name nor an address');
  plainPath(written === '' ? '/' : written, text);
  if (url.search !== '' && (kind === 'ftp' || !PLAIN_QUERY.test(url.search))) {
    throw refused(text, 'its query cannot be used');
  }
  const credentials = url.username === '' && url.password === '' ? undefined : credentialsOf(url, text);
  url.username = '';
  url.password = '';
  return { kind, url: url.href, ...(credentials && { credentials }) };
}

function credentialsOf(url: URL, text: string): Credentials {
  try {
    return { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  } catch (cause) {
    throw refused(text, 'its user or password is not in percent-encoded UTF-8', cause);
  }
}

function parseNfs(rest: string, text: string): NfsSource {
  const form = rest.startsWith('//') ? /^\/\/(\[[^\]]*\]|[^/:]*)(\/.*)$/s : /^(\[[^\]]*\]|[^:/]*):(\/.*)$/s;
  const [, host = '', path = ''] = form.exec(rest) ?? [];
  if (!HOST.test(host)) throw refused(text, 'it does not name a host and an absolute path there');
  return { kind: 'nfs', host, path: plainPath(path, text) };
}

function parseFile(rest: string, text: string): FileSource {
  const path = /^\/\/(?:localhost)?(\/.*)$/s.exec(rest)?.[1];
  if (path === undefined) throw refused(text, 'it does not name an absolute path of this server');
  if (BAD_ESCAPE.test(path))
    throw refused(text, 'it has a percent sign that is no escape, or escapes a control character');
  try {
    return { kind: 'file', path: plainPath(decodeURIComponent(path), text) };
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw refused(text, 'it is not in percent-encoded UTF-8', cause);
  }
}

/** @param text the source as it was written, for the message */
function plainPath(path: string, text: string): string {
  if (!PLAIN_PATH.test(path))
    throw refused(text, 'its path has characters other than letters, digits and . _ ~ % + , = @ : / -');
  if (DOT_ELEMENT.test(path)) throw refused(text, 'its path has . or .. elements');
  return path;
}

function refused(text: string, why: string, cause?: unknown): AgentError {
  return new AgentError('BAD_VALUE', `source ${quote(withoutSecrets(text))}: ${why}; it must be ${FORMS}`, { cause });
}

/** Hides more than it must rather than less: a password may hold anything, and the text is not in order. */
function withoutSecrets(text: string): string {
  return text.replace(/^((?:[a-z][a-z0-9+.-]*:\/*)?).*@/is, '$1…@').replace(/\?.*$/s, '?…');
}
