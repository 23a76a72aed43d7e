import { describe, expect, it } from 'vitest';
import { parseSExpressions, type SExpression } from '../../../src/config/s-expression.ts';
import { AgentError } from '../../../src/errors.ts';
import { failureOf } from '../../support/failure-of.ts';
import { seededRandom } from '../../support/random.ts';

type Plain = string | readonly Plain[];

function plain(expression: SExpression): Plain {
  return expression.kind === 'atom' ? expression.text : expression.items.map(plain);
}

function read(text: string): readonly Plain[] {
  return parseSExpressions(text, 'x.sxp').map(plain);
}

describe('S-expressions', () => {
  it.each<[string, string, readonly Plain[]]>([
    ['nothing', '  # only a comment\n', []],
    ['an option', '(xend-port 8000)', [['xend-port', '8000']]],
    ['texts in both quotes', `(a 'b c' "d e")`, [['a', 'b c', 'd e']]],
    ['an empty text', "(vncpasswd '')", [['vncpasswd', '']]],
    ['escapes', "(a 'it\\'s \\n \\\\')", [['a', "it's \n \\"]]],
    ['characters by their number', "(a '\\x41\\102\\x9\\7z')", [['a', 'AB\t\u0007z']]],
    ['a backslash that escapes nothing', "(a '^10\\.0')", [['a', '^10\\.0']]],
    ['a quote inside of a word', "(a b'c)", [['a', "b'c"]]],
    ['a long word', `(a ${'x'.repeat(5000)})`, [['a', 'x'.repeat(5000)]]],
    ['lists in lists', '(a (b c) ((d)))', [['a', ['b', 'c'], [['d']]]]],
    ['comments between', '(a # one\n b) # two', [['a', 'b']]],
    ['a sign in a text is no comment', "(a '# b')", [['a', '# b']]],
    [
      'several, with Windows line ends',
      '(a 1)\r\n(b 2)\r\n',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
  ])('are read: %s', (_name, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it('know their lines', () => {
    expect(parseSExpressions('\n(a 1)\n\n(b 2)', 'x.sxp').map(expression => expression.line)).toEqual([2, 4]);
  });

  it.each([
    ['(a', 'x.sxp line 1, column 1: the "(" here is not closed'],
    ['\n  )', 'x.sxp line 2, column 3: ")" stands here'],
    ["(a 'b\n')", 'x.sxp line 1, column 4: the text that begins here is not closed'],
    ["(a\n 'b\\777')", 'x.sxp line 2, column 4: this escape is beyond the last character'],
    ["(a 'b\\0')", 'x.sxp line 1, column 4: a NUL character stands in this'],
    ["(a 'b\\", 'x.sxp line 1, column 4: the text that begins here is not closed'],
    ['('.repeat(40), 'the nesting is deeper than 32 levels'],
    ['a '.repeat(20_000), 'the file has more than 10000 parts'],
    ['#'.repeat(300_000), 'the file has more than 262144 characters'],
  ])('are refused with their place: %.10s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it.each(["(secret 'hidden", '(secret hidden', "(secret\n 'hidden", '(other 1 (secret hidden)', '(secret hidden))'])(
    'that cannot be read do not show what is secret: %s',
    text => {
      const { message } = failureOf(() => parseSExpressions(text, 'x.sxp', ['secret']));
      expect(message).toMatch(/^x\.sxp line \d, column \d+: /);
      expect(message).not.toContain('hidden');
    },
  );

  it('take little time, however many lines a file has', () => {
    const start = performance.now();
    parseSExpressions('\n'.repeat(240_000) + 'a\n'.repeat(9000), 'x.sxp');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('never fail otherwise, whatever the text is', () => {
    const random = seededRandom(7);
    const parts = ['(', ')', '"', "'", '#', '\\', '\n', ' ', 'a', 'é', '\0'];
    for (let count = 0; count < 20_000; count++) {
      const text = Array.from(
        { length: Math.floor(random() * 30) },
        () => parts[Math.floor(random() * parts.length)],
      ).join('');
      try {
        read(text);
      } catch (error) {
        expect(error).toBeInstanceOf(AgentError);
      }
    }
  });
});
