import { describe, expect, it } from 'vitest';
import { parseStatements } from '../../../src/vmcfg/parser.ts';
import { SourceText, type Span } from '../../../src/vmcfg/source-text.ts';
import type { Assignment, Expression, If, ListDisplay, Statement } from '../../../src/vmcfg/syntax-tree.ts';
import { exampleFile, refusalOf, valueOf, valuesOf } from './guest-files.ts';

const UNDERSTOOD = "a line such as name = 'value', an if, or import os, re";

function parse(text: string): Statement[] {
  return parseStatements(new SourceText(text));
}

describe('the tree of a file', () => {
  const textOf = (text: string) => (span: Span) => text.slice(span.start, span.end);

  it('has the span of every statement, without its comment and its line end', () => {
    const text = `\ufeffimport os, re  # both\r\na = b = 1; c += 2 ;pass\r\nd.append( 'x' )\nif a:\n  e = (1\n  )  # e\nelif b: f = 2\nelse:\n  g = 3 # g\n\n`;
    expect(parse(text).map(textOf(text))).toEqual([
      'import os, re',
      'a = b = 1',
      'c += 2',
      'pass',
      "d.append( 'x' )",
      'if a:\n  e = (1\n  )  # e\nelif b: f = 2\nelse:\n  g = 3',
    ]);
    const choice = parse(text).at(-1) as If;
    expect(choice.branches.map(({ body, test }) => [test, ...body].map(textOf(text)))).toEqual([
      ['a', 'e = (1\n  )'],
      ['b', 'f = 2'],
    ]);
    expect(choice.otherwise.map(textOf(text))).toEqual(['g = 3']);
  });

  it('has the span of every target, value and item, with the brackets around it', () => {
    const text =
      "disk = [ ('a' \n 'b') , 'c' + name,\n  x[0] , -1,not y, f(1)(2) , a.b, (1,), {1: 2}, 1 < 2, z or w ] # end";
    const [{ targets, value }] = parse(text) as [Assignment];
    expect(targets.map(textOf(text))).toEqual(['disk']);
    expect(textOf(text)(value)).toBe(text.slice(text.indexOf('['), text.indexOf(' # end')));
    expect((value as ListDisplay).items.map(textOf(text))).toEqual([
      "('a' \n 'b')",
      "'c' + name",
      'x[0]',
      '-1',
      'not y',
      'f(1)(2)',
      'a.b',
      '(1,)',
      '{1: 2}',
      '1 < 2',
      'z or w',
    ]);
  });

  it('covers the file: what is outside of its statements is blank or a comment', () => {
    let rest = exampleFile;
    for (const { end, start } of parse(exampleFile).toReversed()) rest = rest.slice(0, start) + rest.slice(end);
    expect(rest.replace(/#.*/g, '').replace(/[\s;]/g, '')).toBe('');
  });

  it('keeps operators of one rank side by side, however many there are', () => {
    const [{ value }] = parse(`x = 1${' + 1'.repeat(10_000)}`) as [Assignment];
    expect(value).toMatchObject({ kind: 'calculation' });
    expect(valueOf(`x = 1${' + 1'.repeat(10_000)}`)).toBe(10_001);
    expect(valueOf(`x = 0${' or 0'.repeat(10_000)}`)).toBe(0);
    expect(valueOf(`x = 0${' <= 0'.repeat(10_000)}`)).toBe(true);
  });
});

describe('operators', () => {
  it.each([
    ['1 + 2 * 3 - 4', 3],
    ['(1 + 2) * 3', 9],
    ['10 - 3 - 2', 5],
    ['2 * 7 // 3 % 3', 1],
    ['- 2 * 3', -6],
    ['-(-2)', 2],
    ['- -2', 2],
    ['not 1 == 2', true],
    ['not not 1', true],
    ['1 or 0 and 0', 1],
    ['1 + 1 == 2 and 3 or 4', 3],
    ['1 < 2 < 3', true],
    ['1 < 3 < 3', false],
    ["'a' + 'b' in 'cab'", true],
    ["not 'a' in 'cab'", false],
    ["'x' not in 'cab'", true],
    ['None is not None', false],
    ['1 <> 2', true],
  ])("have Python's ranks: %s", (expression, value) => {
    expect(valueOf(`x = ${expression}`)).toBe(value);
  });

  it.each(['2 ** 9', '1 << 3', '8 >> 1', '1 | 2', '1 & 2', '1 ^ 2', 'a @ b'])('are refused: %s', expression => {
    const operator = /[^\w ]+/.exec(expression)![0];
    expect(refusalOf(`x = ${expression}`)).toBe(
      `line 1, column 7: "${operator}" is not understood; one of + - * // % is needed`,
    );
  });

  it('are refused where Python 2 and Python 3 calculate differently', () => {
    expect(refusalOf('x = 7 / 2')).toBe(
      'line 1, column 7: "/" does not mean the same in every Python; "//", which gives a whole number, is needed',
    );
  });
});

describe('statements', () => {
  it('stand on a line with semicolons between them', () => {
    expect(valuesOf('a = 1; b = 2 ;c = 3;\nif a: d = 4; e = 5;\nif 0: f = 6; g = 7')).toEqual({
      a: 1,
      b: 2,
      c: 3,
      d: 4,
      e: 5,
    });
  });

  it.each([
    ...['def f(): pass', 'for x in y: pass', 'while 1: pass', 'exec "x"', 'print "x"', 'class A: pass', 'try: pass'],
    ...['del x', 'from os import uname', 'assert 1', 'global x', 'raise x', 'return', 'with x: pass', 'yield', 'break'],
    'lambda: 0',
  ])('of other kinds are refused: %s', text => {
    expect(refusalOf(`a = 1\n${text}\n`)).toBe(
      `line 2, column 1: "${/\w+/.exec(text)![0]}" is not understood in a guest file; ${UNDERSTOOD} is needed`,
    );
    expect(refusalOf(`if 0:\n  a = 1; ${text}\n`)).toContain('line 2, column 10: ');
  });

  it.each([
    ['x 5', 'line 1, column 3: "5" stands here; the end of the line is needed'],
    ['x = 5 6', 'line 1, column 7: "6" stands here; the end of the line is needed'],
    ['x: int = 1', 'line 1, column 2: ":" stands here; the end of the line is needed'],
    ['x := 1', 'line 1, column 3: ":=" stands here; the end of the line is needed'],
    ['x = 1 if y else 2', 'line 1, column 7: "if" stands here; the end of the line is needed'],
    ['x -= 1', 'line 1, column 3: "-=" stands here; "+=", or "=" with the whole calculation behind it, is needed'],
    ['x **= 1', 'line 1, column 3: "**=" stands here; "+=", or "=" with the whole calculation behind it, is needed'],
    ['a, b = 1, 2', 'line 1, column 1: "a, b" cannot be set at once; a line for each name is needed'],
    ['a[0] = 1', 'line 1, column 1: "a[0]" cannot be set; a name before the "=" is needed'],
    ['a.b += 1', 'line 1, column 1: "a.b" cannot be set; a name before the "=" is needed'],
    ["x = 'a' = 1", `line 1, column 5: "'a'" cannot be set; a name before the "=" is needed`],
    ['import os as o', 'line 1, column 11: "as" stands here; the end of the line is needed'],
    ['import os.path', 'line 1, column 10: "." stands here; the end of the line is needed'],
    ['import', 'line 1, column 7: the line ends here; the name of a module is needed'],
    ['else: x = 1', 'line 1, column 1: "else" stands here; an "if" above it with the same indentation is needed'],
    [
      'a = 1\nelif a: x = 1',
      'line 2, column 1: "elif" stands here; an "if" above it with the same indentation is needed',
    ],
    ['if 1 x = 2', 'line 1, column 6: "x" stands here; ":" behind the condition is needed'],
    ['if x = 1: pass', 'line 1, column 6: "=" stands here; ":" behind the condition is needed'],
    ['if 1: pass\nelse x = 1', 'line 2, column 6: "x" stands here; ":" behind else is needed'],
    ['if 1: if 2: x = 1', 'line 1, column 7: "if" stands here; a line of its own for an inner if is needed'],
    [';', 'line 1, column 1: ";" stands here; a value such as 512, a text in quotes or a list is needed'],
  ])('that are none are refused: %j', (text, message) => {
    expect(refusalOf(text)).toBe(message);
  });
});

describe('expressions that are none', () => {
  const value = 'a value such as 512, a text in quotes or a list';

  it.each([
    ['', `line 1, column 5: the line ends here; ${value} is needed`],
    ['= 1', `line 1, column 5: "=" stands here; ${value} is needed`],
    ['1 +', `line 1, column 8: the line ends here; ${value} is needed`],
    ['~1', `line 1, column 5: "~" stands here; ${value} is needed`],
    ['`1`', `line 1, column 5: "\`" stands here; ${value} is needed`],
    ['lambda: 0', `line 1, column 5: "lambda" stands here; ${value} is needed`],
    ['[*a]', `line 1, column 6: "*" stands here; ${value} is needed`],
    ['f(a=1)', 'line 1, column 8: "=" stands here; a comma or the ")" of the call is needed'],
    ['[i for i in y]', 'line 1, column 8: "for" stands here; a comma or the "]" of the list is needed'],
    ['[1,,2]', 'line 1, column 8: "," stands here; an item before the comma is needed'],
    ["['a'\n'b' 1]", 'line 2, column 5: "1" stands here; a comma or the "]" of the list is needed'],
    ['(1 2)', 'line 1, column 8: "2" stands here; a comma or ")" is needed'],
    ['(1, 2 3)', 'line 1, column 11: "3" stands here; a comma or the ")" of the tuple is needed'],
    ['{1}', 'line 1, column 7: "}" stands here; ":" behind the key is needed'],
    ['{1: 2 3: 4}', 'line 1, column 11: "3" stands here; a comma or the "}" of the dictionary is needed'],
    ['a[1', 'line 1, column 6: "[" is never closed; "]" is needed'],
    [
      'a[1:2]',
      'line 1, column 8: ":" stands in an index, and parts of lists and texts are not understood; one index is needed',
    ],
    [
      'a[:2]',
      'line 1, column 7: ":" stands in an index, and parts of lists and texts are not understood; one index is needed',
    ],
    ['a[1, 2]', 'line 1, column 8: "," stands here; "]" behind the index is needed'],
    ['a.1', 'line 1, column 6: ".1" stands here; the end of the line is needed'],
    ['a.if', 'line 1, column 7: "if" stands here; a name behind the point is needed'],
    ['1 not 2', 'line 1, column 11: "2" stands here; "in" behind "not" is needed'],
  ])('are refused: %j', (expression, message) => {
    expect(refusalOf(`x = ${expression}`)).toBe(message);
  });
});

describe('lists, tuples and dictionaries', () => {
  it('may end with a comma and stand on several lines', () => {
    expect(valuesOf("a = ['1',\n'2',\n]\nb = {\n 'k': 1,  # one\n 2: [],\n}\n")).toEqual({
      a: ['1', '2'],
      b: new Map<string | number, unknown>([
        ['k', 1],
        [2, []],
      ]),
    });
  });

  it('are tuples by their comma and not by their brackets', () => {
    const text = "a = (1)\nb = (1,)\nc = 1,\nd = ()\ne = 'x', 'y'\nf = (1, 2,)\n";
    const statements = parse(text) as Assignment[];
    expect(statements.map(({ value }: { readonly value: Expression }) => value.kind)).toEqual([
      'constant',
      'tuple',
      'tuple',
      'tuple',
      'tuple',
      'tuple',
    ]);
  });
});
