import { createHash, type Hash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, link, open, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type Readable, Writable } from 'node:stream';
import { AgentError, messageOf } from '../errors.ts';
import { syncDirectory } from '../host/atomic-file.ts';
import type { Clock } from '../host/clock.ts';
import { runCommand } from '../host/command.ts';
import { parseGuestPath, quote } from '../model/guest-path.ts';
import type { DiskStamp, StateHeader } from './state-header.ts';

/** First line of each state file; the number is that of its layout. */
const MAGIC = 'OVS-AGENT GUEST STATE 1\n';
const ANY_MAGIC = /^OVS-AGENT GUEST STATE (\d+)\n/;
/** Room for the first line, the header as JSON, and its digest. */
const HEADER_BYTES = 64 * 1024;
const PARTIAL = '.part';
/** Space that a state leaves on its disk. */
const RESERVE_BYTES = 16 * 2 ** 20;
const RESERVE_MS = 60_000;
/** Large enough that the disk is the limit, small enough that nobody else waits while a piece is digested. */
const PIECE_BYTES = 1024 * 1024;

/** What is known of a state before it is written. */
export type NewHeader = Omit<StateHeader, 'payloadBytes' | 'checksum' | 'disks'> & {
  /** Asked once the domain is at rest. */
  readonly disks: () => Promise<readonly DiskStamp[]>;
};

interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** How large the payload may become. */
  readonly estimateBytes: number;
}

/**
 * States of guests in files: a header with what is needed to know whether a state fits, and the hypervisor's bytes, each with
 * a checksum. A file has its name once it is whole and on the disk.
 */
export class StateFiles {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Reserves the space, lets `produce` write the payload, and returns once the file is durable. Nothing is left when it fails.
   * @throws AgentError NO_RESOURCES, EXISTS, HOST, and what `produce` throws
   */
  async write(
    file: string,
    { disks, ...header }: NewHeader,
    produce: (sink: Writable) => Promise<void>,
    { estimateBytes }: WriteOptions,
  ): Promise<StateHeader> {
    await this.requireAbsent('save', header.path, file);
    const partial = file + PARTIAL;
    await this.#reserve(header.path, partial, HEADER_BYTES + estimateBytes);
    try {
      const handle = await open(partial, 'r+', 0o600);
      try {
        await handle.chmod(0o600);
        const sink = new PayloadSink(handle);
        await produce(sink);
        if (sink.errored) throw sink.errored;
        if (!sink.writableFinished)
          throw new AgentError('HOST', `write ${quote(basename(file))}: it was not written to its end`);
        const whole = { ...header, disks: await disks(), payloadBytes: sink.bytes, checksum: sink.checksum() };
        await handle.truncate(HEADER_BYTES + sink.bytes);
        await handle.write(headerBlock(whole), 0, HEADER_BYTES, 0);
        await handle.sync();
        await nameIt(partial, file, header.path);
        return whole;
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw explained(error, file);
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** @throws AgentError NO_SUCH_FILE, BAD_VALUE when it is no state file, of a newer agent, or damaged */
  async readHeader(file: string): Promise<StateHeader> {
    const handle = await open(file, 'r').catch((cause: unknown) => {
      throw new AgentError('NO_SUCH_FILE', `state file ${quote(basename(file))}: ${messageOf(cause)}`, { cause });
    });
    try {
      const block = Buffer.alloc(HEADER_BYTES);
      const { bytesRead } = await handle.read(block, 0, HEADER_BYTES, 0);
      const header = parseHeader(block.subarray(0, bytesRead), file);
      const { size } = await handle.stat();
      if (size === HEADER_BYTES + header.payloadBytes) return header;
      throw unusable(
        file,
        `it is damaged: it has ${size} bytes, and should have ${HEADER_BYTES + header.payloadBytes}`,
      );
    } finally {
      await handle.close();
    }
  }

  /**
   * Reads the whole payload once.
   * @throws AgentError as `readHeader` does, BAD_VALUE when its checksum is another, CANCELLED
   */
  async verify(
    file: string,
    options: {
      readonly signal?: AbortSignal;
      readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
    } = {},
  ): Promise<void> {
    const { header, payload } = await this.open(file);
    const hash = createHash('sha256');
    let done = 0;
    for await (const piece of payload) {
      hash.update(piece as Buffer);
      done += (piece as Buffer).length;
      options.onProgress?.(done, header.payloadBytes);
      if (options.signal?.aborted)
        throw new AgentError('CANCELLED', `state file ${quote(basename(file))}: it was given up`);
    }
    if (hash.digest('hex') !== header.checksum) throw unusable(file, 'it is damaged: its checksum is another');
  }

  /** The header, and the payload as a stream. @throws AgentError as `readHeader` does */
  async open(file: string): Promise<{ readonly header: StateHeader; readonly payload: Readable }> {
    const header = await this.readHeader(file);
    const handle = await open(file, 'r');
    return { header, payload: handle.createReadStream({ start: HEADER_BYTES, highWaterMark: PIECE_BYTES }) };
  }

  /** @throws AgentError EXISTS */
  async requireAbsent(act: string, path: string, file: string): Promise<void> {
    if (!(await stat(file).catch(() => undefined))) return;
    throw new AgentError(
      'EXISTS',
      `${act} ${path}: ${quote(basename(file))} is there already; remove it, or name another`,
    );
  }

  /** Removes what an agent that was killed has left unfinished under that name. */
  removeUnfinished(file: string): void {
    rmSync(file + PARTIAL, { force: true });
  }

  /** Makes the unfinished file as large as it may become: better no space before the guest was halted than afterwards. */
  async #reserve(path: string, partial: string, bytes: number): Promise<void> {
    await rm(partial, { force: true });
    const { bavail, bsize } = await statfs(dirname(partial));
    const freeBytes = bavail * bsize - RESERVE_BYTES;
    if (freeBytes < bytes) {
      throw new AgentError(
        'NO_RESOURCES',
        `save ${path}: its state may take ${toMib(bytes)} MiB, and ${Math.max(0, toMib(freeBytes))} MiB are free in ${dirname(partial)}; make room there`,
      );
    }
    const handle = await open(partial, 'wx', 0o600);
    await handle.close();
    const { exitCode, stderr } = await runCommand('fallocate', ['--length', String(bytes), partial], {
      timeoutMs: RESERVE_MS,
      clock: this.#clock,
    });
    // Where a file system cannot reserve, what it says is free has to do.
    if (exitCode === 0 || !/No space left|quota exceeded/i.test(stderr)) return;
    await rm(partial, { force: true });
    throw new AgentError('NO_RESOURCES', `save ${path}: ${stderr.trim()}; make room there`);
  }
}

/** The disks of a guest as they are now; devices and empty drives have no stamp. */
export async function stampDisks(
  disks: readonly { readonly target: string; readonly source: string | undefined }[],
): Promise<readonly DiskStamp[]> {
  const stamps = await Promise.all(
    disks.map(async ({ source, target }): Promise<DiskStamp | undefined> => {
      const found = source === undefined ? undefined : await stat(source).catch(() => undefined);
      if (source === undefined || !found?.isFile()) return undefined;
      return { target, source, size: found.size, modifiedMs: Math.floor(found.mtimeMs) };
    }),
  );
  return stamps.filter(stamp => stamp !== undefined);
}

/** Writes the payload behind the header, and digests it on its way. */
class PayloadSink extends Writable {
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  bytes = 0;

  constructor(handle: FileHandle) {
    super({ highWaterMark: 4 * PIECE_BYTES, decodeStrings: true });
    this.#handle = handle;
  }

  checksum(): string {
    return this.#hash.digest('hex');
  }

  override _writev(chunks: readonly { readonly chunk: unknown }[], callback: (error?: Error | null) => void): void {
    const pieces = chunks.map(({ chunk }) => chunk as Buffer);
    for (const piece of pieces) this.#hash.update(piece);
    const place = HEADER_BYTES + this.bytes;
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#writeAll(pieces, place, length).then(
      () => {
        this.bytes += length;
        callback();
      },
      (error: unknown) => callback(error as Error),
    );
  }

  async #writeAll(pieces: readonly Buffer[], place: number, length: number): Promise<void> {
    const { bytesWritten } = await this.#handle.writev(pieces, place);
    if (bytesWritten === length) return;
    // A disk that is nearly full takes a part; what it says to the rest is the reason.
    const rest = Buffer.concat(pieces).subarray(bytesWritten);
    await this.#writeAll([rest], place + bytesWritten, rest.length);
  }
}

function headerBlock(header: StateHeader): Buffer {
  const text = JSON.stringify(header);
  const block = Buffer.alloc(HEADER_BYTES, '\n');
  if (Buffer.byteLength(text) + 256 > HEADER_BYTES)
    throw new AgentError('HOST', 'a state header has no room for its disks');
  block.write(`${MAGIC}${text}\n${digestOf(text)}\n`);
  return block;
}

function parseHeader(block: Buffer, file: string): StateHeader {
  const start = block.subarray(0, 64).toString('latin1');
  const version = ANY_MAGIC.exec(start)?.[1];
  if (version === undefined) throw unusable(file, 'it is no state of a guest');
  if (!start.startsWith(MAGIC))
    throw unusable(file, `a newer ovs-agent wrote it (layout ${version}); upgrade this one`);
  const [, text = '', digest = '', ...padding] = block.toString('utf8').split('\n');
  const isWhole = block.length === HEADER_BYTES && padding.every(line => line === '');
  if (!isWhole || digest !== digestOf(text)) throw unusable(file, 'it is damaged: its header cannot be read');
  const header = JSON.parse(text) as StateHeader;
  return { ...header, path: parseGuestPath(header.path) };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Gives a file its name, which nobody may have taken meanwhile. */
async function nameIt(partial: string, file: string, path: string): Promise<void> {
  try {
    await link(partial, file);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'EEXIST') throw cause;
    throw new AgentError('EXISTS', `save ${path}: ${quote(basename(file))} was made by somebody else meanwhile`, {
      cause,
    });
  }
  await rm(partial);
  syncDirectory(dirname(file));
}

function unusable(file: string, why: string): AgentError {
  return new AgentError('BAD_VALUE', `state file ${quote(basename(file))}: ${why}; it is left as it is`);
}

/** Failures of the disk, in the agent's words. */
function explained(error: unknown, file: string): unknown {
  if (error instanceof AgentError) return error;
  const code = (error as { code?: unknown }).code;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new AgentError(
    isFull ? 'NO_RESOURCES' : 'HOST',
    `write ${quote(basename(file))}: ${messageOf(error)}; see to its disk`,
    { cause: error },
  );
}

function toMib(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
