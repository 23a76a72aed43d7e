import { Readable, Writable } from 'node:stream';
import { AgentError } from '../errors.ts';
import { type CommandResult, runCommand } from '../host/command.ts';
import { quote } from '../model/guest-path.ts';
import { BrokenTransfer, type Origin, type ReachOptions } from './origin.ts';
import { type Credentials, describeSource, type UrlSource } from './source.ts';

/** What is known of a file before it is fetched. */
interface FtpStamp {
  readonly bytes: number | undefined;
  readonly changed: string | undefined;
}

/** A stall is found out sooner, by what reads the bytes. */
const LONGEST_TRANSFER_MS = 7 * 24 * 60 * 60 * 1000;
const MESSAGES_LIMIT_BYTES = 64 * 1024;

/**
 * A file behind ftp, fetched by curl(1). A transfer that broke is taken up again where size and time of change are as before.
 * @throws AgentError NO_SUCH_FILE, DENIED, HOST when curl is missing; BrokenTransfer when there is no connection
 */
export async function openFtp(source: UrlSource, options: ReachOptions, signal: AbortSignal): Promise<Origin> {
  const before = await look(source, options, signal);
  return {
    totalBytes: before.bytes,
    openAt: async (offset, pieceSignal) => {
      if (offset > 0) requireSame(before, await look(source, options, pieceSignal), offset, describeSource(source));
      return fetchFrom(source, ['--continue-at', String(offset)], options);
    },
    close: () => Promise.resolve(),
  };
}

/** Names in a directory, one in a line. */
export function openFtpDirectory(source: UrlSource, options: ReachOptions): Origin {
  return {
    totalBytes: undefined,
    openAt: offset => {
      if (offset === 0) return Promise.resolve(fetchFrom(source, ['--list-only'], options));
      throw new AgentError('HOST', `list ${describeSource(source)}: the connection broke; see to the network`);
    },
    close: () => Promise.resolve(),
  };
}

async function look(source: UrlSource, options: ReachOptions, signal: AbortSignal): Promise<FtpStamp> {
  const result = await runCommand('curl', curlArguments(source, ['--head']), {
    ...commandOptions(source, options, options.idleTimeoutMs),
    outputLimitBytes: MESSAGES_LIMIT_BYTES,
    signal,
  }).catch((error: unknown) => {
    if (!(error instanceof AgentError) || error.code !== 'TIMEOUT') throw error;
    throw new BrokenTransfer(`nothing came for ${options.idleTimeoutMs} ms`, { isIdle: true, cause: error });
  });
  if (result.exitCode !== 0) throw curlFailure(result, source);
  const bytes = /^Content-Length: (\d{1,15})\r?$/m.exec(result.stdout)?.[1];
  return {
    bytes: bytes === undefined ? undefined : Number(bytes),
    changed: /^Last-Modified: (.+?)\r?$/m.exec(result.stdout)?.[1],
  };
}

function requireSame(before: FtpStamp, now: FtpStamp, offset: number, name: string): void {
  if (before.bytes === undefined || before.changed === undefined) {
    throw new AgentError(
      'HOST',
      `fetch ${name}: it broke after ${offset} bytes, and the server does not tell size and time of change by which the rest would be known to belong to them; begin again`,
    );
  }
  if (before.bytes === now.bytes && before.changed === now.changed) return;
  throw new AgentError('STALE', `fetch ${name}: the file changed on the server meanwhile; begin again`);
}

/** The bytes end only once curl has told that they are whole. */
function fetchFrom(source: UrlSource, args: readonly string[], options: ReachOptions): Readable {
  const ending = new AbortController();
  let writeMore: (() => void) | undefined;
  const piece = new Readable({
    read() {
      writeMore?.();
      writeMore = undefined;
    },
    destroy(error, callback) {
      ending.abort();
      callback(error);
    },
  });
  const output = new Writable({
    write(bytes: Buffer, _encoding, callback) {
      if (piece.push(bytes)) callback();
      else writeMore = callback;
    },
  });
  runCommand('curl', curlArguments(source, args), {
    ...commandOptions(source, options, LONGEST_TRANSFER_MS),
    outputLimitBytes: Number.MAX_SAFE_INTEGER,
    output,
    signal: ending.signal,
  }).then(
    result => {
      if (result.exitCode === 0) piece.push(null);
      else piece.destroy(curlFailure(result, source));
    },
    (error: unknown) => piece.destroy(error as Error),
  );
  return piece;
}

/** `-q` must be first: a curlrc could add anything. Without `--no-buffer` the last bytes before a stall would wait with it. */
function curlArguments(source: UrlSource, args: readonly string[]): string[] {
  const fixed = ['-q', '--config', '-', '--proto', '=ftp', '--globoff', '--no-buffer', '--silent', '--show-error'];
  return [...fixed, ...args, '--url', source.url];
}

/** User and password go through the standard input, because everybody on this server sees arguments. */
function commandOptions({ credentials }: UrlSource, { clock }: ReachOptions, timeoutMs: number) {
  return { clock, timeoutMs, input: credentials ? userSetting(credentials) : '' };
}

/** The form of curl(1), --config: quoted, with backslashes. Control characters were refused before. */
function userSetting({ password, user }: Credentials): string {
  return `user = "${`${user}:${password}`.replace(/["\\]/g, '\\$&')}"\n`;
}

/** By the exit codes of curl(1). */
function curlFailure({ exitCode, stderr }: CommandResult, source: UrlSource): Error {
  const name = describeSource(source);
  const said = quote(stderr.trim());
  switch (exitCode) {
    case 9:
    case 19:
    case 78:
      return new AgentError('NO_SUCH_FILE', `fetch ${name}: the server has no such file; an existing one is needed`);
    case 67:
      return new AgentError(
        'DENIED',
        `fetch ${name}: the server refuses the login; user and password of somebody who may read it are needed`,
      );
    case 31:
    case 36:
      return new AgentError(
        'NOT_SUPPORTED',
        `fetch ${name}: it broke, and the server cannot send a part of a file; begin again`,
      );
    default:
      return new BrokenTransfer(`curl ended with ${exitCode}: ${said}`);
  }
}
