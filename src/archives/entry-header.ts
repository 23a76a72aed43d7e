import { type EntryKind, parseEntryName } from './entry-tree.ts';
import { decodeText, type HeaderBlock } from './header-block.ts';
import { mapOfPieces, type PaxFacts, parsePaxFacts } from './pax-records.ts';
import { refusal } from './refusal.ts';
import { BinaryMapReader, type SparseMap, TextMapReader } from './sparse-map.ts';

/** An entry, as its header and what came before it tell together. */
export interface EntryHeader {
  /** Relative to the directory of the archive; empty for that directory itself. */
  readonly name: string;
  readonly kind: EntryKind;
  /** Bytes that follow. */
  readonly size: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly modified: number;
  /** Where the data of a sparse file lie, or what reads that from the blocks that follow. */
  readonly map?: SparseMap | BinaryMapReader | TextMapReader;
}

/** From here on sizes do not fit into eleven octal digits, the largest number of which some programs write in their place. */
const OCTAL_END = 8 ** 11;

/** Types that are refused (POSIX.1-2017, pax; "Basic Tar Format" of GNU tar's manual). */
const REFUSED_TYPES: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a named pipe',
  '7': 'a contiguous file',
  D: 'a list of a directory, of an incremental backup',
  K: 'a long link',
  M: 'the rest of a file, of an archive in several volumes',
  N: 'an old list of long names',
  V: 'the name of a volume',
  X: 'an extended header of Solaris',
};

/** What precedes the header of an entry: a long name of GNU tar's format, or facts of a pax archive. */
export class EntryPreface {
  #longName: string | undefined;
  #facts: PaxFacts | undefined;

  isEmpty(): boolean {
    return this.#longName === undefined && this.#facts === undefined;
  }

  /** @throws AgentError BAD_VALUE */
  takeLongName(data: Buffer): void {
    const end = data.indexOf(0);
    const isTerminated = end > 0 && data.subarray(end).every(byte => byte === 0);
    if (!isTerminated) throw refusal('a long name in it cannot be read; a name that ends with a NUL is needed');
    this.#longName = decodeText(data.subarray(0, end));
  }

  /** @throws AgentError BAD_VALUE */
  takeFacts(data: Buffer): void {
    this.#facts = parsePaxFacts(data);
  }

  /**
   * The entry that this header begins; the next one starts with an empty preface.
   * @throws AgentError BAD_VALUE when it is neither file nor directory, or programs differ on what it is
   */
  takeHeader(header: HeaderBlock): EntryHeader {
    const { modified, name: ownName, type } = header;
    if (!['0', '\0', '5', 'S'].includes(type)) {
      throw refusal(
        `it is ${REFUSED_TYPES[type] ?? 'of an unknown type'}; only files and directories are unpacked`,
        ownName,
      );
    }
    const { path, sparse, size: factualSize } = this.#facts ?? {};
    if (this.#facts && header.dialect !== 'ustar')
      throw refusal('the headers of one entry are of two formats; one format is needed', ownName);
    const { hasTrailingSlash, path: name } = parseEntryName(sparse?.name ?? path ?? this.#longName ?? ownName);
    const size = agreedSize(name, header.size, factualSize);
    this.#longName = undefined;
    this.#facts = undefined;
    const isDirectory = type === '5' || hasTrailingSlash;
    if (isDirectory && (size > 0 || sparse || type === 'S'))
      throw refusal('it is a directory with content; a directory without is needed', name);
    if (isDirectory) return { name, kind: 'directory', size, modified };
    if (name === '') throw refusal('it is the top directory, but a file; plain names of files are needed', ownName);
    const file: EntryHeader = { name, kind: 'file', size, modified };
    if (type === 'S') return { ...file, map: binaryMap(name, header, sparse !== undefined) };
    if (sparse === undefined) return file;
    const map =
      sparse.version === '1.0'
        ? new TextMapReader(name, sparse.realBytes, size)
        : mapOfPieces(name, sparse.realBytes, sparse.pieces, size);
    return { ...file, map };
  }
}

function binaryMap(name: string, header: HeaderBlock, hasOtherMap: boolean): BinaryMapReader {
  if (header.dialect === 'gnu' && !hasOtherMap) return new BinaryMapReader(name, header);
  throw refusal('it is a sparse file of an unknown format; one of GNU tar is needed', name);
}

/** Programs differ on which size holds when a header has two. */
function agreedSize(name: string, inHeader: number, inFacts: number | undefined): number {
  if (inFacts === undefined || inFacts === inHeader) return inHeader;
  if (inFacts >= OCTAL_END && (inHeader === 0 || inHeader === OCTAL_END - 1)) return inFacts;
  throw refusal('it has two sizes that differ; one size is needed', name);
}
