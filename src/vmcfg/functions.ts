import type { EvaluationBounds } from './limits.ts';
import { boundedInteger } from './literals.ts';
import { shown } from './source-text.ts';
import { characterCount, textOf } from './text-format.ts';
import { ConfigFloat, type ConfigList, type ConfigValue, integerOf, isDictionary, itemsOf, kindOf } from './values.ts';

/** A function of Python that guest files may call, with one argument. */
type BuiltIn = (bounds: EvaluationBounds, argument: ConfigValue, at: number) => ConfigValue;

export const builtIns: ReadonlyMap<string, BuiltIn> = new Map<string, BuiltIn>([
  ['len', lengthOf],
  ['str', textOf],
  ['int', integerFrom],
]);

/** What `int()` makes a number of, white space around it aside. */
const DECIMAL = /^[ \t\n\r\f\v]*([+-]?\d{1,100})[ \t\n\r\f\v]*$/;

function lengthOf(bounds: EvaluationBounds, value: ConfigValue, at: number): number {
  if (typeof value === 'string') {
    bounds.spendOnText(value.length, at);
    return characterCount(value);
  }
  const length = isDictionary(value) ? value.size : itemsOf(value)?.length;
  if (length === undefined)
    throw bounds.source.refusal(at, `${kindOf(value)} has no length; a text or a list is needed`);
  return length;
}

function integerFrom(bounds: EvaluationBounds, value: ConfigValue, at: number): number | bigint {
  const integer = boundedInteger(wholeNumber(bounds, value, at));
  if (integer === undefined) throw bounds.source.refusal(at, 'the number is too large; one below 2^256 is needed');
  return integer;
}

function wholeNumber(bounds: EvaluationBounds, value: ConfigValue, at: number): bigint {
  if (value instanceof ConfigFloat) return BigInt(Math.trunc(value.value));
  if (typeof value === 'string') {
    bounds.spendOnText(value.length, at);
    const digits = DECIMAL.exec(value)?.[1];
    if (digits === undefined)
      throw bounds.source.refusal(at, `${shown(value)} is no whole number; one in decimal digits is needed`);
    return BigInt(digits.replace(/^\+/, ''));
  }
  const integer = integerOf(value);
  if (integer === undefined)
    throw bounds.source.refusal(at, `${kindOf(value)} cannot be made a whole number; a text or a number is needed`);
  return integer;
}

/** Adds to the end of a list, which is then longer under all its names. */
export function extendList(bounds: EvaluationBounds, list: ConfigList, items: ConfigValue, at: number): void {
  const added = itemsOf(items);
  if (!added) throw bounds.source.refusal(at, `${kindOf(items)} cannot extend a list; another list is needed`);
  bounds.buildList(list.length + added.length, added.length, at);
  // The types let nobody else change a list; while a file is evaluated its lists grow.
  (list as ConfigValue[]).push(...added);
}

/** `object[index]`. */
export function itemAt(bounds: EvaluationBounds, object: ConfigValue, index: ConfigValue, at: number): ConfigValue {
  if (isDictionary(object)) return memberAt(bounds, object, index, at);
  const items = typeof object === 'string' ? charactersOf(bounds, object, at) : itemsOf(object);
  if (!items)
    throw bounds.source.refusal(at, `${kindOf(object)} has no items; a list, a text or a dictionary is needed`);
  const integer = integerOf(index);
  if (integer === undefined) throw bounds.source.refusal(at, `${kindOf(index)} is no index; a whole number is needed`);
  const position = Number(integer);
  const item = items[position < 0 ? position + items.length : position];
  if (item === undefined) {
    throw bounds.source.refusal(
      at,
      `${kindOf(object)} of length ${items.length} has no item ${position}; another index is needed`,
    );
  }
  return item;
}

function charactersOf(bounds: EvaluationBounds, text: string, at: number): readonly string[] {
  bounds.spend(text.length, at);
  return Array.from(text);
}

function memberAt(
  bounds: EvaluationBounds,
  dictionary: ReadonlyMap<unknown, ConfigValue>,
  key: ConfigValue,
  at: number,
): ConfigValue {
  const value = dictionary.get(key);
  if (value !== undefined) return value;
  throw bounds.source.refusal(
    at,
    `${typeof key === 'string' ? shown(key) : kindOf(key)} is no key of the dictionary; one of its keys is needed`,
  );
}
