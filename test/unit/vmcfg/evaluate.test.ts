import { describe, expect, it } from 'vitest';
import { ConfigFloat, ConfigTuple } from '../../../src/vmcfg/values.ts';
import { facts64, refusalOf, valueOf, valuesOf } from './guest-files.ts';

const CALLABLE = 'one of os.uname, re.search, re.match, len, str, int, append and extend is needed';

describe('names', () => {
  it('have the value of their last assignment in later expressions', () => {
    expect(valuesOf("a = 'x'\nb = a + a\na = 2\nc = [a, b]")).toEqual({ a: 2, b: 'xx', c: [2, 'xx'] });
  });

  it('are set to the same value by one line', () => {
    expect(valuesOf('a = b = []\na.append(1)\n')).toEqual({ a: [1], b: [1] });
  });

  it('are refused before they have a value', () => {
    expect(refusalOf('vncpasswd = secret')).toBe(
      'line 1, column 13: "secret" has no value here; quotes around a text, or a line above that sets the name, are needed',
    );
    expect(refusalOf('if 0: a = 1\nb = a')).toMatch(/^line 2, column 5: "a" has no value here; /);
    expect(refusalOf('a += 1')).toMatch(/^line 1, column 1: "a" has no value here; /);
  });

  it('must be set by a line: one that only has a value is refused', () => {
    const message = (place: string, written: string): string =>
      `${place}: "${written}" stands alone and sets nothing; a line such as name = 'value' is needed`;
    expect(refusalOf('memory = 1\nmemory')).toBe(message('line 2, column 1', 'memory'));
    expect(refusalOf('1')).toBe(message('line 1, column 1', '1'));
    expect(refusalOf('memory = 1; memory == 512')).toBe(message('line 1, column 13', 'memory == 512'));
    expect(refusalOf("len('a')")).toBe(message('line 1, column 1', "len('a')"));
    expect(refusalOf('import os; os.uname()')).toBe(message('line 1, column 12', 'os.uname()'));
    expect(refusalOf('None')).toBe(message('line 1, column 1', 'None'));
  });
});

describe('lists', () => {
  it('grow by append, extend and +=, under all their names', () => {
    expect(
      valuesOf(
        "a = ['1']\nb = a\na.append('2')\nb += ['3']\na.extend(('4', '5'))\na += a\nc = {'k': a}\nc['k'].append(6)",
      ),
    ).toMatchObject({
      a: ['1', '2', '3', '4', '5', '1', '2', '3', '4', '5', 6],
      b: ['1', '2', '3', '4', '5', '1', '2', '3', '4', '5', 6],
    });
  });

  it('are new ones by + and *', () => {
    expect(valuesOf("a = ['1']\nb = a + ['2']\nc = 2 * a\nd = a * -1\na.append(3)")).toEqual({
      a: ['1', 3],
      b: ['1', '2'],
      c: ['1', '1'],
      d: [],
    });
  });

  it.each([
    ["x = ''\nx.append(1)", 'line 2, column 1: append is called on a text; a list before ".append" is needed'],
    ['x = (1,)\nx.extend([1])', 'line 2, column 1: extend is called on a tuple; a list before ".extend" is needed'],
    ["x = []\nx.extend('ab')", 'line 2, column 1: a text cannot extend a list; another list is needed'],
    ["x = []\nx += 'ab'", 'line 2, column 6: a text cannot extend a list; another list is needed'],
    ['x = []\nx.append()', 'line 2, column 1: "x.append" is called with 0 arguments; one is needed'],
    ['x = []\nx.append(1, 2)', 'line 2, column 1: "x.append" is called with 2 arguments; one is needed'],
    ['x = []\nx.pop()', `line 2, column 1: "x.pop" is not understood in a guest file; ${CALLABLE}`],
    [
      'x = []\nx.append',
      'line 2, column 1: "x.append" stands alone and sets nothing; a line such as name = \'value\' is needed',
    ],
    ['x = [].append', `line 1, column 5: "[].append" is not understood in a guest file; ${CALLABLE}`],
    ['x = [1] + (1,)', 'line 1, column 9: a list + a tuple has no meaning; values that fit together are needed'],
  ])('are refused when what is done does not fit: %j', (text, message) => {
    expect(refusalOf(text)).toBe(message);
  });

  it('cannot hold themselves', () => {
    expect(refusalOf('y = 1\nx = []\nx.append([x])')).toBe(
      'line 2, column 1: the nesting is deeper than 32 levels; a flatter form is needed',
    );
  });
});

describe('an index', () => {
  it.each([
    ["['a', 'b'][1]", 'b'],
    ["['a', 'b'][-2]", 'a'],
    ["('a', 'b')[True]", 'b'],
    ["'abc'[-1]", 'c'],
    ["u'a\u{1f600}b'[1]", '\u{1f600}'],
    ["{'k': 1}['k']", 1],
    ["{10: 'ten'}[5 + 5]", 'ten'],
    ['[[1, 2], [3]][0][1]', 2],
  ])('gives an item: %s', (expression, value) => {
    expect(valueOf(`x = ${expression}`)).toBe(value);
  });

  it.each([
    ["'abc'[3]", 'a text of length 3 has no item 3; another index is needed'],
    ['[][0]', 'a list of length 0 has no item 0; another index is needed'],
    ['(1,)[-2]', 'a tuple of length 1 has no item -2; another index is needed'],
    ["[1]['a']", 'a text is no index; a whole number is needed'],
    ['[1][0.0]', 'a float is no index; a whole number is needed'],
    ['1[0]', 'a whole number has no items; a list, a text or a dictionary is needed'],
    ['None[0]', 'None has no items; a list, a text or a dictionary is needed'],
    ["{'a': 1}['b']", '"b" is no key of the dictionary; one of its keys is needed'],
    ['{}[[]]', 'a list is no key of the dictionary; one of its keys is needed'],
  ])('is refused where there is none: %s', (expression, message) => {
    expect(refusalOf(`x = ${expression}`)).toBe(`line 1, column 5: ${message}`);
  });
});

describe('dictionaries', () => {
  it('have texts and whole numbers as keys, of which the last wins', () => {
    expect(valueOf("x = {'a': 1, 2: 'b', 0x2: 'c', 2L: 'd'}")).toEqual(
      new Map<unknown, unknown>([
        ['a', 1],
        [2, 'd'],
      ]),
    );
    expect(refusalOf('x = {1.5: 1}')).toBe('line 1, column 6: a float is the key; a text or a whole number is needed');
    expect(refusalOf('x = {(): 1}')).toBe('line 1, column 6: a tuple is the key; a text or a whole number is needed');
  });
});

describe('if, elif and else', () => {
  it.each([
    [0, 'zero'],
    [1, 'one'],
    [2, 'two'],
    [3, 'more'],
  ])('take the first branch whose condition holds: %i', (n, name) => {
    const text = `n = ${n}
if n == 0: x = 'zero'
elif n == 1:
  if n:
    x = 'one'
  else:
    x = 'none'
elif n <= 2:
  x = 'two'
else:
  x = 'more'
`;
    expect(valueOf(text)).toBe(name);
  });

  it('leave the other branches alone, which must be understood all the same', () => {
    expect(valuesOf('if 0:\n  a = undefined + 1\nelif 1: b = 1\nelif undefined: c = 1')).toEqual({ b: 1 });
    expect(refusalOf('if 0:\n  def f(): pass')).toMatch(/^line 2, column 3: "def" is not understood/);
  });

  it.each([
    ['1', true],
    ['0', false],
    ["'0'", true],
    ["''", false],
    ['0.0', false],
    ['0.5', true],
    ['[]', false],
    ['[0]', true],
    ['()', false],
    ['(0,)', true],
    ['{}', false],
    ['{0: 0}', true],
    ['None', false],
    ['99999999999999999999', true],
    ['not 0', true],
  ])('know what is true as Python does: %s', (condition, holds) => {
    expect(valuesOf(`x = False\nif ${condition}: x = True`)).toEqual({ x: holds });
  });

  it('know and, or and not, which look no further than they must', () => {
    expect(valueOf("x = '' or 'a'")).toBe('a');
    expect(valueOf("x = 'a' and 0 and undefined")).toBe(0);
    expect(valueOf('x = 1 or undefined')).toBe(1);
    expect(valueOf('x = 3 > 4 > undefined')).toBe(false);
  });
});

describe('comparisons', () => {
  it.each([
    ['1 == 1.0', true],
    ['True == 1', true],
    ["'1' == 1", false],
    ['9007199254740993 == 9007199254740992.0', false],
    ['9007199254740993 > 9007199254740992.0', true],
    ['[1, [2]] == [1.0, [2]]', true],
    ['[1] == (1,)', false],
    ['(1, 2) == (1, 2)', true],
    ["{'a': 1, 2: 3} == {2: 3.0, 'a': 1}", true],
    ["{'a': 1} == {'b': 1}", false],
    ["{'a': 1} == {'a': 2}", false],
    ['None == None', true],
    ['None == 0', false],
    ['None != False', true],
    ["'b' > 'a'", true],
    ["'2.6.18' >= '2.6'", true],
    ["u'\\uffff' < u'\\U00010000'", true],
    ["'64' in 'x86_64'", true],
    ["'' in ''", true],
    ['2 in [1, 2.0]', true],
    ["'a' in ('a',)", true],
    ["'a' in {'a': 1}", true],
    ["1 not in {'a': 1}", true],
    ['None is None', true],
    ['0 is None', false],
    ['0 is not None', true],
  ])("have Python's answer: %s", (expression, value) => {
    expect(valueOf(`x = ${expression}`)).toBe(value);
  });

  it.each([
    ["1 < 'a'", 'a whole number < a text has no meaning; two numbers or two texts are needed'],
    ['[1] < [2]', 'a list < a list has no meaning; two numbers or two texts are needed'],
    ['1 >= None', 'a whole number >= None has no meaning; two numbers or two texts are needed'],
    ["1 in 'a'", 'a whole number cannot be looked up in a text; a text in a text, or a value in a list, is needed'],
    [
      '1 in 2',
      'a whole number cannot be looked up in a whole number; a text in a text, or a value in a list, is needed',
    ],
    ['1 is 1', '"is" is understood with None only; == or != is needed'],
    ['1 is not True', '"is not" is understood with None only; == or != is needed'],
  ])('are refused where Python has no answer or several: %s', (expression, message) => {
    expect(refusalOf(`x = ${expression}`)).toMatch(/^line 1, column \d+: /);
    expect(refusalOf(`x = ${expression}`)).toContain(`: ${message}`);
  });
});

describe('calculations', () => {
  it.each([
    ['1024 * 2', 2048],
    ['-7 // 2', -4],
    ['7 // -2', -4],
    ['-7 % 3', 2],
    ['7 % -3', -2],
    ['6 // -3', -2],
    ['True + True', 2],
    ['+True', 1],
    ['9007199254740991 + 2', 9007199254740993n],
    ['3037000500 * 3037000500', 9223372037000250000n],
    ['9007199254740993 - 9007199254740993', 0],
    ["'a' + 'b'", 'ab'],
    ["'ab' * 2", 'abab'],
    ["2 * 'ab'", 'abab'],
    ["'ab' * -1", ''],
  ])('are exact: %s', (expression, value) => {
    expect(valueOf(`x = ${expression}`)).toBe(value);
  });

  it('give floats from floats, and tuples from tuples', () => {
    expect(valueOf('x = 1 + 0.5')).toEqual(new ConfigFloat(1.5));
    expect(valueOf('x = 2.0 * 2')).toEqual(new ConfigFloat(4));
    expect(valueOf('x = 2.5 - 3')).toEqual(new ConfigFloat(-0.5));
    expect(valueOf('x = -1.5')).toEqual(new ConfigFloat(-1.5));
    expect(valueOf('x = (1,) + (2,) * 2')).toEqual(new ConfigTuple([1, 2, 2]));
  });

  it('go into the same name with +=', () => {
    expect(valuesOf("a = 1\na += 2\nb = 'x'\nb += 'y'\nc = (1,)\nc += 2,")).toEqual({
      a: 3,
      b: 'xy',
      c: new ConfigTuple([1, 2]),
    });
  });

  it.each([
    ["'a' + 1", 'column 9: a text + a whole number has no meaning; values that fit together are needed'],
    ["'a' - 'b'", 'column 9: a text - a text has no meaning; values that fit together are needed'],
    ["'a' * 'b'", 'column 9: a text * a text has no meaning; values that fit together are needed'],
    ["'a' * 1.0", 'column 9: a text * a float has no meaning; values that fit together are needed'],
    ['None + 1', 'column 10: None + a whole number has no meaning; values that fit together are needed'],
    ['1.5 // 1', 'column 9: a float // a whole number has no meaning; values that fit together are needed'],
    ['1.5 % 1', 'column 9: a float % a whole number has no meaning; values that fit together are needed'],
    ['1 // 0', 'column 7: // divides by 0; another number is needed'],
    ['1 % 0', 'column 7: % divides by 0; another number is needed'],
    ['1e308 * 10', 'column 11: the outcome is too large; a smaller number is needed'],
    [`1${'0'.repeat(70)} * 1${'0'.repeat(70)}`, 'column 77: the outcome is too large; a smaller number is needed'],
    ["-'a'", 'column 5: - has no meaning before a text; a number is needed'],
    ['+None', 'column 5: + has no meaning before None; a number is needed'],
  ])('are refused: %s', (expression, message) => {
    expect(refusalOf(`x = ${expression}`)).toBe(`line 1, ${message}`);
  });
});

describe('len, str and int', () => {
  it.each([
    ["len('abc')", 3],
    ["len(u'a\u{1f600}')", 2],
    ['len([1, 2])', 2],
    ['len(())', 0],
    ["len({'a': 1})", 1],
    ["str('a')", 'a'],
    ['str(-5)', '-5'],
    ['str(99999999999999999999)', '99999999999999999999'],
    ['str(True)', 'True'],
    ['str(None)', 'None'],
    ['str(1.0)', '1.0'],
    ['str(-0.0)', '-0.0'],
    ['str(0.0001)', '0.0001'],
    ["int('512')", 512],
    ["int(' -08\\n')", -8],
    ["int('+99999999999999999999')", 99999999999999999999n],
    ['int(-2.9)', -2],
    ['int(True)', 1],
  ])('have the values of Python: %s', (expression, value) => {
    expect(valueOf(`x = ${expression}`)).toBe(value);
  });

  it.each([
    ['len(1)', 'a whole number has no length; a text or a list is needed'],
    ['len()', '"len" is called with 0 arguments; one is needed'],
    ["int('512 MB')", '"512 MB" is no whole number; one in decimal digits is needed'],
    ["int('1_0')", '"1_0" is no whole number; one in decimal digits is needed'],
    ["int('')", '"" is no whole number; one in decimal digits is needed'],
    ['int(1e300)', 'the number is too large; one below 2^256 is needed'],
    ['int([])', 'a list cannot be made a whole number; a text or a number is needed'],
    ["int('10', 16)", '"int" is called with 2 arguments; one is needed'],
    ["str(['a'])", 'a list cannot be made a text; a text or a number is needed'],
    [
      'str(0.1 + 0.2)',
      '0.30000000000000004 is not written alike by every Python; a float from 0.0001 to 10^12 with at most 12 digits is needed',
    ],
  ])('are refused: %s', (expression, message) => {
    expect(refusalOf(`x = ${expression}`)).toBe(`line 1, column 5: ${message}`);
  });

  it.each(['str(1e12)', 'str(0.00001)', 'str(1.0000000000001)'])(
    'are refused for floats that Python 2 and Python 3 write differently: %s',
    expression => {
      expect(refusalOf(`x = ${expression}`)).toContain('is not written alike by every Python');
    },
  );

  it('are ordinary names once they are set', () => {
    expect(refusalOf('len = 5\nx = len([])')).toMatch(/^line 2, column 5: "len" is not understood in a guest file; /);
  });
});

describe('other calls and attributes', () => {
  it.each([
    ["open('/etc/shadow')", 'open'],
    ["eval('1')", 'eval'],
    ["__import__('os')", '__import__'],
    ["'a'.upper()", "'a'.upper"],
    ["'%s'.__class__", "'%s'.__class__"],
    ['y.z.append(1)', 'y.z'],
    ['(1)(2)', '(1)'],
    ['len([])()', 'len([])'],
  ])('are refused: %s', (expression, shown) => {
    expect(refusalOf(`x = ${expression}`)).toBe(
      `line 1, column 5: "${shown}" is not understood in a guest file; ${CALLABLE}`,
    );
  });
});

describe('the modules os and re', () => {
  it('answer from the facts of the host that are passed in', () => {
    const { machine, nodename, release, sysname, version } = facts64.uname;
    expect(valuesOf('import os\nall = os.uname()\nx = os.uname()[4]')).toEqual({
      all: new ConfigTuple([sysname, nodename, release, version, machine]),
      x: 'x86_64',
    });
  });

  it('must be imported', () => {
    expect(refusalOf('x = os.uname()')).toBe('line 1, column 5: "os" is not imported; "import os" is needed');
    expect(refusalOf("import os\nif re.search('a', 'a'): pass")).toBe(
      'line 2, column 4: "re" is not imported; "import re" is needed',
    );
    expect(refusalOf('if 0: import os\nx = os.uname()')).toContain('"os" is not imported');
  });

  it('are the only ones', () => {
    expect(refusalOf('import os, sys')).toBe('line 1, column 12: "sys" cannot be imported; os or re is needed');
  });

  it('have no other functions, and no values', () => {
    for (const written of ['os.system', 'os.popen', 'os.environ.get', 'os.path.join', 'os.search', 'os.uname.append'])
      expect(refusalOf(`import os\nx = ${written}('ls')`)).toMatch(
        /^line 2, column 5: "os\.[a-z.]+" is not understood/,
      );
    expect(refusalOf("import re\nx = re.sub('a', 'b', 'c')")).toContain('"re.sub" is not understood');
    expect(refusalOf('import os\nx = os.environ')).toContain('"os.environ" is not understood');
    expect(refusalOf('import os\nx = os')).toBe(
      'line 2, column 5: "os" is a module and no value; a call such as os.uname() is needed',
    );
  });

  it('make room for a name of the file, and take it back when they are imported again', () => {
    expect(valuesOf("import os\nos = 'Linux'\nx = os")).toEqual({ os: 'Linux', x: 'Linux' });
    expect(refusalOf("import os\nos = 'Linux'\nx = os.uname()")).toContain('"os.uname" is not understood');
    expect(valuesOf("os = 'Linux'\nimport os\nx = os.uname()[0]")).toEqual({ x: 'Linux' });
  });

  it('are called with what they take', () => {
    expect(refusalOf('import os\nx = os.uname(1)')).toBe(
      'line 2, column 5: "os.uname" is called with 1 arguments; none is needed',
    );
    expect(refusalOf("import re\nif re.search('a'): pass")).toBe(
      'line 2, column 4: "re.search" is called with 1 arguments; 2 are needed',
    );
    expect(refusalOf("import re\nif re.match('a', 1): pass")).toBe(
      'line 2, column 4: re.match has another argument; a pattern and a text are needed',
    );
  });
});

describe('what re finds', () => {
  it('can be tested', () => {
    expect(
      valuesOf(`import re
if re.search('64', 'x86_64'): a = 1
if not re.match('64', 'x86_64'): b = 1
if re.search('64', 'i686') or re.search('86', 'i686') and True: c = 1
d = re.search('6', '64') is not None
e = re.search('x', '64') is None
f = re.search('6', '64') == None
g = re.search('6', '64') != None
h = not re.search('6', '64')
i = re.search('x', '64')
`),
    ).toEqual({ a: 1, b: 1, c: 1, d: true, e: true, f: false, g: true, h: false, i: null });
  });

  it('is no value otherwise', () => {
    const found = "import re\nx = re.search('a', 'a')";
    const message = 'what re finds is no value; "if" before it, or a comparison with None, is needed';
    expect(refusalOf(found)).toBe(`line 2, column 5: ${message}`);
    expect(refusalOf(`${found} or 1`)).toContain(message);
    expect(refusalOf("import re\nx = [re.search('a', 'a')]")).toBe(`line 2, column 6: ${message}`);
    expect(refusalOf("import re\nx = str(re.search('a', 'a'))")).toContain(message);
    expect(refusalOf(`${found} == 1`)).toBe(
      'line 2, column 25: what re finds is no value; a comparison with None is needed',
    );
    expect(refusalOf("import re\nx = 'a' in re.search('a', 'a')")).toContain('a comparison with None is needed');
  });
});
