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
