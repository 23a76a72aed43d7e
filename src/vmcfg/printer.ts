import { AgentError } from '../errors.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue, isDictionary, isList } from './values.ts';

export type Quote = "'" | '"';

/**
 * A value as Python writes it; read again it is the same value.
 * @param quote around texts
 * @throws AgentError BAD_VALUE for a text that is no Unicode (a lone surrogate)
 */
export function printValue(value: ConfigValue, quote: Quote = "'"): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return printText(value, quote);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof ConfigFloat) return printFloat(value.value);
  const print = (item: ConfigValue): string => printValue(item, quote);
  if (value instanceof ConfigTuple) {
    const [only] = value.items;
    return only !== undefined && value.items.length === 1
      ? `(${print(only)},)`
      : `(${value.items.map(print).join(', ')})`;
  }
  if (isList(value)) return `[${value.map(print).join(', ')}]`;
  if (isDictionary(value))
    return `{${[...value].map(([key, member]) => `${print(key)}: ${print(member)}`).join(', ')}}`;
  return value satisfies never;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function printText(text: string, quote: Quote): string {
  if (/\p{Surrogate}/u.test(text)) {
    throw new AgentError('BAD_VALUE', 'text for a guest file: it holds half a character; whole ones are needed');
  }
  const body = text.replace(/[\\\p{Cc}'"]/gu, character => {
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character;
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return quote + body + quote;
}

/** With a point or an exponent: without, it would be a whole number. */
function printFloat(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
