import { describe, expect, it } from 'vitest';
import { printValue } from '../../../src/vmcfg/printer.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue } from '../../../src/vmcfg/values.ts';
import { failureOf } from '../../support/failure-of.ts';
import { valueOf } from './guest-files.ts';

describe('a value in print', () => {
  it.each<[string, ConfigValue, string]>([
    ['a text', 'xenbr0', "'xenbr0'"],
    ['an empty text', '', "''"],
    ['a text with both quotes', `it's "so"`, `'it\\'s "so"'`],
    ['a text with a backslash', 'C:\\new', "'C:\\\\new'"],
    ['a text that ends with a backslash', 'a\\', "'a\\\\'"],
    ['a text with line ends', 'a\nb\r\n\tc', "'a\\nb\\r\\n\\tc'"],
    ['a text with control characters', '\0\x07\x1b\x7f', "'\\x00\\x07\\x1b\\x7f'"],
    ['a text with a digit behind a control character', '\x001', "'\\x001'"],
    ['a text beyond ASCII', 'é日😀\u2028', "'é日😀\u2028'"],
    ['a comment sign and a conversion', '#1 %s', "'#1 %s'"],
    ['a whole number', 512, '512'],
    ['a number below 0', -1, '-1'],
    ['the least exact number', Number.MIN_SAFE_INTEGER, '-9007199254740991'],
    ['a large whole number', 2n ** 256n - 1n, String(2n ** 256n - 1n)],
    ['a float', new ConfigFloat(1.5), '1.5'],
    ['a float without a fraction', new ConfigFloat(2), '2.0'],
    ['a large float', new ConfigFloat(1e21), '1e+21'],
    ['a small float', new ConfigFloat(-5e-324), '-5e-324'],
    ['a float of minus 0', new ConfigFloat(-0), '-0.0'],
    ['True', true, 'True'],
    ['False', false, 'False'],
    ['None', null, 'None'],
    ['an empty list', [], '[]'],
    ['a list', ['a', 1, null], "['a', 1, None]"],
    ['an empty tuple', new ConfigTuple([]), '()'],
    ['a tuple of one', new ConfigTuple([1]), '(1,)'],
    ['a tuple', new ConfigTuple(['a', new ConfigTuple([false])]), "('a', (False,))"],
    [
      'a dictionary',
      new Map<string | number, ConfigValue>([
        ['a', [1]],
        [-2, 'b'],
      ]),
      "{'a': [1], -2: 'b'}",
    ],
    ['an empty dictionary', new Map(), '{}'],
  ])('is %s, and reads as that again', (_what, value, text) => {
    expect(printValue(value)).toBe(text);
    expect(valueOf(`x = ${text}\n`)).toStrictEqual(value);
  });

  it('has the quotes that are wanted, inside of lists as well', () => {
    expect(printValue(['a', `it's "so"`], { quote: '"' })).toBe(`["a", "it's \\"so\\""]`);
  });

  it('has a whole number whichever type holds it', () => {
    expect(printValue([2 ** 60, 5n])).toBe('[1152921504606846976, 5]');
    expect(valueOf('x = [1152921504606846976, 5]')).toStrictEqual([2n ** 60n, 5]);
  });

  it.each<[string, ConfigValue, string]>([
    ['a fraction that is no float', 1.5, 'whole number'],
    ['what is no number', Number.NaN, 'whole number'],
    ['a float without an end', new ConfigFloat(Number.POSITIVE_INFINITY), 'finite'],
    ['a whole number of 257 bits', 2n ** 256n, '2^256'],
    ['a whole number of 257 bits below 0', [-(2n ** 256n)], '2^256'],
    ['lists of unbounded depth', listInItself(), 'levels'],
  ])('is refused for %s', (_what, value, word) => {
    const { code, message } = failureOf(() => printValue(value));
    expect(code).toBe('BAD_VALUE');
    expect(message).toMatch(/^value for vm\.cfg: [^;]+; [^;]+ is needed$/);
    expect(message).toContain(word);
  });
});

function listInItself(): ConfigValue {
  const list: ConfigValue[] = [];
  list.push(list);
  return list;
}
