import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue, isDictionary, isList } from './values.ts';

/** A value as programs outside the agent have it; tuples are arrays, and whole numbers without end are texts. */
export type PlainValue = string | number | boolean | readonly PlainValue[] | { readonly [key: string]: PlainValue };

/** None is an empty text, as guest files use both for what is not set. */
export function toPlain(value: ConfigValue): PlainValue {
  if (value === null) return '';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return isShort(value) ? value : String(value);
  if (value instanceof ConfigFloat) return value.value;
  if (value instanceof ConfigTuple) return value.items.map(toPlain);
  if (isList(value)) return value.map(toPlain);
  if (isDictionary(value)) return Object.fromEntries([...value].map(([key, member]) => [String(key), toPlain(member)]));
  return value;
}

/**
 * @param value null stands for None
 * @throws AgentError BAD_VALUE for what a guest file cannot hold
 */
export function fromPlain(value: unknown, name: string): ConfigValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint')
    return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new ConfigFloat(value);
  if (Array.isArray(value)) return value.map(item => fromPlain(item, name));
  if (
    typeof value === 'object' &&
    (Object.getPrototypeOf(value) === null || Object.getPrototypeOf(value) === Object.prototype)
  ) {
    return new Map(Object.entries(value).map(([key, member]) => [key, fromPlain(member, name)]));
  }
  throw new AgentError(
    'BAD_VALUE',
    `config ${quote(name)}: a guest file holds texts, numbers, lists and dictionaries only`,
  );
}

/** Old clients of XML-RPC know whole numbers of 32 bits. */
function isShort(value: number): boolean {
  return value === (value | 0);
}
