/**
 * Values of a guest file.
 *
 * | Python | here |
 * |---|---|
 * | str, unicode | string |
 * | int, long | number when exact, else bigint |
 * | float | ConfigFloat |
 * | bool | boolean |
 * | None | null |
 * | list | array |
 * | tuple | ConfigTuple |
 * | dict | Map, with texts and whole numbers as keys |
 */
export type ConfigValue =
  | string
  | number
  | bigint
  | ConfigFloat
  | boolean
  | null
  | ConfigList
  | ConfigTuple
  | ConfigDictionary;

export type ConfigList = readonly ConfigValue[];
export type ConfigDictionary = ReadonlyMap<ConfigDictionaryKey, ConfigValue>;
export type ConfigDictionaryKey = string | number | bigint;

/** A number that was written with a point or an exponent: `1.0` is no `1` where a whole number is wanted. */
export class ConfigFloat {
  /** Finite. */
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export class ConfigTuple {
  readonly items: readonly ConfigValue[];

  constructor(items: readonly ConfigValue[]) {
    this.items = items;
  }
}

export function isList(value: unknown): value is ConfigList {
  return Array.isArray(value);
}

export function isDictionary(value: unknown): value is ConfigDictionary {
  return value instanceof Map;
}

/** The items of a list or a tuple, which guest files use alike; undefined for every other value. */
export function itemsOf(value: ConfigValue): readonly ConfigValue[] | undefined {
  if (value instanceof ConfigTuple) return value.items;
  return isList(value) ? value : undefined;
}

/**
 * Whether the two cannot be told apart, their kinds included: 1 is neither True nor 1.0, and a tuple is no list. The
 * order of a dictionary does not count.
 */
export function isSameValue(left: ConfigValue, right: ConfigValue): boolean {
  if (isWhole(left) && isWhole(right)) return BigInt(left) === BigInt(right);
  if (left instanceof ConfigFloat) return right instanceof ConfigFloat && Object.is(left.value, right.value);
  if (left instanceof ConfigTuple) return right instanceof ConfigTuple && areSameItems(left.items, right.items);
  if (isList(left)) return isList(right) && areSameItems(left, right);
  if (!isDictionary(left)) return left === right;
  if (!isDictionary(right) || left.size !== right.size) return false;
  return [...left].every(([key, item]) => {
    const other = right.get(key);
    return other !== undefined && isSameValue(item, other);
  });
}

function areSameItems(left: readonly ConfigValue[], right: readonly ConfigValue[]): boolean {
  return left.length === right.length && left.every((item, index) => isSameValue(item, right[index]!));
}

/** Whether it is written as a whole number; fractions, which are no values of a guest file, are none. */
function isWhole(value: ConfigValue): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value);
}

/** A whole number as Python counts with it: True is 1 and False is 0. */
export function integerOf(value: ConfigValue): bigint | undefined {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
    ? BigInt(value)
    : undefined;
}

/** The kind of a value in the words of messages, with its article. */
export function kindOf(value: ConfigValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return 'a whole number';
  if (value instanceof ConfigFloat) return 'a float';
  if (value instanceof ConfigTuple) return 'a tuple';
  return isList(value) ? 'a list' : 'a dictionary';
}
