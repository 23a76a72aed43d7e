import { describe, expect, it } from 'vitest';
import {
  formatDouble,
  parseBase64,
  parseBoolean,
  parseDateTime,
  parseDouble,
  parseInt32,
  parseInt64,
} from '../../../src/xmlrpc/scalars.ts';

describe('int and i4', () => {
  it.each([
    ['12', 12],
    [' +12 ', 12],
    ['\n-7\t', -7],
    ['0012', 12],
    ['2147483647', 2_147_483_647],
    ['-2147483648', -2_147_483_648],
  ])('reads %j', (text, value) => {
    expect(parseInt32(text)).toBe(value);
  });

  it('makes no negative zero', () => {
    expect(parseInt32('-0')).toBe(0);
  });

  it.each([
    '',
    ' ',
    '+',
    '1 2',
    '+ 1',
    '1.0',
    '1e3',
    '0x10',
    '٣',
    '\u00a012',
    '2147483648',
    '-2147483649',
    '9'.repeat(400),
  ])('refuses %j', text => {
    expect(parseInt32(text)).toBeUndefined();
  });
});

describe('i8', () => {
  it.each([
    ['4294967296', 4_294_967_296],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9223372036854775808', -9_223_372_036_854_775_808n],
    ['+00000000000000000000000009223372036854775807', 9_223_372_036_854_775_807n],
    ['-00000000000000000000000000000000000000000', 0],
  ])('reads %j exactly', (text, value) => {
    expect(parseInt64(text)).toBe(value);
  });

  it.each(['9223372036854775808', '-9223372036854775809', '1'.repeat(1_000_000), '12n', ''])('refuses %#', text => {
    expect(parseInt64(text)).toBeUndefined();
  });
});

describe('double', () => {
  it.each([
    ['1.5', 1.5],
    [' -1.5e-3 ', -0.0015],
    ['+.5', 0.5],
    ['5.', 5],
    ['1E+30', 1e30],
  ])('reads %j', (text, value) => {
    expect(parseDouble(text)).toBe(value);
  });

  it.each(['', '.', 'nan', 'NaN', 'inf', '-Infinity', '1e999', '0x1p3', '1,5', '1e', '1.5f', '1 .5'])(
    'refuses %j',
    text => {
      expect(parseDouble(text)).toBeUndefined();
    },
  );

  it.each([
    [1.5, '1.5'],
    [2 ** 40, '1099511627776.0'],
    [1e21, '1000000000000000000000.0'],
    [-1.25e25, '-12500000000000000000000000.0'],
    [1e-7, '0.0000001'],
    [-1.5e-9, '-0.0000000015'],
  ])('writes %d without an exponent', (value, text) => {
    expect(formatDouble(value)).toBe(text);
  });

  it.each([Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 2 ** 70, 0.1 + 0.2, 123456789.123e13])(
    'writes %d so that it reads back the same',
    value => {
      expect(formatDouble(value)).toMatch(/^-?[0-9]+\.[0-9]+$/);
      expect(parseDouble(formatDouble(value))).toBe(value);
    },
  );
});

describe('boolean', () => {
  it('reads 1 and 0 and nothing else', () => {
    expect([' 1\n', '0', 'true', 'false', '2', '', '01'].map(parseBoolean)).toEqual([
      true,
      false,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('dateTime.iso8601', () => {
  it.each([
    ['19980717T14:08:55', '19980717T14:08:55'],
    ['1998-07-17T14:08:55', '19980717T14:08:55'],
    ['\n20240229T23:59:60 ', '20240229T23:59:60'],
    ['00000101T00:00:00', '00000101T00:00:00'],
  ])('reads %j as %s', (text, form) => {
    expect(parseDateTime(text)?.text).toBe(form);
  });

  it.each([
    '19980717T14:08:55Z',
    '19980717T14:08:55+02:00',
    '19980717T14:08:55.5',
    '1998-0717T14:08:55',
    '19980717 14:08:55',
    '19981317T14:08:55',
    '19980017T14:08:55',
    '19980700T14:08:55',
    '19980431T14:08:55',
    '20230229T00:00:00',
    '19000229T00:00:00',
    '19980717T24:00:00',
    '19980717T14:60:00',
    '19980717T14:08',
    '',
  ])('refuses %j', text => {
    expect(parseDateTime(text)).toBeUndefined();
  });
});

describe('base64', () => {
  it.each([
    ['aGVsbG8=', 'hello'],
    ['\n  aGVs\n\tbG8=\n', 'hello'],
    ['aA==', 'h'],
    ['aA = =', 'h'],
    ['', ''],
  ])('reads %j', (text, content) => {
    const bytes = parseBase64(text);
    expect(bytes && Buffer.from(bytes).toString()).toBe(content);
  });

  it.each(['aGVsbG8', 'a', 'aGVs*G8=', 'aGVsbG-_', '=aGV', 'aG=s', 'a===', '====', 'aA==aA=='])('refuses %j', text => {
    expect(parseBase64(text)).toBeUndefined();
  });
});
