import type { Readable } from 'node:stream';
import { AgentError } from '../errors.ts';
import { type ContentStream, streamContent } from './content-stream.ts';
import { openFile, openMounted } from './file-origin.ts';
import { openFtp } from './ftp-origin.ts';
import { openHttp } from './http-origin.ts';
import type { MountedFile, Origin, ReachOptions } from './origin.ts';
import { waitPatiently } from './patience.ts';
import { describeSource, type NfsSource, sourceName, type TransferSource } from './source.ts';
import type { TransferOptions } from './whole-content.ts';

export interface Transfer extends ContentStream {
  /** Last element of the source's path; empty when that ends in a slash. */
  readonly name: string;
}

/**
 * Opens a file elsewhere and gives its bytes as a stream: no faster than they are read, and failing rather than ending before
 * the file does. Where the connection breaks, the stream goes on over a new one, if the server can tell that the file is still
 * the same. Destroying the stream gives the transfer up; a stream that is never read must be destroyed.
 *
 * A body over http that has neither length nor chunks ends with the connection (RFC 9112, section 6.3): of such a file nobody
 * can tell whether it is whole, so compare its checksum.
 * @throws AgentError NO_SUCH_FILE, DENIED, BAD_VALUE when it is too large or no regular file, NOT_SUPPORTED, HOST when the
 *   server cannot be reached or misbehaves, TIMEOUT when it says nothing, CANCELLED; the stream fails with the same, and with
 *   STALE when the file changed meanwhile
 */
export async function openTransfer(source: TransferSource, options: TransferOptions): Promise<Transfer> {
  const content = await streamContent(describeSource(source), options, signal => openSource(source, options, signal));
  return { ...content, name: sourceName(source) };
}

/** The whole of a small text. @throws AgentError as `openTransfer` */
export async function fetchText(source: TransferSource, limitBytes: number, options: ReachOptions): Promise<string> {
  const { stream } = await openTransfer(source, { ...options, limitBytes });
  return textOf(stream);
}

/** @throws whatever the stream fails with */
export async function textOf(stream: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

/** @throws AgentError NOT_SUPPORTED when the caller has no way to NFS servers */
export async function mountNfs({ host, path }: NfsSource, { openNfs }: ReachOptions): Promise<MountedFile> {
  if (openNfs) return openNfs(host, path);
  throw new AgentError(
    'NOT_SUPPORTED',
    `fetch nfs:${host}:${path}: NFS is not served here; http, https, ftp or a file of this server is needed`,
  );
}

function openSource(source: TransferSource, options: ReachOptions, signal: AbortSignal): Promise<Origin> {
  switch (source.kind) {
    case 'http':
    case 'https':
      return openHttp(source, options, signal);
    case 'ftp':
      return openFtp(source, options, signal);
    case 'nfs':
      return openPatiently(mountNfs(source, options).then(openMounted), options, signal);
    case 'file':
      return openPatiently(openFile(source.path), options, signal);
  }
}

/** What is opened too late is closed again. */
async function openPatiently(opening: Promise<Origin>, options: ReachOptions, signal: AbortSignal): Promise<Origin> {
  try {
    return await waitPatiently(opening, options, signal);
  } catch (error) {
    opening.then(
      origin => origin.close(),
      () => undefined,
    );
    throw error;
  }
}
