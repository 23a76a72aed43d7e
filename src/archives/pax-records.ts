import { decodeText } from './header-block.ts';
import { refusal } from './refusal.ts';
import { parseDecimal, SparseMap } from './sparse-map.ts';

/** What an extended header of POSIX.1-2001 ("pax Extended Header") says of the entry that follows. */
export interface PaxFacts {
  readonly path?: string;
  readonly size?: number;
  readonly sparse?: PaxSparse;
}

/** GNU tar's three ways to write sparse files in such archives ("Storing Sparse Files" of its manual). */
export type PaxSparse =
  | {
      readonly version: '0';
      readonly name: string | undefined;
      readonly realBytes: number;
      readonly pieces: readonly number[];
    }
  | { readonly version: '1.0'; readonly name: string; readonly realBytes: number };

type PaxRecord = readonly [key: string, value: Buffer];

/** Says the same for each of its pieces again and again (format 0.0). */
const REPEATED = /^GNU\.sparse\.(?:offset|numbytes)$/;
/** What would make another file of it: holes and types of star and Solaris, and names that are not in UTF-8. */
const CHANGES_MEANING = /^(?:GNU\.|SUN\.|SCHILY\.(?:realsize|filetype|offset)$|linkpath$|hdrcharset$)/;
const SPARSE = 'GNU.sparse.';
/** What a header for all entries may say: nothing that GNU tar would heed for one of them. */
const HARMLESS_FOR_ALL = /^(?:comment|[acm]time|[ug]id|[ug]name)$/;

/** @throws AgentError BAD_VALUE when it cannot be read, or not by all programs alike */
export function parsePaxFacts(data: Buffer): PaxFacts {
  const records = parseRecords(data);
  const single = new Map(records.filter(([key]) => !REPEATED.test(key)));
  const repeats = records.filter(([key]) => REPEATED.test(key));
  if (single.size + repeats.length !== records.length) throw unusable('says the same thing twice');
  const foreign = records.find(([key]) => CHANGES_MEANING.test(key) && !key.startsWith(SPARSE));
  if (foreign)
    throw refusal('the archive says this of an entry, and it is not understood; a plain archive is needed', foreign[0]);
  const path = textOf(single, 'path');
  const size = numberOf(single, 'size');
  const sparse = records.some(([key]) => key.startsWith(SPARSE)) ? sparseOf(single, repeats) : undefined;
  if (sparse?.name !== undefined && path !== undefined && path !== sparse.name)
    throw refusal('it has another name elsewhere in its header; one name is needed', path);
  return {
    ...(path === undefined ? {} : { path }),
    ...(size === undefined ? {} : { size }),
    ...(sparse === undefined ? {} : { sparse }),
  };
}

/** @throws AgentError BAD_VALUE when a header for all entries says more than who, when, or a remark */
export function checkGlobalHeader(data: Buffer): void {
  const [key] = parseRecords(data).find(([name]) => !HARMLESS_FOR_ALL.test(name)) ?? [];
  if (key !== undefined) throw refusal('the archive says this of all its entries; a plain archive is needed', key);
}

/** The map of formats 0.0 and 0.1. @throws AgentError BAD_VALUE */
export function mapOfPieces(
  name: string,
  realBytes: number,
  pieces: readonly number[],
  storedBytes: number,
): SparseMap {
  const map = new SparseMap(name, realBytes);
  for (let index = 0; index < pieces.length; index += 2) map.add(pieces[index]!, pieces[index + 1]!);
  map.finish(storedBytes);
  return map;
}

/** Each record is `<length> <key>=<value>\n`, the length in decimal and that of the whole record. */
function parseRecords(data: Buffer): readonly PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let at = 0; at < data.length; ) {
    const blank = data.indexOf(0x20, at);
    const length = blank < 0 || blank - at > 7 ? undefined : parseDecimal(data.toString('latin1', at, blank));
    const end = at + (length ?? 0);
    const equals = data.indexOf(0x3d, blank);
    if (length === undefined || end > data.length || equals <= blank + 1 || equals >= end || data[end - 1] !== 0x0a)
      throw unusable('cannot be read');
    records.push([data.toString('latin1', blank + 1, equals), data.subarray(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

function sparseOf(single: ReadonlyMap<string, Buffer>, repeats: readonly PaxRecord[]): PaxSparse {
  const keys = [...single.keys()].filter(key => key.startsWith(SPARSE)).map(key => key.slice(SPARSE.length));
  const name = textOf(single, 'GNU.sparse.name');
  const isExactly = (...wanted: string[]): boolean =>
    keys.every(key => wanted.includes(key)) && wanted.every(key => keys.includes(key) || key === 'name');
  if (isExactly('major', 'minor', 'name', 'realsize') && repeats.length === 0) {
    const [major, minor] = [numberOf(single, 'GNU.sparse.major'), numberOf(single, 'GNU.sparse.minor')];
    if (major === 1 && minor === 0 && name !== undefined)
      return { version: '1.0', name, realBytes: numberOf(single, 'GNU.sparse.realsize')! };
  }
  const count = numberOf(single, 'GNU.sparse.numblocks');
  const isTyped = isExactly('size', 'numblocks', 'name', 'map');
  if (isTyped ? repeats.length > 0 : !isExactly('size', 'numblocks', 'name'))
    throw unusable('mixes formats of sparse files');
  const pieces = isTyped ? piecesOf(textOf(single, 'GNU.sparse.map')!) : piecesOfRepeats(repeats);
  if (count === undefined || pieces.length !== 2 * count) throw unusable('has a map of another length than it says');
  return { version: '0', name, realBytes: numberOf(single, 'GNU.sparse.size')!, pieces };
}

function piecesOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(',').map(number => decimal(number, 'GNU.sparse.map'));
}

/** Offset and length by turns. */
function piecesOfRepeats(repeats: readonly PaxRecord[]): readonly number[] {
  return repeats.map(([key, value], index) => {
    if (key !== (index % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes'))
      throw unusable('has a map out of order');
    return decimal(value.toString('latin1'), key);
  });
}

function numberOf(records: ReadonlyMap<string, Buffer>, key: string): number | undefined {
  const value = records.get(key);
  return value && decimal(value.toString('latin1'), key);
}

function decimal(text: string, key: string): number {
  const value = parseDecimal(text);
  if (value === undefined)
    throw refusal('the archive gives a number for this that cannot be read; a decimal is needed', key);
  return value;
}

function textOf(records: ReadonlyMap<string, Buffer>, key: string): string | undefined {
  const value = records.get(key);
  return value && decodeText(value);
}

function unusable(what: string): Error {
  return refusal(`an extended header ${what}; an archive that all programs read alike is needed`);
}
