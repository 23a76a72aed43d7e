import { ConfigFloat, ConfigTuple, type ConfigValue } from '../../src/vmcfg/values.ts';

const CHARACTERS = [
  ...['a', 'Z', '6', ' ', ',', '/', ':', '=', '#', '%', '[', '(', "'", '"', '\\', '\n', '\r', '\t', '\0', '\x7f'],
  ...['é', 'ÿ', '\x85', '日', '\u2028', '\ufeff', '😀'],
];
const INTEGERS = [0, 1, -1, 512, Number.MAX_SAFE_INTEGER, -(2n ** 53n), 2n ** 64n, 1n - 2n ** 256n];
const FLOATS = [0, -0, 1.5, -2, 1e21, 1e-7, 5e-324, -1.7976931348623157e308];

/** Choices of a random number generator. */
export class Chance {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  is(probability: number): boolean {
    return this.#random() < probability;
  }

  integer(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  one<Item>(items: readonly Item[]): Item {
    return items[this.integer(0, items.length - 1)]!;
  }

  times<Item>(least: number, most: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: this.integer(least, most) }, (_, index) => make(index));
  }

  text(): string {
    return this.times(0, 8, () => this.one(CHARACTERS)).join('');
  }

  /** A value of a guest file, whose lists are nested at most so deep. */
  value(depth: number): ConfigValue {
    if (depth > 0 && this.is(0.4)) {
      const items = this.times(0, 3, () => this.value(depth - 1));
      if (this.is(0.6)) return items;
      if (this.is(0.6)) return new ConfigTuple(items);
      return new Map(items.map(item => [this.is(0.7) ? this.text() : this.one(INTEGERS), item]));
    }
    if (this.is(0.5)) return this.text();
    if (this.is(0.4)) return this.one(INTEGERS);
    return this.is(0.4) ? new ConfigFloat(this.one(FLOATS)) : this.one([true, false, null]);
  }
}
