import { refusal } from './refusal.ts';

/** Everything in a tar archive begins at a multiple of this (POSIX.1-2017, pax: "ustar Interchange Format"). */
export const BLOCK_BYTES = 512;
export const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** Where the fields of a header block are, as [first byte, length]. */
export const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
  prefix: [345, 155],
  /** The rest is of GNU tar only: the map of a sparse file in its header ("Basic Tar Format" of its manual). */
  isExtended: [482, 1],
  realSize: [483, 12],
} as const satisfies Record<string, readonly [number, number]>;

/** Pairs of twelve-byte numbers, offset and length, in the header of a sparse file and in each block that extends it. */
export const SPARSE_PAIR_BYTES = 24;
export const HEADER_PAIRS = { start: 386, count: 4 } as const;
export const EXTENSION_PAIRS = { start: 0, count: 21, isExtended: 504 } as const;

export const USTAR_MAGIC = 'ustar\x0000';
export const GNU_MAGIC = 'ustar  \0';
const V7_MAGIC = '\0'.repeat(8);

export interface HeaderBlock {
  readonly dialect: 'ustar' | 'gnu' | 'v7';
  /** As it is in the header, a prefix included. */
  readonly name: string;
  /** The type flag; an old regular file has NUL. */
  readonly type: string;
  /** Bytes that follow the header, without what fills their last block. */
  readonly size: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly modified: number;
  readonly block: Buffer;
}

/**
 * @param block 512 bytes
 * @throws AgentError BAD_VALUE when it is no header, or one that programs read in several ways
 */
export function parseHeaderBlock(block: Buffer): HeaderBlock {
  const name = fieldText(block, FIELDS.name);
  const dialect = dialectOf(block);
  if (dialect === undefined || readOctal(block, FIELDS.checksum) !== checksumOf(block)) {
    throw refusal(
      'where a header should be, there is none, or a damaged one; a whole tar archive is needed, plain or compressed with gzip or zstd',
    );
  }
  const size = readNumber(block, FIELDS.size);
  const modified = readNumber(block, FIELDS.mtime);
  if (size === undefined || modified === undefined) {
    throw refusal('its size or its time cannot be read; numbers from 0 to 2^53 are needed', printable(name));
  }
  const prefix = dialect === 'ustar' ? fieldText(block, FIELDS.prefix) : EMPTY;
  const whole = prefix.length > 0 ? Buffer.concat([prefix, SLASH, name]) : name;
  const type = String.fromCharCode(block[FIELDS.type[0]]!);
  return { dialect, name: decodeText(whole), type, size, modified, block };
}

const EMPTY = Buffer.alloc(0);
const SLASH = Buffer.from('/');

function dialectOf(block: Buffer): HeaderBlock['dialect'] | undefined {
  const magic = bytesOf(block, FIELDS.magic).toString('latin1');
  if (magic === USTAR_MAGIC) return 'ustar';
  if (magic === GNU_MAGIC) return 'gnu';
  return magic === V7_MAGIC ? 'v7' : undefined;
}

/** The sum of all bytes, with blanks in place of the sum itself. */
export function checksumOf(block: Buffer): number {
  let sum = 0;
  for (const byte of block) sum += byte;
  for (const byte of bytesOf(block, FIELDS.checksum)) sum += 0x20 - byte;
  return sum;
}

/**
 * A number of octal digits, or one of GNU tar in base 256 with the highest bit set.
 * @returns undefined for anything else, and for what is negative or too large to be exact
 */
export function readNumber(block: Buffer, [start, length]: readonly [number, number]): number | undefined {
  if (block[start] !== 0x80) return readOctal(block, [start, length]);
  let value = 0;
  for (let at = start + 1; at < start + length; at++) {
    value = value * 256 + block[at]!;
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return value;
}

function readOctal(block: Buffer, field: readonly [number, number]): number | undefined {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(bytesOf(block, field).toString('latin1'))?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}

function bytesOf(block: Buffer, [start, length]: readonly [number, number]): Buffer {
  return block.subarray(start, start + length);
}

function fieldText(block: Buffer, field: readonly [number, number]): Buffer {
  const bytes = bytesOf(block, field);
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws AgentError BAD_VALUE when it is not UTF-8 */
export function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw refusal('its name is not UTF-8; names in UTF-8 are needed', printable(bytes));
  }
}

const printable = (bytes: Buffer): string => bytes.toString('latin1');
