import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { type HttpAnswer, type HttpTarget, readAuthorities, requestFile } from './http-request.ts';
import { BrokenTransfer, type Origin, type ReachOptions } from './origin.ts';
import { describeUrl, type UrlSource } from './source.ts';

/** Statuses of a server that may do better when asked again (RFC 9110, section 15). */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);
const SECOND_MS = 1000;

/**
 * @throws AgentError NO_SUCH_FILE, DENIED, NOT_SUPPORTED, BAD_CONFIG for the file of authorities, HOST for the certificate;
 *   other errors when there is no connection
 */
export async function openHttp(source: UrlSource, options: ReachOptions, signal: AbortSignal): Promise<HttpOrigin> {
  const authorities = await readAuthorities(options.authoritiesFile);
  const target = { url: new URL(source.url), credentials: source.credentials, authorities };
  const answer = await requestFile(target, {}, options, signal);
  try {
    requireFile(answer, [200]);
  } catch (error) {
    answer.response.destroy();
    throw error;
  }
  return new HttpOrigin(answer, options);
}

/** A file behind http or https. The first answer is its begin; what is missing of it is asked for with `Range` and `If-Range`. */
class HttpOrigin implements Origin {
  readonly #target: HttpTarget;
  readonly #name: string;
  readonly #options: ReachOptions;
  readonly #headers: IncomingHttpHeaders;
  #first: IncomingMessage | undefined;
  #totalBytes: number | undefined;

  constructor({ response, target }: HttpAnswer, options: ReachOptions) {
    this.#target = target;
    this.#name = describeUrl(target.url);
    this.#options = options;
    this.#headers = response.headers;
    this.#totalBytes = lengthOf(response);
    this.#first = response;
    // Until somebody reads it, it may fail unseen: the reader will find out.
    response.on('error', () => undefined);
  }

  get totalBytes(): number | undefined {
    return this.#totalBytes;
  }

  async openAt(offset: number, signal: AbortSignal): Promise<Readable> {
    const first = this.#first;
    this.#first = undefined;
    if (first && offset === 0) return first;
    const answer = await requestFile(this.#target, this.#resumption(offset), this.#options, signal);
    try {
      this.#requireSame(answer, offset);
    } catch (error) {
      answer.response.destroy();
      throw error;
    }
    return answer.response;
  }

  close(): Promise<void> {
    this.#first?.destroy();
    return Promise.resolve();
  }

  #resumption(offset: number): Record<string, string> {
    if (offset === 0) return {};
    const validator = strongValidator(this.#headers);
    if (validator === undefined) {
      throw new AgentError(
        'HOST',
        `fetch ${this.#name}: it broke after ${offset} bytes, and the server gives no strong ETag or Last-Modified by which the rest would be known to belong to them; begin again`,
      );
    }
    return { range: `bytes=${offset}-`, 'if-range': validator };
  }

  /** That what comes now goes on where the last answer broke, in the same file. */
  #requireSame(answer: HttpAnswer, offset: number): void {
    const { headers, statusCode } = answer.response;
    if (statusCode === 416) throw this.#changed();
    requireFile(answer, [200, 206]);
    const isSame = headers.etag === this.#headers.etag && headers['last-modified'] === this.#headers['last-modified'];
    if (statusCode === 200) {
      if (!isSame || lengthOf(answer.response) !== this.#totalBytes) throw this.#changed();
      if (offset === 0) return;
      throw new AgentError(
        'NOT_SUPPORTED',
        `fetch ${this.#name}: it broke after ${offset} bytes, and the server cannot send a part of a file; begin again`,
      );
    }
    // A server need not repeat what the If-Range has made certain (RFC 9110, section 15.3.7), but may not contradict it.
    if (headers.etag !== undefined && headers.etag !== this.#headers.etag) throw this.#changed();
    const [, from, last, total] =
      /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers['content-range'] ?? '') ?? [];
    if (offset === 0 || Number(from) !== offset || Number(last) !== Number(total) - 1) {
      throw new AgentError(
        'HOST',
        `fetch ${this.#name}: asked for what follows byte ${offset}, the server sent ${quote(headers['content-range'] ?? 'a part without a range')}; see to the server, and begin again`,
      );
    }
    if (this.#totalBytes !== undefined && this.#totalBytes !== Number(total)) throw this.#changed();
    this.#totalBytes = Number(total);
  }

  #changed(): AgentError {
    return new AgentError('STALE', `fetch ${this.#name}: the file changed on the server meanwhile; begin again`);
  }
}

/** @throws AgentError NO_SUCH_FILE, DENIED, HOST, NOT_SUPPORTED; BrokenTransfer when the server may do better later */
function requireFile({ response, target }: HttpAnswer, statuses: readonly number[]): void {
  const name = describeUrl(target.url);
  const status = response.statusCode ?? 0;
  if (!statuses.includes(status)) throw statusFailure(status, name);
  const encoding = response.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new AgentError(
      'NOT_SUPPORTED',
      `fetch ${name}: the server sends it in the encoding ${quote(encoding)}, though asked for none; a server that sends files as they are is needed`,
    );
  }
}

function statusFailure(status: number, name: string): Error {
  if (PASSING.has(status)) return new BrokenTransfer(`the server answers with status ${status}`);
  switch (status) {
    case 404:
    case 410:
      return new AgentError('NO_SUCH_FILE', `fetch ${name}: the server has no such file; an existing one is needed`);
    case 401:
    case 403:
    case 407:
      return new AgentError(
        'DENIED',
        `fetch ${name}: the server refuses it with status ${status}; user and password of somebody who may read it are needed`,
      );
    default:
      return new AgentError('HOST', `fetch ${name}: the server answers with status ${status}; 200 is needed`);
  }
}

function lengthOf(response: IncomingMessage): number | undefined {
  const text = response.headers['content-length'];
  return text === undefined ? undefined : Number(text);
}

/**
 * What names exactly these bytes: an ETag that is not weak, or a time of change that is surely over (RFC 9110, sections 8.8.2.2
 * and 13.1.5).
 */
function strongValidator({ date, etag, 'last-modified': changed }: IncomingHttpHeaders): string | undefined {
  if (etag?.startsWith('"')) return etag;
  if (etag !== undefined || changed === undefined || date === undefined) return undefined;
  return Date.parse(date) - Date.parse(changed) >= SECOND_MS ? changed : undefined;
}
