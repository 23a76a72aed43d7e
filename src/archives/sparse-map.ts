import {
  BLOCK_BYTES,
  EXTENSION_PAIRS,
  FIELDS,
  HEADER_PAIRS,
  type HeaderBlock,
  readNumber,
  SPARSE_PAIR_BYTES,
} from './header-block.ts';
import { refusal } from './refusal.ts';

/** Most pieces of data in one file: an image of 4 GiB in which every other page is a hole has no more. */
const MOST_PIECES = 2 ** 19;

/**
 * Where the data of a sparse file lie. Pieces come in order and apart from each other, each but the last of whole blocks, because
 * GNU tar fills the last block of every piece in the archive while others fill that of the file.
 */
export class SparseMap {
  /** Offset and length of each piece in turn, in bytes; GNU tar marks a hole at the end by an empty last piece. */
  readonly pieces: number[] = [];
  readonly name: string;
  readonly realBytes: number;
  /** Bytes of data, without holes. */
  dataBytes = 0;
  #end = 0;
  /** Whether nothing, or nothing but the mark of the end, may follow. */
  #isClosed = false;
  #isMarked = false;

  /** @param realBytes size of the file, with its holes */
  constructor(name: string, realBytes: number) {
    this.name = name;
    this.realBytes = realBytes;
  }

  /** @throws AgentError BAD_VALUE */
  add(offset: number, length: number): void {
    const isMark = length === 0 && offset === this.realBytes;
    const isInOrder = offset >= this.#end && offset + length <= this.realBytes && (length > 0 || isMark);
    if (!isInOrder || this.#isMarked || (this.#isClosed && !isMark))
      throw refusal('its map of holes contradicts itself or its size; an undamaged map is needed', this.name);
    this.pieces.push(offset, length);
    this.dataBytes += length;
    this.#end = offset + length;
    this.#isClosed = length % BLOCK_BYTES !== 0;
    this.#isMarked = isMark;
    if (this.pieces.length > 2 * MOST_PIECES)
      throw refusal(`its map has more than ${MOST_PIECES} pieces; fewer are needed`, this.name);
  }

  /**
   * To be asked when all pieces were added.
   * @param storedBytes what the archive says to hold of the file's data
   * @throws AgentError BAD_VALUE
   */
  finish(storedBytes: number): void {
    if (this.dataBytes !== storedBytes || this.#end !== this.realBytes)
      throw refusal('its map of holes does not fit its sizes; an undamaged map is needed', this.name);
  }
}

/** Reads the map of GNU tar's own sparse files: four pieces in the header, 21 in each block behind it. */
export class BinaryMapReader {
  readonly map: SparseMap;
  readonly #storedBytes: number;

  constructor(name: string, { block, size }: HeaderBlock) {
    const realBytes = readNumber(block, FIELDS.realSize);
    if (realBytes === undefined) throw refusal('its real size cannot be read; a number is needed', name);
    this.map = new SparseMap(name, realBytes);
    this.#storedBytes = size;
  }

  /** @returns whether the map is whole @throws AgentError BAD_VALUE */
  takeHeader(block: Buffer): boolean {
    return this.#take(block, HEADER_PAIRS, block[FIELDS.isExtended[0]]!);
  }

  /** @returns whether the map is whole @throws AgentError BAD_VALUE */
  takeBlock(block: Buffer): boolean {
    return this.#take(block, EXTENSION_PAIRS, block[EXTENSION_PAIRS.isExtended]!);
  }

  #take(block: Buffer, pairs: { readonly start: number; readonly count: number }, isExtended: number): boolean {
    let isAtEnd = false;
    for (let index = 0; index < pairs.count; index++) {
      const at = pairs.start + index * SPARSE_PAIR_BYTES;
      const isEmpty = block.subarray(at, at + SPARSE_PAIR_BYTES).every(byte => byte === 0);
      if (isEmpty) {
        isAtEnd = true;
        continue;
      }
      const offset = readNumber(block, [at, 12]);
      const length = readNumber(block, [at + 12, 12]);
      if (isAtEnd || offset === undefined || length === undefined) throw this.#unreadable();
      this.map.add(offset, length);
    }
    // GNU tar stops at the first empty place, whether more is announced or not.
    if (isExtended > 1 || (isExtended === 1 && isAtEnd)) throw this.#unreadable();
    if (isExtended === 1) return false;
    this.map.finish(this.#storedBytes);
    return true;
  }

  #unreadable(): Error {
    return refusal('its map of holes cannot be read; an undamaged map is needed', this.map.name);
  }
}

/** Reads the map of format 1.0: decimal numbers, a line each, in front of the data ("Storing Sparse Files" of GNU tar's manual). */
export class TextMapReader {
  readonly map: SparseMap;
  readonly #size: number;
  #text = '';
  #blocks = 0;
  #count: number | undefined;
  #offset: number | undefined;

  /** @param size bytes of the map and the data, without what fills their last block */
  constructor(name: string, realBytes: number, size: number) {
    this.map = new SparseMap(name, realBytes);
    this.#size = size;
  }

  /** @returns whether the map is whole @throws AgentError BAD_VALUE */
  takeBlock(block: Buffer): boolean {
    this.#blocks++;
    const text = this.#text + block.toString('latin1');
    let start = 0;
    while (!this.#isWhole()) {
      const end = text.indexOf('\n', start);
      if (end < 0) break;
      this.#takeNumber(text.slice(start, end));
      start = end + 1;
    }
    this.#text = text.slice(start);
    const isWhole = this.#isWhole();
    if (isWhole ? /[^\0]/.test(this.#text) : this.#text.length > 20) throw this.#unreadable();
    if (isWhole) this.map.finish(this.#size - this.#blocks * BLOCK_BYTES);
    return isWhole;
  }

  #isWhole(): boolean {
    return this.#count !== undefined && this.map.pieces.length === 2 * this.#count;
  }

  #takeNumber(text: string): void {
    const value = parseDecimal(text);
    if (value === undefined) throw this.#unreadable();
    if (this.#count === undefined) this.#count = value;
    else if (this.#offset === undefined) this.#offset = value;
    else {
      this.map.add(this.#offset, value);
      this.#offset = undefined;
    }
  }

  #unreadable(): Error {
    return refusal('its map of holes cannot be read; an undamaged map is needed', this.map.name);
  }
}

/** A number in the one spelling that all programs read alike; undefined for others, and for what is too large to be exact. */
export function parseDecimal(text: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
