import { isAscii, isUtf8 } from 'node:buffer';
import { AgentError } from '../errors.ts';
import { lineAndColumn } from './xml.ts';

/** Bytes within which an XML declaration has to end. */
const declarationBytes = 1024;

/** Characters of windows-1252 for the bytes 0x80 to 0x9f; U+FFFD where the code page has none. */
const windows1252 =
  '\u20ac\ufffd\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\ufffd\u017d\ufffd' +
  '\ufffd\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\ufffd\u017e\u0178';

const replacementBytes = Buffer.from('\ufffd');

type Encoding = 'UTF-8' | 'US-ASCII' | 'ISO-8859-1' | 'windows-1252' | 'UTF-16';

/** Names of encodings in small letters, as the IANA registry has them. */
const encodings: ReadonlyMap<string, Encoding> = new Map<string, Encoding>([
  ['utf-8', 'UTF-8'],
  ['utf8', 'UTF-8'],
  ['us-ascii', 'US-ASCII'],
  ['ascii', 'US-ASCII'],
  ['iso-8859-1', 'ISO-8859-1'],
  ['iso_8859-1', 'ISO-8859-1'],
  ['latin1', 'ISO-8859-1'],
  ['windows-1252', 'windows-1252'],
  ['cp1252', 'windows-1252'],
  ['utf-16', 'UTF-16'],
]);

/**
 * The text of an XML document by its byte order mark or its XML declaration, UTF-8 when it has neither (XML 1.0 section 4.3.3
 * and appendix F). Known are UTF-8, US-ASCII, ISO-8859-1, windows-1252, and UTF-16 with a byte order mark. Nothing is
 * replaced: bytes that the encoding does not have are an error. The byte order mark is not part of the text.
 *
 * @throws AgentError MALFORMED
 */
export function decodeDocument(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return decodeUtf16(buffer.subarray(2));
  if (buffer[0] === 0xfe && buffer[1] === 0xff) return decodeUtf16(swapped(buffer.subarray(2)));
  if (buffer[0] === 0 || buffer[1] === 0) {
    fail('UTF-16 or UTF-32 without a byte order mark', 'UTF-8, or UTF-16 with a byte order mark, is needed');
  }
  const hasMark = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf;
  const content = hasMark ? buffer.subarray(3) : buffer;
  const encoding = declaredEncoding(content.toString('latin1', 0, declarationBytes)) ?? 'UTF-8';
  if (hasMark && encoding !== 'UTF-8')
    fail(`a byte order mark of UTF-8 but ${encoding} is declared`, 'one of both is needed');
  switch (encoding) {
    case 'UTF-8':
      if (isAscii(content)) return content.toString('latin1');
      return isUtf8(content) ? content.toString('utf8') : failAtByte(content, encoding, firstNotUtf8(content));
    case 'US-ASCII':
      if (isAscii(content)) return content.toString('latin1');
      return failAtByte(
        content,
        encoding,
        content.findIndex(byte => byte > 0x7f),
      );
    case 'ISO-8859-1':
      return content.toString('latin1');
    case 'windows-1252':
      return decodeWindows1252(content);
    case 'UTF-16':
      return fail('UTF-16 is declared without a byte order mark', 'UTF-8, or UTF-16 with a byte order mark, is needed');
  }
}

/** The encoding that the XML declaration names, if there is one. */
function declaredEncoding(start: string): Encoding | undefined {
  if (!/^<\?xml[ \t\r\n]/.test(start)) return undefined;
  const end = start.indexOf('?>');
  if (end === -1) fail(`the XML declaration does not end within ${declarationBytes} bytes`, '?> is needed');
  const name = /[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)')/.exec(start.slice(0, end));
  if (name === null) return undefined;
  const encoding = encodings.get((name[1] ?? name[2] ?? '').toLowerCase());
  return (
    encoding ??
    fail('the declared encoding is not known', `one of ${[...new Set(encodings.values())].join(', ')} is needed`)
  );
}

function decodeUtf16(littleEndian: Buffer): string {
  if (littleEndian.length % 2 !== 0) fail('UTF-16 ends within a character', 'an even number of bytes is needed');
  // A surrogate without its partner is refused with every other character that XML does not allow.
  const text = littleEndian.toString('utf16le');
  const encoding = declaredEncoding(text.slice(0, declarationBytes)) ?? 'UTF-16';
  if (encoding !== 'UTF-16') fail(`a byte order mark of UTF-16 but ${encoding} is declared`, 'one of both is needed');
  return text;
}

/** A copy with the bytes of each pair exchanged; an odd byte at the end stays, for the length to be refused. */
function swapped(bigEndian: Buffer): Buffer {
  const copy = Buffer.from(bigEndian);
  copy.subarray(0, copy.length - (copy.length % 2)).swap16();
  return copy;
}

function decodeWindows1252(content: Buffer): string {
  const text = content.toString('latin1').replace(/[\x80-\x9f]/g, byte => windows1252[byte.charCodeAt(0) - 0x80]!);
  const unknown = text.indexOf('\ufffd');
  return unknown === -1 ? text : failAtByte(content, 'windows-1252', unknown);
}

/** Offset of the first byte that is no part of a character. */
function firstNotUtf8(content: Buffer): number {
  // A lenient decoder writes U+FFFD for what it cannot read; the document may hold that character as well.
  let offset = 0;
  for (const character of content.toString('utf8')) {
    if (character === '\ufffd' && !content.subarray(offset, offset + 3).equals(replacementBytes)) break;
    offset += Buffer.byteLength(character);
  }
  return offset;
}

function failAtByte(content: Buffer, encoding: Encoding, offset: number): never {
  const before = content.toString(encoding === 'UTF-8' ? 'utf8' : 'latin1', 0, offset).replace(/\r\n?/g, '\n');
  return fail(
    `${lineAndColumn(before, before.length)} has a byte that is not ${encoding}`,
    'text of the encoding is needed',
  );
}

function fail(state: string, need: string): never {
  throw new AgentError('MALFORMED', `decode XML document: ${state}; ${need}`);
}
