import { describe, expect, it } from 'vitest';
import { refusalOf, valueOf, valuesOf } from './guest-files.ts';

describe('line ends', () => {
  it.each([
    ['LF', '\n'],
    ['CR LF', '\r\n'],
    ['CR', '\r'],
  ])('are %s', (_name, lineEnd) => {
    const text = ['if 1:', '  a = 1 # one', '', '  b = [', '2,', ']', 'c = 1 + \\', ' 2', 'd = $'].join(lineEnd);
    expect(refusalOf(text)).toMatch(/^line 9, column 5: /);
    expect(valuesOf(text.replace('$', '4'))).toEqual({ a: 1, b: [2], c: 3, d: 4 });
  });

  it('do not count inside brackets, with comments and in any indentation', () => {
    expect(valueOf("x = [ # first\n'a',\n\n   # all of it\n\t\t'b', # b\n  ]  # end")).toEqual(['a', 'b']);
    expect(valueOf('x = (1\n+\n2)')).toBe(3);
    expect(valueOf("x = {\n'a': 1,\n}['a'\n]")).toBe(1);
    expect(valueOf("x = len(\n'abc'\n)")).toBe(3);
  });

  it('are left out by a backslash, which stands nowhere else', () => {
    expect(valueOf('x = \\\n  1 \\\r\n + 2')).toBe(3);
    expect(refusalOf('x = 1 \\ 2')).toBe(
      'line 1, column 7: "\\\\" stands here; outside of texts it must end a line that goes on below',
    );
    expect(refusalOf('x = 1 \\')).toMatch(/^line 1, column 7: /);
    expect(refusalOf('x = 1 \\\n')).toMatch(/^line 1, column 7: /);
  });

  it('may be missing behind the last line', () => {
    expect(valuesOf('if 1:\n  a = 1')).toEqual({ a: 1 });
    expect(valuesOf('if 0: a = 1\nelse: b = 2 # end')).toEqual({ b: 2 });
  });
});

describe('indentation', () => {
  it('goes with a tab to the next multiple of 8', () => {
    expect(valuesOf('if 1:\n        a = 1\n\tb = 2\n   \tc = 3\n')).toEqual({ a: 1, b: 2, c: 3 });
    expect(valuesOf('if 0:\n\tif 1:\n\t  a = 1\n          b = 2\n        c = 3\nd = 4')).toEqual({ d: 4 });
  });

  it('starts anew at a form feed', () => {
    expect(valuesOf('  \fa = 1\n\fb = 2\n')).toEqual({ a: 1, b: 2 });
  });

  it('does not matter in lines without a statement', () => {
    expect(valuesOf('if 1:\n    a = 1\n  # less\n\n \t\n    b = 2\n        # more\n')).toEqual({ a: 1, b: 2 });
  });

  it('must fit the lines around', () => {
    expect(refusalOf('a = 1\n  b = 2')).toBe(
      "line 2, column 3: the line is indented; a line such as name = 'value', an if, or import os, re is needed",
    );
    expect(refusalOf(' a = 1')).toMatch(/^line 1, column 2: the line is indented; /);
    expect(refusalOf('if 1:\n    a = 1\n  b = 2')).toBe(
      'line 3, column 3: the line is indented like no line above; the same indentation is needed',
    );
    expect(refusalOf('if 1:\na = 1')).toBe('line 2, column 1: "a" stands here; an indented line behind ":" is needed');
    expect(refusalOf('if 1:\n# nothing')).toMatch(/the file ends here; an indented line behind ":" is needed$/);
    expect(refusalOf('if 1: a = 1\n  b = 2')).toMatch(/^line 2, column 3: the line is indented; /);
    expect(refusalOf('if 1:\n  a = 1\n  \\\nb = 2\n    c = 3')).toMatch(/^line 5, column 5: the line is indented; /);
  });
});

describe('brackets', () => {
  it.each([
    ["disk = ['a'\nvif = ['b']\n", 'line 1, column 8: "[" is never closed; "]" is needed'],
    ['x = (1]', 'line 1, column 7: "]" stands here; ")" is needed for the "(" of line 1, column 5'],
    ['x = {\n1: 2)', 'line 2, column 5: ")" stands here; "}" is needed for the "{" of line 1, column 5'],
    ['x = 1]', 'line 1, column 6: "]" stands here; no bracket is open that it could close'],
  ])('must fit: %j', (text, message) => {
    expect(refusalOf(text)).toBe(message);
  });
});

describe('characters', () => {
  it.each([
    ['x = “a”', '“'],
    ['x = 1 $ 2', '$'],
    ['x = é', 'é'],
    ['x = 1 ! 2', '!'],
    ['x = \u{1f600}', '\u{1f600}'],
  ])('outside of texts and comments are those of Python: %s', (text, character) => {
    expect(refusalOf(text)).toContain(
      `"${character}" stands here; outside of texts and comments only Python's own characters are understood`,
    );
  });

  it('may be any in a comment and in a text, but for NUL', () => {
    expect(valueOf("x = 'é日“$'  # é日“$")).toBe('é日“$');
    expect(refusalOf("x = 'a' # \0")).toMatch(/^line 1, column 11: a NUL character stands here; /);
  });

  it('are not counted as a column when they are a byte-order mark', () => {
    expect(refusalOf('\ufeffx = $')).toMatch(/^line 1, column 5: /);
    expect(refusalOf('a = 1\n\ufeffb = 2')).toMatch(/^line 2, column 1: "\\u\{feff\}" stands here; /);
  });
});
