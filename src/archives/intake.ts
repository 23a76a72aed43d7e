import { Readable } from 'node:stream';
import { AgentError, messageOf } from '../errors.ts';
import { type Compression, compressionOf, MAGIC_BYTES } from './compression.ts';

/** Bytes at the end of a gzip member that say how long its content is, modulo 2^32 (RFC 1952, 2.3.1). */
const LENGTH_BYTES = 4;

/** An archive as it comes: what it is compressed with, its bytes, and what is known of them once they were read. */
export class Intake {
  readonly compression: Compression;
  bytes = 0;
  #tail: Buffer = Buffer.alloc(0);
  readonly #start: Buffer;
  readonly #rest: AsyncIterator<Buffer, undefined>;

  private constructor(start: Buffer, rest: AsyncIterator<Buffer, undefined>) {
    this.#start = start;
    this.#rest = rest;
    this.compression = compressionOf(start);
  }

  /**
   * Waits for the first bytes.
   * @throws AgentError the failure of the stream, HOST when that is none of ours
   */
  static async open(source: Readable): Promise<Intake> {
    const rest = piecesOf(source);
    let start: Buffer = Buffer.alloc(0);
    while (start.length < MAGIC_BYTES) {
      const next = await rest.next();
      if (next.done) break;
      start = Buffer.concat([start, next.value]);
    }
    return new Intake(start, rest);
  }

  /** All of the bytes, once. */
  stream(): Readable {
    return Readable.from(this.#pieces(), { objectMode: false });
  }

  /** Whether the archive's last bytes belong to a gzip member with so much content, and not to what somebody put behind it. */
  endsAfter(contentBytes: number): boolean {
    return this.#tail.length === LENGTH_BYTES && this.#tail.readUInt32LE() === contentBytes % 2 ** 32;
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    if (this.#start.length > 0) yield this.#count(this.#start);
    for (let next = await this.#rest.next(); !next.done; next = await this.#rest.next()) yield this.#count(next.value);
  }

  #count(piece: Buffer): Buffer {
    this.bytes += piece.length;
    const end = piece.subarray(-LENGTH_BYTES);
    this.#tail = Buffer.concat([this.#tail, end]).subarray(-LENGTH_BYTES);
    return piece;
  }
}

async function* piecesOf(source: Readable): AsyncGenerator<Buffer, undefined> {
  try {
    for await (const piece of source) yield Buffer.isBuffer(piece) ? piece : Buffer.from(piece as string);
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError('HOST', `unpack the archive: its bytes do not come: ${messageOf(error)}; send it again`, {
      cause: error,
    });
  }
}
