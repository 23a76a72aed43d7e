import { describe, expect, it } from 'vitest';
import { ConfigFloat } from '../../../src/vmcfg/values.ts';
import { refusalOf, valueOf } from './guest-files.ts';

describe('a text', () => {
  it.each([
    [`'a"b'`, 'a"b'],
    [`"a'b"`, "a'b"],
    [`'''a'b''c'''`, "a'b''c"],
    [`"""a"b\nc"""`, 'a"b\nc'],
    [`''`, ''],
    [`''''''`, ''],
    [`'''\\''''`, "'"],
    [`u'a' U"b"`, 'ab'],
    [`'a' "b"\\\n'''c'''`, 'abc'],
    [`('a'\n'b'  # joined\n"c")`, 'abc'],
  ])('stands in quotes of any kind: %s', (written, value) => {
    expect(valueOf(`x = ${written}`)).toBe(value);
  });

  it.each([
    ['\\\\ \\\' \\"', '\\ \' "'],
    ['\\a\\b\\f\\n\\r\\t\\v', '\x07\b\f\n\r\t\v'],
    ['\\x41\\xe9', 'Aé'],
    ['\\101\\0\\08\\377', 'A\0\x008ÿ'],
    ['one\\\ntwo\\\r\nthree\\\rfour', 'onetwothreefour'],
    ['\\d \\. \\- \\8 \\é', '\\d \\. \\- \\8 \\é'],
  ])("has Python's escapes, and keeps the backslash of what is none: %j", (written, value) => {
    expect(valueOf(`x = '${written}'`)).toBe(value);
  });

  it('has escapes of Unicode when it says that it is Unicode', () => {
    expect(valueOf("x = u'\\u00e9\\u65e5\\U0001F600'")).toBe('é日\u{1f600}');
  });

  it('keeps its backslashes when it is raw', () => {
    expect(valueOf("x = r'C:\\new\\x'")).toBe('C:\\new\\x');
    expect(valueOf("x = R'a\\'b'")).toBe("a\\'b");
    expect(valueOf("x = r'''a\\\r\nb'''")).toBe('a\\\nb');
    expect(valueOf("x = ur'\\d'")).toBe('\\d');
  });

  it('has LF for every line end of the file, and keeps a carriage return that is an escape', () => {
    expect(valueOf("x = '''a\r\nb\rc\\rd\\r\ne'''")).toBe('a\nb\nc\rd\r\ne');
  });

  it.each([
    ["x = 'abc", "line 1, column 5: the text that opens here has no end; a closing ' is needed"],
    ["x = 'abc\ny = 'd'", "line 1, column 5: the text that opens here has no end; a closing ' is needed"],
    ["x = '''abc\n''", "line 1, column 5: the text that opens here has no end; a closing ''' is needed"],
    ["x = r'abc\\'", "line 1, column 5: the text that opens here has no end; a closing ' is needed"],
    ["x = b'a'", `line 1, column 5: "b'a'" has the prefix b, which is not understood; a text without it is needed`],
    ["x = rb'a'", `line 1, column 5: "rb'a'" has the prefix b, which is not understood; a text without it is needed`],
    ["x = f'{y}'", `line 1, column 5: "f'{y}'" has the prefix f, which is not understood; a text without it is needed`],
    ["x = '\\xg0'", 'line 1, column 6: "\\\\x" is cut short; 2 hexadecimal digits are needed behind it'],
    ["x = u'\\u12'", 'line 1, column 7: "\\\\u" is cut short; 4 hexadecimal digits are needed behind it'],
    ["x = u'\\U0001'", 'line 1, column 7: "\\\\U" is cut short; 8 hexadecimal digits are needed behind it'],
    ["x = u'\\ud800'", 'line 1, column 7: "\\\\ud800" is no character of Unicode; another number is needed'],
    ["x = u'\\U00110000'", 'line 1, column 7: "\\\\U00110000" is no character of Unicode; another number is needed'],
  ])('is refused: %j', (text, message) => {
    expect(refusalOf(text)).toBe(message);
  });

  it.each(["'\\u0041'", "'\\U00000041'", "'\\N{DASH}'", "u'\\N{DASH}'", "'\\777'", "ur'\\u0041'"])(
    'is refused where Python 2 and Python 3 read it differently: %s',
    written => {
      expect(refusalOf(`x = ${written}`)).toMatch(
        /does not mean the same in every Python; the character itself, or "\\\\" for a backslash, is needed$/,
      );
    },
  );
});

describe('a number', () => {
  it.each([
    ['512', 512],
    ['0', 0],
    ['00', 0],
    ['0x1fF', 0x1ff],
    ['0XA', 10],
    ['0o755', 0o755],
    ['0O17', 0o17],
    ['0755', 0o755],
    ['007', 7],
    ['0b101', 5],
    ['123L', 123],
    ['0xFFl', 255],
    ['0L', 0],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-9007199254740993', -9007199254740993n],
    ['0xffffffffffffffffffffffffffffffff', 2n ** 128n - 1n],
    ['0x1e+1', 0x1f],
  ])('is whole and exact: %s', (written, value) => {
    expect(valueOf(`x = ${written}`)).toBe(value);
  });

  it.each([
    ['1.5', 1.5],
    ['1.', 1],
    ['.25', 0.25],
    ['1e3', 1000],
    ['1.5E-3', 0.0015],
    ['09.5', 9.5],
    ['-2.0', -2],
  ])('is a float, which is told from a whole number: %s', (written, value) => {
    expect(valueOf(`x = ${written}`)).toEqual(new ConfigFloat(value));
  });

  it.each(['08', '0x', '0o8', '0b2', '12ab', '512MB', '1_000', '1j', '1e', '1.2.3', '0xfg', '1.0L', '1..real'])(
    'is refused when it is none: %s',
    written => {
      expect(refusalOf(`x = ${written}`)).toBe(
        `line 1, column 5: "${written}" is no number; a number such as 512, or quotes, are needed`,
      );
    },
  );

  it('is refused when it is out of bounds, instead of being rounded', () => {
    expect(refusalOf('x = 1e999')).toBe('line 1, column 5: "1e999" is too large; a float below 1.8e308 is needed');
    const digits = '9'.repeat(100_000);
    expect(refusalOf(`x = ${digits}`)).toBe(
      `line 1, column 5: "${'9'.repeat(40)}…" is too large; a number below 2^256 is needed`,
    );
    expect(valueOf(`x = ${2n ** 256n - 1n}`)).toBe(2n ** 256n - 1n);
    expect(refusalOf(`x = ${2n ** 256n}`)).toContain('is too large');
  });
});

describe('True, False and None', () => {
  it('are values and cannot be set', () => {
    expect(valueOf('x = [True, False, None]')).toEqual([true, false, null]);
    expect(refusalOf('None = 1')).toBe('line 1, column 1: "None" cannot be set; a name before the "=" is needed');
  });
});
