import { shown, type SourceText } from './source-text.ts';
import type { Token } from './tokens.ts';
import { ConfigFloat } from './values.ts';

const STRING = /^([A-Za-z]*)('''|"""|'|")/;
const BACKSLASH_AND_NEXT = /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|\r\n|[^])/g;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
  '\r': '',
  '\r\n': '',
};
const LARGEST_BYTE = 0xff;

const FLOAT = /^(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?$/;
const INTEGER = /^(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9]\d*)[lL]?$/;
/** A UUID or an address fits in; what is larger is no number of a guest, and costs time. */
const LARGEST_INTEGER = 2n ** 256n;
const LONGEST_INTEGER = 256;

/**
 * The text that a string token stands for (The Python Language Reference, 2.4.1). Python 2 and Python 3 differ in some
 * forms; these are refused, for the file does not say which is meant.
 * @throws GuestFileError
 */
export function parseText(source: SourceText, token: Token): string {
  const [opening, prefix = '', quote = ''] = STRING.exec(token.text)!;
  const wrong = /[bft]/i.exec(prefix)?.[0];
  if (wrong !== undefined) {
    throw source.refusal(
      token.start,
      `${source.shown(token)} has the prefix ${wrong}, which is not understood; a text without it is needed`,
    );
  }
  const written = token.text.slice(opening.length, -quote.length);
  const contentStart = token.start + opening.length;
  const isUnicode = /u/i.test(prefix);
  return /r/i.test(prefix)
    ? rawText(source, written, contentStart, isUnicode)
    : escapedText(source, written, contentStart, isUnicode);
}

/** A raw text in Unicode of Python 2 still knows `\u`. */
function rawText(source: SourceText, written: string, start: number, isUnicode: boolean): string {
  const escape = isUnicode ? written.search(/\\[uU]/) : -1;
  if (escape >= 0) throw ambiguous(source, start + escape, written.slice(escape, escape + 2));
  return withLineFeeds(written);
}

function escapedText(source: SourceText, written: string, start: number, isUnicode: boolean): string {
  if (!written.includes('\\')) return withLineFeeds(written);
  const parts: string[] = [];
  let done = 0;
  for (const { 0: escape, index } of written.matchAll(BACKSLASH_AND_NEXT)) {
    parts.push(withLineFeeds(written.slice(done, index)), meaningOf(source, escape, start + index, isUnicode));
    done = index + escape.length;
  }
  parts.push(withLineFeeds(written.slice(done)));
  return parts.join('');
}

/** Every line end of the file is LF in a text, whichever system wrote the file. */
function withLineFeeds(written: string): string {
  return written.replace(/\r\n?/g, '\n');
}

function meaningOf(source: SourceText, escape: string, at: number, isUnicode: boolean): string {
  const next = escape.slice(1);
  const simple = Object.hasOwn(SIMPLE_ESCAPES, next) ? SIMPLE_ESCAPES[next] : undefined;
  if (simple !== undefined) return simple;
  const letter = next[0]!;
  if (/\d/.test(letter) && letter < '8') {
    const code = Number.parseInt(next, 8);
    if (code > LARGEST_BYTE) throw ambiguous(source, at, escape);
    return String.fromCharCode(code);
  }
  if (letter === 'x') {
    if (next.length === 1) throw incomplete(source, at, escape, 2);
    return String.fromCharCode(Number.parseInt(next.slice(1), 16));
  }
  if (letter === 'N') throw ambiguous(source, at, escape);
  if (letter !== 'u' && letter !== 'U') return escape;
  if (!isUnicode) throw ambiguous(source, at, escape.slice(0, 2));
  if (next.length === 1) throw incomplete(source, at, escape, letter === 'u' ? 4 : 8);
  const code = Number.parseInt(next.slice(1), 16);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    throw source.refusal(at, `${shown(escape)} is no character of Unicode; another number is needed`);
  return String.fromCodePoint(code);
}

function ambiguous(source: SourceText, at: number, escape: string): Error {
  return source.refusal(
    at,
    `${shown(escape)} does not mean the same in every Python; the character itself, or "\\\\" for a backslash, is needed`,
  );
}

function incomplete(source: SourceText, at: number, escape: string, digits: number): Error {
  return source.refusal(at, `${shown(escape)} is cut short; ${digits} hexadecimal digits are needed behind it`);
}

/**
 * The number that a token stands for: decimal, hexadecimal, binary, octal as `0o755` or `0755`, with or without the `L`
 * of Python 2, or a float.
 * @throws GuestFileError
 */
export function parseNumber(source: SourceText, token: Token): number | bigint | ConfigFloat {
  const { start, text } = token;
  if (FLOAT.test(text)) {
    const value = Number(text);
    if (Number.isFinite(value)) return new ConfigFloat(value);
    throw source.refusal(start, `${source.shown(token)} is too large; a float below 1.8e308 is needed`);
  }
  if (!INTEGER.test(text))
    throw source.refusal(start, `${source.shown(token)} is no number; a number such as 512, or quotes, are needed`);
  const digits = text.replace(/[lL]$/, '').replace(/^0+(?=[0-7])(?!0*$)/, '0o');
  const value = digits.length <= LONGEST_INTEGER ? BigInt(digits) : LARGEST_INTEGER;
  return boundedInteger(value) ?? refuseLarge(source, token);
}

function refuseLarge(source: SourceText, token: Token): never {
  throw source.refusal(token.start, `${source.shown(token)} is too large; a number below 2^256 is needed`);
}

/** The whole number as a number when that is exact, else as a bigint; undefined when it is out of bounds. */
export function boundedInteger(value: bigint): number | bigint | undefined {
  if (value >= LARGEST_INTEGER || value <= -LARGEST_INTEGER) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
