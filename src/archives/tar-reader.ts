import { type EntryHeader, EntryPreface } from './entry-header.ts';
import { type EntryKind, EntryTree } from './entry-tree.ts';
import { BLOCK_BYTES, type HeaderBlock, parseHeaderBlock, ZERO_BLOCK } from './header-block.ts';
import { checkGlobalHeader } from './pax-records.ts';
import { refusal } from './refusal.ts';
import { BinaryMapReader, SparseMap, type TextMapReader } from './sparse-map.ts';
import { directoryHeader, endOfArchive, fileHeader, fillingOf, sparseHeader } from './tar-writer.ts';

export interface ArchiveLimits {
  /** Most entries, with the directories that are only named as a part of others. */
  readonly entries: number;
  /** Largest file, in bytes, with its holes. */
  readonly fileBytes: number;
  /** All files together, in bytes, with their holes. */
  readonly totalBytes: number;
  /** All files together, in bytes, without their holes. */
  readonly storedBytes: number;
}

export interface ArchiveEntry {
  /** Relative to the directory of the archive. */
  readonly name: string;
  readonly kind: EntryKind;
  /** Bytes, with holes; 0 for a directory. */
  readonly size: number;
}

/** Most bytes of an extended header or a long name. */
const EXTENSION_BYTES = 2 ** 20;
/** Zeros behind the end: tar writes records of several blocks and fills the last one; this is that of `tar -b 2048`. */
const TRAILING_BYTES = 2 ** 20;

/** What has to be read as a whole: a long name, or an extended header of one entry or of all. */
interface Extension {
  readonly type: 'L' | 'x' | 'g';
  readonly data: Buffer;
  readBytes: number;
}

/** A file whose map of holes lies between its header and its data. */
interface MapReading {
  readonly reader: BinaryMapReader | TextMapReader;
  readonly modified: number;
}

/**
 * Reads a tar archive as it comes, and gives it back with headers of its own (see tar-writer.ts). It is refused, with nothing given
 * of the entry at fault, when it holds anything but files and directories with plain names, goes beyond the limits, is damaged or
 * cut off, or could be read in another way by another program. File contents are handed through and never kept.
 *
 * It knows the formats of V7, ustar, GNU tar and pax, and sparse files in every way in which GNU tar writes them.
 */
export class TarReader {
  readonly entries: ArchiveEntry[] = [];
  /** Files that the archive has without holes, in which there are pages of zeros. */
  readonly filesWithZeroPages = new Set<string>();
  /** Bytes of data in all files whose headers were read. */
  storedBytes = 0;
  readonly #limits: ArchiveLimits;
  readonly #tree: EntryTree;
  readonly #preface = new EntryPreface();
  readonly #partialBlock = Buffer.alloc(BLOCK_BYTES);
  #partialBytes = 0;
  #totalBytes = 0;
  #globalHeaders = 0;
  #zeroBlocks = 0;
  /** What is left of the data that are handed through, of what fills their last block, and how many came before. */
  #dataLeft = 0;
  #fillingLeft = 0;
  #dataRead = 0;
  /** The file that these data are the whole of. */
  #plainFile: string | undefined;
  #extension: Extension | undefined;
  #map: MapReading | undefined;

  constructor(limits: ArchiveLimits) {
    this.#limits = limits;
    this.#tree = new EntryTree(limits.entries);
  }

  /**
   * Takes the next bytes of the archive.
   * @returns what they give of the archive with its own headers; it may share their memory
   * @throws AgentError BAD_VALUE
   */
  push(chunk: Buffer): readonly Buffer[] {
    const output: Buffer[] = [];
    for (let at = 0; at < chunk.length; ) at += this.#take(chunk.subarray(at), output);
    return output;
  }

  /**
   * To be called when no more bytes come.
   * @returns the end of the archive with its own headers
   * @throws AgentError BAD_VALUE when it is cut off, or empty
   */
  end(): Buffer {
    if (this.#zeroBlocks < 2 || this.#partialBytes > 0) throw refusal('it is cut off; a whole archive is needed');
    if (this.entries.length === 0) throw refusal('it is empty; an archive of files is needed');
    return endOfArchive();
  }

  /** @returns bytes taken, 1 at least */
  #take(bytes: Buffer, output: Buffer[]): number {
    if (this.#dataLeft > 0) return this.#takeData(bytes.subarray(0, this.#dataLeft), output);
    if (this.#fillingLeft > 0) {
      // What a stranger filled the block with goes nowhere.
      const skipped = Math.min(this.#fillingLeft, bytes.length);
      this.#fillingLeft -= skipped;
      return skipped;
    }
    if (this.#partialBytes === 0 && bytes.length >= BLOCK_BYTES) {
      this.#takeBlock(bytes.subarray(0, BLOCK_BYTES), output);
      return BLOCK_BYTES;
    }
    const taken = bytes.copy(this.#partialBlock, this.#partialBytes);
    this.#partialBytes += taken;
    if (this.#partialBytes === BLOCK_BYTES) {
      this.#partialBytes = 0;
      this.#takeBlock(this.#partialBlock, output);
    }
    return taken;
  }

  #takeData(piece: Buffer, output: Buffer[]): number {
    const file = this.#plainFile;
    if (file !== undefined && !this.filesWithZeroPages.has(file) && holdsZeroPage(piece, this.#dataRead))
      this.filesWithZeroPages.add(file);
    output.push(piece);
    this.#dataRead += piece.length;
    this.#dataLeft -= piece.length;
    if (this.#dataLeft === 0) {
      const filling = fillingOf(this.#dataRead);
      this.#fillingLeft = filling.length;
      output.push(filling);
    }
    return piece.length;
  }

  #takeBlock(block: Buffer, output: Buffer[]): void {
    if (this.#extension) this.#takeExtension(this.#extension, block);
    else if (this.#map) {
      if (this.#map.reader.takeBlock(block)) this.#beginSparse(this.#map.reader.map, this.#map.modified, output);
    } else if (block.equals(ZERO_BLOCK)) this.#takeZeroBlock();
    else if (this.#zeroBlocks === 0) this.#takeHeader(parseHeaderBlock(block), output);
    else throw refusal('there is something behind its end, or zeros in its middle; one whole archive is needed');
  }

  #takeZeroBlock(): void {
    if (!this.#preface.isEmpty()) throw refusal('it ends within an entry; a whole archive is needed');
    this.#zeroBlocks++;
    if (this.#zeroBlocks * BLOCK_BYTES > TRAILING_BYTES) {
      throw refusal(
        `there are more than ${TRAILING_BYTES} bytes behind its end; an archive with nothing behind it is needed`,
      );
    }
  }

  #takeHeader(header: HeaderBlock, output: Buffer[]): void {
    const { name, size, type } = header;
    if (type === 'L' || type === 'x' || type === 'g') {
      if (size === 0 || size > EXTENSION_BYTES)
        throw refusal(`it has a header of ${size} bytes; 1 to ${EXTENSION_BYTES} are needed`, name);
      if (type === 'g' && ++this.#globalHeaders > this.#limits.entries)
        throw refusal(`it has more than ${this.#limits.entries} headers for all entries; fewer are needed`);
      if (!this.#preface.isEmpty()) throw refusal('an entry has several extended headers; one is needed', name);
      this.#extension = { type, data: Buffer.alloc(size), readBytes: 0 };
      return;
    }
    this.#beginEntry(this.#preface.takeHeader(header), header.block, output);
  }

  #takeExtension(extension: Extension, block: Buffer): void {
    const { data, type } = extension;
    extension.readBytes += block.copy(data, extension.readBytes);
    if (extension.readBytes < data.length) return;
    this.#extension = undefined;
    if (type === 'L') this.#preface.takeLongName(data);
    else if (type === 'x') this.#preface.takeFacts(data);
    else checkGlobalHeader(data);
  }

  #beginEntry({ kind, map, modified, name, size }: EntryHeader, block: Buffer, output: Buffer[]): void {
    const madeDirectories = this.#tree.add(name, kind);
    for (const directory of madeDirectories) {
      this.entries.push({ name: directory, kind: 'directory', size: 0 });
      output.push(directoryHeader(directory, modified));
    }
    if (kind === 'directory') return;
    if (map === undefined) {
      this.#admit(name, size, size);
      output.push(fileHeader(name, size, modified));
      this.#beginData(size, name);
    } else if (map instanceof SparseMap) this.#beginSparse(map, modified, output);
    else {
      this.#map = { reader: map, modified };
      if (map instanceof BinaryMapReader && map.takeHeader(block)) this.#beginSparse(map.map, modified, output);
    }
  }

  #beginSparse(map: SparseMap, modified: number, output: Buffer[]): void {
    this.#map = undefined;
    this.#admit(map.name, map.realBytes, map.dataBytes);
    output.push(sparseHeader(map, modified));
    this.#beginData(map.dataBytes, undefined);
  }

  #beginData(bytes: number, plainFile: string | undefined): void {
    this.#dataLeft = bytes;
    this.#dataRead = 0;
    this.#plainFile = plainFile;
  }

  #admit(name: string, realBytes: number, storedBytes: number): void {
    this.#totalBytes += realBytes;
    this.storedBytes += storedBytes;
    const { fileBytes, storedBytes: mostStored, totalBytes } = this.#limits;
    if (realBytes > fileBytes) throw refusal(`it has ${realBytes} bytes; at most ${fileBytes} are needed`, name);
    if (this.#totalBytes > totalBytes || this.storedBytes > mostStored)
      throw refusal(`with it the archive has more bytes than may be unpacked; a smaller one is needed`, name);
    this.entries.push({ name, kind: 'file', size: realBytes });
  }
}

const PAGE_BYTES = 4096;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/** Whether a piece that lies at an offset of its file has a whole page of zeros. */
function holdsZeroPage(piece: Buffer, offset: number): boolean {
  const first = (PAGE_BYTES - (offset % PAGE_BYTES)) % PAGE_BYTES;
  for (let at = first; at + PAGE_BYTES <= piece.length; at += PAGE_BYTES) {
    if (piece[at] === 0 && ZERO_PAGE.compare(piece, at, at + PAGE_BYTES) === 0) return true;
  }
  return false;
}
