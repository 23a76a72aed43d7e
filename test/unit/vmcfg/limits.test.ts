import { describe, expect, it } from 'vitest';
import { standardLimits } from '../../../src/vmcfg/limits.ts';
import { refusalOf, valueOf } from './guest-files.ts';

describe('the limits on a file', () => {
  it('bound its length', () => {
    const limits = { ...standardLimits, fileLength: 20 };
    expect(valueOf('x = 1 # 890123456789', limits)).toBe(1);
    expect(refusalOf('x = 1 # 8901234567890', limits)).toBe(
      'line 1, column 1: the file has more than 20 characters; a shorter one is needed',
    );
    expect(refusalOf(`#${' '.repeat(256 * 1024)}`)).toContain('the file has more than 262144 characters');
  });

  it('bound the number of its words and signs', () => {
    const limits = { ...standardLimits, tokens: 7 };
    expect(valueOf('x = 1+2', limits)).toBe(3);
    expect(refusalOf('x = 1+2+3', limits)).toBe(
      'line 1, column 10: the file has more than 7 words and signs; a shorter one is needed',
    );
  });

  it.each([
    ['lists', `x = ${'['.repeat(33)}${']'.repeat(33)}`, 'line 1, column 37'],
    ['brackets', `x = ${'('.repeat(33)}1${')'.repeat(33)}`, 'line 1, column 37'],
    ['not', `x = ${'not '.repeat(33)}1`, 'line 1, column 133'],
    ['signs', `x = ${'-'.repeat(33)}1`, 'line 1, column 37'],
    ['indexes', `x = y${'[0]'.repeat(33)}`, 'line 1, column 102'],
    ['calls', `x = ${'len('.repeat(33)}''${')'.repeat(33)}`, 'line 1, column 136'],
    ['blocks', Array.from({ length: 33 }, (_, depth) => `${' '.repeat(depth)}if 1:\n`).join(''), 'line 33, column 33'],
    ['values that are built', `x = []\n${'x = [x]\n'.repeat(33)}`, 'line 34, column 1'],
  ])('bound the nesting of %s', (_what, text, place) => {
    expect(refusalOf(text)).toBe(`${place}: the nesting is deeper than 32 levels; a flatter form is needed`);
  });

  it('leave what is just allowed, and hold when they are set too wide', () => {
    expect(valueOf(`x = ${'('.repeat(32)}1${')'.repeat(32)}`)).toBe(1);
    const limits = { ...standardLimits, depth: 1_000_000 };
    const link = (inner: string): string => `(not -(${inner})[0][0][0])`;
    let text = '1';
    for (let depth = 0; depth < 500; depth += 1) text = link(text);
    expect(refusalOf(`x = ${text}`, limits)).toContain('the nesting is deeper than 40 levels');
    expect(refusalOf('x = []\nx.append(x)\ny = x == [x]', limits)).toContain('the nesting is deeper than 40 levels');
  });

  it.each([
    [
      "x = 'a' * 1000000000",
      'line 1, column 9: the text would have more than 65536 characters; a shorter one is needed',
    ],
    [
      "x = 99999999999999999999 * 'a'",
      'line 1, column 26: the text would have more than 65536 characters; a shorter one is needed',
    ],
    [
      "x = 'a' * 65536 + 'a'",
      'line 1, column 17: the text would have more than 65536 characters; a shorter one is needed',
    ],
    [
      "x = 'a' * 65536\nx = '%s%s' % (x, x)",
      'line 2, column 12: the text would have more than 65536 characters; a shorter one is needed',
    ],
    [
      `x = '${'%9999s'.repeat(9)}' % (${'1,'.repeat(9)})`,
      'line 1, column 62: the text would have more than 65536 characters; a shorter one is needed',
    ],
    ['x = [0] * 1000000000', 'line 1, column 9: the list would have more than 16384 items; a shorter one is needed'],
    ['x = (0,) * 16385', 'line 1, column 10: the list would have more than 16384 items; a shorter one is needed'],
    [
      'x = [0] * 16384\nx.append(0)',
      'line 2, column 1: the list would have more than 16384 items; a shorter one is needed',
    ],
    [
      'x = [0] * 16384\nx += [0]',
      'line 2, column 6: the list would have more than 16384 items; a shorter one is needed',
    ],
    [
      'x = [0] * 9000\nx = x + x',
      'line 2, column 7: the list would have more than 16384 items; a shorter one is needed',
    ],
  ])('bound what is built: %j', (text, message) => {
    expect(refusalOf(text)).toBe(message);
  });

  const tooMany = 'the file takes more than 200000 steps to evaluate; a simpler one is needed';

  it.each([
    ['a list that holds itself twice, again and again', `x = ['a']\n${'x = [x, x]\n'.repeat(20)}`],
    ['long texts, again and again', "x = 'a' * 65536\n".repeat(50)],
    ['a long list, again and again', 'x = [0] * 16384\n'.repeat(13)],
    [
      'a long list under many names',
      `a = [0] * 16384\n${Array.from({ length: 13 }, (_, n) => `b${n} = a\n`).join('')}`,
    ],
    ['a long text many times in a list', "x = ['a' * 65536] * 100"],
    ['a comparison of long lists', `a = [0] * 16384\nb = [0] * 16384\n${'x = a == b\n'.repeat(15)}`],
    ['a comparison of long texts', `a = 'a' * 65536\nb = 'a' * 65536\n${'x = a <= b\n'.repeat(30)}`],
    ['a search for a long text', "a = 'a' * 65536\nx = 'a' * 32768 + 'b' in a"],
    ['a pattern on a long text', `import re\nx = re.search('${'(a*)*'.repeat(12)}b', 'a' * 65536) is None`],
    ['characters of long texts', `a = 'a' * 65536\n${'x = a[0]\n'.repeat(4)}`],
    ['lengths of long texts', `a = 'a' * 65536\n${'x = len(a)\n'.repeat(60)}`],
  ])('bound the time it takes: %s', (_what, text) => {
    const start = performance.now();
    expect(refusalOf(text)).toContain(tooMany);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it.each([
    ['long', `# ${'x'.repeat(262_000)}`],
    ['a text', `x = '''${"\\x41'\r".repeat(40_000)}'''`],
    ['a list', `x = [${"'file:/a,xvda,w',\n".repeat(10_000)}]`],
    ['names', Array.from({ length: 10_000 }, (_, n) => `name${n} = ${n}\n`).join('')],
    ['branches', `if 0: x = 1\n${'elif 0: x = 2\n'.repeat(8_000)}`],
    ['a sum', `x = 1${' + 1'.repeat(30_000)}`],
    ['blank lines', '\n'.repeat(262_000)],
    ['tabs', '\t'.repeat(262_000)],
    ['quotes', "'".repeat(100_000)],
    ['numbers', '1'.repeat(262_000)],
    ['digits of points', '.1'.repeat(130_000)],
    ['brackets', '['.repeat(60_000)],
    ['backslashes', `x = 1 ${'\\\n'.repeat(130_000)}`],
    ['percent signs', `x = '${'%0'.repeat(30_000)}' % 1`],
  ])('leave a file of the largest size that is read, or refused, in no time: %s', (_what, text) => {
    const start = performance.now();
    let outcome: unknown;
    try {
      outcome = valueOf(`x = 1\n${text}`);
    } catch (error) {
      outcome = (error as Error).message;
    }
    expect(outcome).toBeDefined();
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
