import type { EvaluationBounds } from './limits.ts';
import { shown } from './source-text.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue, integerOf, kindOf } from './values.ts';

/** A conversion of Python's %-formatting: flags, width and type of one that is understood, else as much as belongs to it. */
const CONVERSION = /%(?:([-0]*)(\d{0,4})([sdixX%])|(?:\([^()]{0,40}\))?[-+ #0-9.*]{0,20}[A-Za-z%]?)/g;
const FORMS = '%s, %d, %i, %x, %X or %%, with or without a width,';

/** Beyond these, Python 2 and Python 3 write a float in different ways. */
const SMALLEST_PLAIN_FLOAT = 0.0001;
const LARGEST_PLAIN_FLOAT = 1e12;
const FLOAT_DIGITS = 12;

/**
 * `format % argument`.
 * @throws GuestFileError
 */
export function formatText(bounds: EvaluationBounds, format: string, argument: ConfigValue, at: number): string {
  const values = argument instanceof ConfigTuple ? argument.items : [argument];
  let used = 0;
  let length = format.length;
  bounds.buildText(length, at);
  const text = format.replace(
    CONVERSION,
    (written: string, flags: string | undefined, width: string | undefined, type: string | undefined) => {
      if (written === '%%') return '%';
      if (type === undefined || type === '%') {
        throw bounds.source.refusal(
          at,
          `${shown(written)} in the text before % is not understood; ${FORMS} is needed there`,
        );
      }
      const value = values[used];
      if (value === undefined) throw wrongCount(bounds, at, values.length, 'more');
      used += 1;
      const converted = padded(conversion(bounds, type, value, at), flags ?? '', Number(width ?? 0), type);
      length += converted.length;
      bounds.buildText(length, at);
      return converted;
    },
  );
  if (used < values.length) throw wrongCount(bounds, at, values.length, 'fewer');
  return text;
}

function wrongCount(bounds: EvaluationBounds, at: number, given: number, wanted: 'more' | 'fewer'): Error {
  const values = given === 1 ? '1 value stands' : `${given} values stand`;
  return bounds.source.refusal(at, `${values} behind %, and the text before it takes ${wanted}; as many are needed`);
}

function conversion(bounds: EvaluationBounds, type: string, value: ConfigValue, at: number): string {
  if (type === 's') return textOf(bounds, value, at);
  const integer = integerOf(value);
  if (integer === undefined)
    throw bounds.source.refusal(at, `%${type} stands for ${kindOf(value)}; a whole number is needed`);
  const digits = integer.toString(type.toLowerCase() === 'x' ? 16 : 10);
  return type === 'X' ? digits.toUpperCase() : digits;
}

/** Widths count characters of Unicode. */
function padded(text: string, flags: string, width: number, type: string): string {
  const missing = width - characterCount(text);
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0') || type === 's') return ' '.repeat(missing) + text;
  return text.startsWith('-') ? `-${'0'.repeat(missing)}${text.slice(1)}` : '0'.repeat(missing) + text;
}

/**
 * `str(value)`.
 * @throws GuestFileError for a value that Python writes differently by its version
 */
export function textOf(bounds: EvaluationBounds, value: ConfigValue, at: number): string {
  if (typeof value === 'string') return value;
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof ConfigFloat) return floatText(bounds, value.value, at);
  throw bounds.source.refusal(at, `${kindOf(value)} cannot be made a text; a text or a number is needed`);
}

function floatText(bounds: EvaluationBounds, value: number, at: number): string {
  const size = Math.abs(value);
  const isPlain =
    (size === 0 || size >= SMALLEST_PLAIN_FLOAT) &&
    size < LARGEST_PLAIN_FLOAT &&
    Number(value.toPrecision(FLOAT_DIGITS)) === value;
  if (!isPlain) {
    throw bounds.source.refusal(
      at,
      `${value} is not written alike by every Python; a float from ${SMALLEST_PLAIN_FLOAT} to 10^12 with at most ${FLOAT_DIGITS} digits is needed`,
    );
  }
  const sign = Object.is(value, -0) ? '-' : '';
  return `${sign}${value}${Number.isInteger(value) ? '.0' : ''}`;
}

/** How many characters of Unicode a text has: `len(text)`. */
export function characterCount(text: string): number {
  let count = text.length;
  for (const pair of text.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g)) count -= pair[0].length - 1;
  return count;
}
