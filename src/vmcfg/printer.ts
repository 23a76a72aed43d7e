import { AgentError } from '../errors.ts';
import { deepestNesting } from './limits.ts';
import { boundedInteger } from './literals.ts';
import { ConfigFloat, type ConfigValue, isDictionary, isList } from './values.ts';

export type QuoteSign = "'" | '"';

export interface PrintStyle {
  /** Around every text. */
  readonly quote: QuoteSign;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * The value as a literal of Python, on one line, that reads as the same value.
 * @throws AgentError BAD_VALUE when it is a number or a nesting that no guest file can hold
 */
export function printValue(value: ConfigValue, style: PrintStyle = { quote: "'" }): string {
  return printed(value, style, 0);
}

function printed(value: ConfigValue, style: PrintStyle, depth: number): string {
  if (depth > deepestNesting)
    throw unprintable('lists are nested', `nesting of at most ${deepestNesting} levels is needed`);
  if (value === null) return 'None';
  if (typeof value === 'string') return printText(value, style);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return printInteger(value);
  if (value instanceof ConfigFloat) return printFloat(value.value);
  const inner = (item: ConfigValue): string => printed(item, style, depth + 1);
  if (isList(value)) return `[${value.map(inner).join(', ')}]`;
  if (isDictionary(value)) return `{${[...value].map(([key, item]) => `${inner(key)}: ${inner(item)}`).join(', ')}}`;
  // The comma makes the tuple, so that one item needs one as well.
  return value.items.length === 1 ? `(${inner(value.items[0]!)},)` : `(${value.items.map(inner).join(', ')})`;
}

/** Characters beyond ASCII stay as they are: the escapes for them do not mean the same in every Python. */
function printText(text: string, { quote }: PrintStyle): string {
  const escaped = text.replace(/[\\'"\0-\x1f\x7f]/g, character => {
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character;
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return quote + escaped + quote;
}

function printInteger(value: number | bigint): string {
  if (typeof value === 'number' && !Number.isInteger(value))
    throw unprintable(`${value} stands for a whole number`, 'a ConfigFloat or a whole number is needed');
  const integer = BigInt(value);
  if (boundedInteger(integer) === undefined)
    throw unprintable('a whole number is too large', 'one below 2^256 is needed');
  return String(integer);
}

function printFloat(value: number): string {
  if (!Number.isFinite(value)) throw unprintable(`${value} is no float of a guest file`, 'a finite one is needed');
  const digits = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

function unprintable(what: string, needed: string): AgentError {
  return new AgentError('BAD_VALUE', `value for vm.cfg: ${what}; ${needed}`);
}
