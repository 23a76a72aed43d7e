import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { rootCertificates } from 'node:tls';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { ReachOptions } from './origin.ts';
import { waitPatiently } from './patience.ts';
import { type Credentials, describeUrl } from './source.ts';

export interface HttpTarget {
  readonly url: URL;
  readonly credentials: Credentials | undefined;
  /** Certificates that are trusted; those that Node.js knows when undefined. */
  readonly authorities: readonly string[] | undefined;
}

export interface HttpAnswer {
  readonly response: IncomingMessage;
  /** Who answered in the end. */
  readonly target: HttpTarget;
}

const REDIRECTS = 5;
const REDIRECTING = new Set([301, 302, 303, 307, 308]);
/** Failures of verification that OpenSSL names (verify(1)), and those that Node.js adds. */
const UNTRUSTED = /CERT|SIGNATURE|ISSUER|CA$|CRL|HOSTNAME/;

/**
 * Asks for a file, and goes where the server sends us, but from https to nothing else.
 * @returns an answer that is no redirect, whatever its status; its body has not been read
 * @throws AgentError NOT_SUPPORTED for a redirect that is not followed, HOST when the server's certificate is not trusted
 */
export async function requestFile(
  first: HttpTarget,
  headers: Readonly<Record<string, string>>,
  options: ReachOptions,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  let target = first;
  for (let redirects = 0; redirects <= REDIRECTS; redirects += 1) {
    const response = await ask(target, headers, options, signal);
    if (!REDIRECTING.has(response.statusCode ?? 0)) return { response, target };
    response.destroy();
    target = redirected(target, response.headers.location);
  }
  throw new AgentError(
    'NOT_SUPPORTED',
    `fetch ${describeUrl(first.url)}: it leads from one place to the next more than ${REDIRECTS} times; the file's own URL is needed`,
  );
}

/** @throws AgentError BAD_CONFIG when the file cannot be read or holds no certificate */
export async function readAuthorities(file: string | undefined): Promise<readonly string[] | undefined> {
  if (file === undefined) return undefined;
  try {
    const text = await readFile(file, 'utf8');
    new X509Certificate(text);
    return [...rootCertificates, text];
  } catch (cause) {
    throw new AgentError(
      'BAD_CONFIG',
      `trust ${file}: ${messageOf(cause)}; a file with certificates of authorities in PEM form is needed`,
      { cause },
    );
  }
}

async function ask(
  { authorities, credentials, url }: HttpTarget,
  headers: Readonly<Record<string, string>>,
  options: ReachOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const requestUrl = url.protocol === 'https:' ? requestSecure : requestPlain;
  const sent = requestUrl(url, {
    agent: false,
    headers: { 'user-agent': 'ovs-agent', accept: '*/*', 'accept-encoding': 'identity', ...headers },
    ...(credentials && { auth: `${credentials.user}:${credentials.password}` }),
    ...(authorities && { ca: [...authorities] }),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve);
    // Stays: a connection that fails once the answer is known says so here as well.
    sent.on('error', reject);
    sent.end();
  });
  try {
    return await waitPatiently(answered, options, signal);
  } catch (error) {
    sent.destroy();
    throw isUntrusted(error) ? untrusted(url, error) : error;
  }
}

function isUntrusted(error: unknown): boolean {
  return UNTRUSTED.test((error as NodeJS.ErrnoException).code ?? '');
}

function untrusted(url: URL, cause: unknown): AgentError {
  return new AgentError(
    'HOST',
    `fetch ${describeUrl(url)}: its certificate is not trusted (${quote(messageOf(cause))}); a certificate of a known authority for this host is needed, or that of its authority in a file`,
    { cause },
  );
}

function redirected({ authorities, credentials, url }: HttpTarget, location: string | undefined): HttpTarget {
  const refuse = (why: string): AgentError =>
    new AgentError('NOT_SUPPORTED', `fetch ${describeUrl(url)}: ${why}; the file's own URL is needed`);
  if (location === undefined || !URL.canParse(location, url.href)) throw refuse('it leads to a place that is no URL');
  const next = new URL(location, url);
  if (next.protocol !== 'https:' && next.protocol !== 'http:') {
    throw refuse(`it leads to the scheme ${quote(next.protocol.slice(0, -1))}, which is not followed`);
  }
  if (url.protocol === 'https:' && next.protocol === 'http:') throw refuse('it leads from https to http');
  // Only the server that they are for is told user and password; what a redirect itself names is nobody's.
  next.username = '';
  next.password = '';
  const isSame = next.host === url.host || (next.hostname === url.hostname && next.protocol === 'https:');
  return { url: next, credentials: isSame ? credentials : undefined, authorities };
}
