import { XmlRpcDateTime } from './values.ts';

/**
 * The texts of the simple types, both ways. Blanks are those of XML 1.0 section 2.3 after line ends are normalised: space,
 * tab and line feed. A `parse*` of this file returns undefined for a text that is not of its type; the reader knows the
 * place and words the error.
 */

const smallestInt32 = -2_147_483_648;
const largestInt32 = 2_147_483_647;
/** A decimal of so many digits is exact as a JavaScript number. */
const exactDigits = 15;
/** Digits of 2^63. */
const int64Digits = 19;

const integerPattern = /^[+-]?[0-9]+$/;
const doublePattern = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const dateTimePattern = /^([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})$/;
const timePattern = /^(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)$/;
const notBase64Digit = /[^A-Za-z0-9+/]/;

/** Whether a text has nothing but blanks. */
export function isBlank(text: string): boolean {
  return trimBlanks(text) === '';
}

/** The text without blanks at its ends. `String.prototype.trim` would also take a no-break space, which is no blank. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlankCode(text.charCodeAt(start))) start += 1;
  while (end > start && isBlankCode(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

export function isBlankCode(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x09;
}

export function isInt32(value: number | bigint): boolean {
  return value >= smallestInt32 && value <= largestInt32 && (typeof value === 'bigint' || Number.isInteger(value));
}

/** An `int` or `i4`: 32 bits with a sign; sign and blanks around it allowed. */
export function parseInt32(text: string): number | undefined {
  const digits = trimBlanks(text);
  if (!integerPattern.test(digits)) return undefined;
  const value = Number(digits);
  // Adding 0 makes 0 of -0.
  return isInt32(value) ? value + 0 : undefined;
}

/** An `i8`: 64 bits with a sign. A number when that is exact, else a bigint. */
export function parseInt64(text: string): number | bigint | undefined {
  const digits = trimBlanks(text);
  if (!integerPattern.test(digits)) return undefined;
  if (digits.length <= exactDigits) return Number(digits) + 0;
  const magnitude = digits.replace(/^[+-]?0*/, '');
  // Bounded before it is converted: BigInt of a long text takes more than linear time.
  if (magnitude.length > int64Digits) return undefined;
  const value = BigInt(digits.startsWith('-') ? `-${magnitude || '0'}` : magnitude || '0');
  if (BigInt.asIntN(64, value) !== value) return undefined;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A `double`: decimal, an exponent allowed although the specification has none. Not a number and infinity are refused. */
export function parseDouble(text: string): number | undefined {
  const decimal = trimBlanks(text);
  if (!doublePattern.test(decimal)) return undefined;
  const value = Number(decimal);
  return Number.isFinite(value) ? value : undefined;
}

/** A `boolean`: `1` or `0`. */
export function parseBoolean(text: string): boolean | undefined {
  const digit = trimBlanks(text);
  if (digit === '1') return true;
  return digit === '0' ? false : undefined;
}

/**
 * A `dateTime.iso8601`: `19980717T14:08:55`, or with hyphens in the date as several clients write it. A zone is refused,
 * not dropped: the type has none, and a time that is read without its zone is a wrong time.
 */
export function parseDateTime(text: string): XmlRpcDateTime | undefined {
  const parts = dateTimePattern.exec(trimBlanks(text));
  if (parts === null) return undefined;
  const [, year = '', , month = '', day = '', time = ''] = parts;
  if (Number(day) < 1 || Number(day) > daysOf(Number(year), Number(month)) || !timePattern.test(time)) return undefined;
  return new XmlRpcDateTime(`${year}${month}${day}T${time}`);
}

/** Days of a month of the proleptic Gregorian calendar; 0 for a month that does not exist. */
function daysOf(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  if (month < 1 || month > 12) return 0;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** A `base64` (RFC 4648 section 4) with its padding; blanks anywhere, as encoders break the lines. */
export function parseBase64(text: string): Uint8Array | undefined {
  const digits = text.replace(/[ \t\n]+/g, '');
  if (digits.length % 4 !== 0) return undefined;
  const padding = digits.endsWith('==') ? 2 : digits.endsWith('=') ? 1 : 0;
  if (notBase64Digit.test(padding === 0 ? digits : digits.slice(0, -padding))) return undefined;
  const bytes = Buffer.from(digits, 'base64');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function formatBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/**
 * A finite number as the specification writes a double: digits, a period, digits; never an exponent. The digits are the
 * shortest that read back as the same number.
 */
export function formatDouble(value: number): string {
  const shortest = String(value);
  const exponentAt = shortest.indexOf('e');
  if (exponentAt === -1) return shortest.includes('.') ? shortest : `${shortest}.0`;
  const sign = value < 0 ? '-' : '';
  const [whole = '', fraction = ''] = shortest.slice(sign.length, exponentAt).split('.');
  const exponent = Number(shortest.slice(exponentAt + 1));
  // An exponent is written from 1e21 up and from 1e-7 down; 17 digits never reach over the period.
  return exponent > 0
    ? `${sign}${whole}${fraction.padEnd(exponent, '0')}.0`
    : `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`;
}
