import {
  BLOCK_BYTES,
  checksumOf,
  EXTENSION_PAIRS,
  FIELDS,
  GNU_MAGIC,
  HEADER_PAIRS,
  SPARSE_PAIR_BYTES,
} from './header-block.ts';
import type { SparseMap } from './sparse-map.ts';

/**
 * Headers in the format of GNU tar, made anew for what was read: whatever spelling an archive has chosen, GNU tar reads this one,
 * so that it cannot understand an entry in another way than the reader that checked it.
 */
interface NewHeader {
  readonly name: string;
  readonly type: '0' | '5' | 'L' | 'S';
  readonly mode: number;
  /** Bytes that follow. */
  readonly size: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly modified: number;
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** Largest number that eleven octal digits hold. */
const MOST_IN_OCTAL = 0o77777777777;

/** What comes before the `size` bytes of a file. */
export function fileHeader(name: string, size: number, modified: number): Buffer {
  return named({ name, type: '0', mode: FILE_MODE, size, modified });
}

export function directoryHeader(name: string, modified: number): Buffer {
  return named({ name, type: '5', mode: DIRECTORY_MODE, size: 0, modified });
}

/** What comes before the data of a file with holes: its header, and the blocks that hold the rest of its map. */
export function sparseHeader(map: SparseMap, modified: number): Buffer {
  const head = headerBlock({ name: map.name, type: 'S', mode: FILE_MODE, size: map.dataBytes, modified });
  const count = map.pieces.length / 2;
  const blocks = Math.ceil(Math.max(0, count - HEADER_PAIRS.count) / EXTENSION_PAIRS.count);
  writeNumber(head, FIELDS.realSize, map.realBytes);
  writePairs(head, HEADER_PAIRS, map.pieces, 0);
  head[FIELDS.isExtended[0]] = blocks > 0 ? 1 : 0;
  seal(head);
  const extensions = Buffer.alloc(blocks * BLOCK_BYTES);
  for (let index = 0; index < blocks; index++) {
    const block = extensions.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    writePairs(block, EXTENSION_PAIRS, map.pieces, HEADER_PAIRS.count + index * EXTENSION_PAIRS.count);
    block[EXTENSION_PAIRS.isExtended] = index + 1 < blocks ? 1 : 0;
  }
  return Buffer.concat([longName(map.name), head, extensions]);
}

/** Two blocks of zeros. */
export function endOfArchive(): Buffer {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

/** Zeros up to the next whole block. */
export function fillingOf(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function named(header: NewHeader): Buffer {
  const block = headerBlock(header);
  seal(block);
  return Buffer.concat([longName(header.name), block]);
}

/** An entry in front of the one that is named, for names that do not fit into its header. */
function longName(name: string): Buffer {
  const bytes = Buffer.from(`${name}\0`);
  if (bytes.length <= FIELDS.name[1]) return Buffer.alloc(0);
  const block = headerBlock({ name: '././@LongLink', type: 'L', mode: FILE_MODE, size: bytes.length, modified: 0 });
  seal(block);
  return Buffer.concat([block, bytes, fillingOf(bytes.length)]);
}

function headerBlock({ mode, modified, name, size, type }: NewHeader): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  Buffer.from(name).copy(block, FIELDS.name[0], 0, FIELDS.name[1] - 1);
  writeNumber(block, FIELDS.mode, mode);
  writeNumber(block, FIELDS.uid, 0);
  writeNumber(block, FIELDS.gid, 0);
  writeNumber(block, FIELDS.size, size);
  writeNumber(block, FIELDS.mtime, modified);
  block.write(type, FIELDS.type[0], 'latin1');
  block.write(GNU_MAGIC, FIELDS.magic[0], 'latin1');
  return block;
}

function seal(block: Buffer): void {
  writeNumber(block, FIELDS.checksum, checksumOf(block));
}

function writePairs(
  block: Buffer,
  { count, start }: { readonly start: number; readonly count: number },
  pieces: readonly number[],
  firstPiece: number,
): void {
  for (let index = 0; index < 2 * count && 2 * firstPiece + index < pieces.length; index++) {
    writeNumber(
      block,
      [start + (index * SPARSE_PAIR_BYTES) / 2, SPARSE_PAIR_BYTES / 2],
      pieces[2 * firstPiece + index]!,
    );
  }
}

/** In octal, or in base 256 with the highest bit set. */
function writeNumber(block: Buffer, [start, length]: readonly [number, number], value: number): void {
  if (value <= MOST_IN_OCTAL) {
    block.write(value.toString(8).padStart(length - 1, '0'), start, 'latin1');
    return;
  }
  block[start] = 0x80;
  block.writeBigUInt64BE(BigInt(value), start + length - 8);
}
