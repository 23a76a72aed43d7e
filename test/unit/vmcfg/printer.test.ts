import { describe, expect, it } from 'vitest';
import { printValue } from '../../../src/vmcfg/printer.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue } from '../../../src/vmcfg/values.ts';

describe('a value is written as Python writes it:', () => {
  it.each<[ConfigValue, string]>([
    [null, 'None'],
    [true, 'True'],
    [-5, '-5'],
    [123456789012345678901234567890n, '123456789012345678901234567890'],
    [new ConfigFloat(1), '1.0'],
    [new ConfigFloat(-0), '-0.0'],
    [new ConfigFloat(1e21), '1e+21'],
    ['a\\b\n\t\0', "'a\\\\b\\n\\t\\x00'"],
    ['it\'s "so"', "'it\\'s \"so\"'"],
    [['x', 1, []], "['x', 1, []]"],
    [new ConfigTuple(['x']), "('x',)"],
    [new ConfigTuple([]), '()'],
    [new ConfigTuple([1, 2]), '(1, 2)'],
    [
      new Map<string | number, ConfigValue>([
        ['a', 1],
        [2, 'b'],
      ]),
      "{'a': 1, 2: 'b'}",
    ],
  ])('%j', (value, text) => {
    expect(printValue(value)).toBe(text);
  });

  it('takes the other quotes where they are asked for', () => {
    expect(printValue(['it\'s "so"'], '"')).toBe('["it\'s \\"so\\""]');
  });

  it('refuses half a character', () => {
    expect(() => printValue('\ud800')).toThrow('half a character');
  });
});
