import { describe, expect, it } from 'vitest';
import { lineDifference } from '../../../utils/line-difference.ts';

const shown = (before: string, after: string): string[] =>
  lineDifference(before, after).map(({ line, sign }) => sign + line);

describe('the lines that differ', () => {
  it.each([
    ['nothing', 'a\nb\n', 'a\nb\n', []],
    ['a line in another place', 'a\nb\nc\n', 'a\nx\nc\n', ['-b', '+x']],
    ['a changed line and one more', 'a\nb\nc\n', 'x\nb\nc\nd\n', ['-a', '+x', '+d']],
    ['lines that go between others that stay', 'a\nb\nc\nd\n', 'b\nd\n', ['-a', '-c']],
    ['all that there is', '', 'a\n', ['+a']],
  ])('%s', (_what, before, after, expected) => {
    expect(shown(before, after)).toEqual(expected);
  });

  it('of long texts that have little in common are found quickly, as one block', () => {
    const many = (word: string): string => Array.from({ length: 5000 }, (_, index) => `${word} ${index}`).join('\n');
    expect(lineDifference(many('a'), many('b'))).toHaveLength(10_000);
  });
});
