import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { ReachOptions } from './origin.ts';
import { describeSource, sourceBeside, sourceName, type TransferSource } from './source.ts';
import { fetchText } from './transfer.ts';

/** A SHA-256 sum as 64 lower-case hexadecimal digits. */
export type Sha256 = string & { readonly brand: 'Sha256' };

const FILE_LIMIT_BYTES = 64 * 1024;
const DIGITS = '[0-9A-Fa-f]{64}';
const BARE = new RegExp(`^(${DIGITS})$`);
/** What sha256sum(1) writes: two blanks, or a blank and a star for a file that was read as binary. */
const NAMED = new RegExp(`^(${DIGITS}) [ *](.+)$`);
/** The same with `--tag`. */
const TAGGED = new RegExp(`^SHA256 ?\\((.+)\\) ?= ?(${DIGITS})$`);

/** @throws AgentError BAD_VALUE */
export function parseSha256(text: string): Sha256 {
  if (BARE.test(text)) return text.toLowerCase() as Sha256;
  throw new AgentError('BAD_VALUE', `checksum ${quote(text)}: it is no SHA-256 sum; 64 hexadecimal digits are needed`);
}

/**
 * @param text of a file of checksums, in any of the forms of sha256sum(1), or a bare sum
 * @param name of the file whose sum is wanted
 * @throws AgentError BAD_VALUE when it has no sum of that name, or several
 */
export function parseChecksumFile(text: string, name: string): Sha256 {
  const lines = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');
  const bare = lines.length === 1 ? BARE.exec(lines[0]!)?.[1] : undefined;
  if (bare !== undefined) return parseSha256(bare);
  const sums = new Set(lines.flatMap(line => sumOf(line, name)));
  const [sum] = sums;
  if (sum !== undefined && sums.size === 1) return sum;
  throw new AgentError(
    'BAD_VALUE',
    `checksum of ${quote(name)}: its file has ${sum === undefined ? 'none' : 'several different ones'} for that name; one line of the form "64 hexadecimal digits  NAME" is needed`,
  );
}

/** From the file beside the source whose name has `.sha256` behind it. @throws AgentError as `openTransfer`, BAD_VALUE */
export async function fetchChecksum(source: TransferSource, options: ReachOptions): Promise<Sha256> {
  const text = await fetchText(sourceBeside(source, '.sha256'), FILE_LIMIT_BYTES, options);
  return parseChecksumFile(text, sourceName(source));
}

function sumOf(line: string, name: string): Sha256[] {
  const named = NAMED.exec(line);
  const tagged = TAGGED.exec(line);
  const [found, sum] = named ? [named[2]!, named[1]!] : [tagged?.[1], tagged?.[2]];
  if (found === undefined || sum === undefined || found.slice(found.lastIndexOf('/') + 1) !== name) return [];
  return [parseSha256(sum)];
}

/**
 * Hands bytes on unchanged, and knows their sum at the end. With a sum to compare it fails with BAD_VALUE in place of ending
 * when they differ, so that whatever follows in a pipeline fails too.
 */
export class ChecksumStream extends Transform {
  readonly #hash: Hash = createHash('sha256');
  readonly #source: TransferSource;
  readonly #expected: Sha256 | undefined;
  #sum: Sha256 | undefined;

  constructor(source: TransferSource, expected?: Sha256) {
    super();
    this.#source = source;
    this.#expected = expected;
  }

  /** Undefined until the last byte has passed. */
  get sum(): Sha256 | undefined {
    return this.#sum;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#hash.update(piece);
    callback(null, piece);
  }

  override _flush(callback: TransformCallback): void {
    this.#sum = this.#hash.digest('hex') as Sha256;
    callback(this.#expected === undefined || this.#expected === this.#sum ? null : this.#mismatch(this.#expected));
  }

  #mismatch(expected: Sha256): AgentError {
    return new AgentError(
      'BAD_VALUE',
      `fetch ${describeSource(this.#source)}: its SHA-256 sum is ${this.#sum}, not ${expected} as was told; see to the file and its sum`,
    );
  }
}
