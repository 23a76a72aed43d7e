import { describe, expect, it } from 'vitest';
import { refusalOf, valuesOf } from './guest-files.ts';

function finds(pattern: string, text: string): { readonly search: boolean; readonly match: boolean } {
  const call = (name: string): string => `re.${name}(r'''${pattern}''', u'${text}') is not None`;
  const { match, search } = valuesOf(`import re\nsearch = ${call('search')}\nmatch = ${call('match')}`);
  return { search: search === true, match: match === true };
}

describe('a pattern', () => {
  it.each([
    ['64', 'x86_64', true, false],
    ['64', 'i686', false, false],
    ['i.86', 'i686', true, true],
    ['i.86', 'i\\n86', false, false],
    ['^x86', 'x86_64', true, true],
    ['86$', 'i686', true, false],
    ['86$', 'i686\\n', true, false],
    ['86$', 'i686\\n\\n', false, false],
    ['x86_64|i[3-6]86', 'i486', true, true],
    ['x86_64|i[3-6]86', 'i786', false, false],
    ['^(x86_64|ia64)$', 'ia64', true, true],
    ['^(?:x86_64|ia64)$', 'ia64x', false, false],
    ['', '', true, true],
    ['a|', 'b', true, true],
    ['[^a-z_]', 'x86_64', true, false],
    ['[]-]', 'a-', true, false],
    ['[a\\]]', ']', true, true],
    ['[\\d_]+$', 'x86_64', true, false],
    ['\\d\\D\\w\\W\\s\\S', '1a_- x', true, true],
    ['\\w', 'é', false, false],
    ['\\.el5', '2.6.18-128.el5xen', true, false],
    ['\\.el5', '2.6.18-128_el5xen', false, false],
    ['^a*b+c?$', 'aabb', true, true],
    ['^a*b+c?$', 'aac', false, false],
    ['^(ab)+$', 'ababab', true, true],
    ['^(ab)+$', 'ababa', false, false],
    ['(a*)*b', 'aaa', false, false],
    ['(|a)+$', 'aaa', true, true],
    ['a+?b', 'aab', true, true],
    ['^.$', '\u{1f600}', true, true],
  ])('finds what it means: %s in %s', (pattern, text, search, match) => {
    expect(finds(pattern, text)).toEqual({ search, match });
  });

  it.each([
    ['(', 'has "(" that is never closed; ")" is needed'],
    ['a)', 'has ")" without "("; \\) for the character is needed'],
    ['[a', 'has "[" that is never closed; "]" is needed'],
    ['[]', 'has "[" that is never closed; "]" is needed'],
    ['[z-a]', 'has a range that is none; one such as [a-z] is needed'],
    ['[\\d-z]', 'has a range that is none; one such as [a-z] is needed'],
    ['*a', 'has nothing before "*"; a character is needed there'],
    ['a|+', 'has nothing before "+"; a character is needed there'],
    ['a**', 'repeats a repeat; one of * + ? is needed'],
    ['a++', 'repeats a repeat; one of * + ? is needed'],
    ['^*', 'repeats ^ or $; a character before the repeat is needed'],
    ['a{2}', 'has "{", which is not understood; one of * + ?, or \\{ for the character, is needed'],
    ['(?i)a', 'has "(?", which is not understood; a plain group is needed'],
    ['(?=a)', 'has "(?", which is not understood; a plain group is needed'],
    ['(a)\\1', 'has "\\\\1", which is not understood; one of \\d \\w \\s is needed'],
    ['\\bx', 'has "\\\\b", which is not understood; one of \\d \\w \\s is needed'],
    ['a'.repeat(257), 'has more than 256 characters; a shorter one is needed'],
  ])('is refused when it is none, or not understood: %s', (pattern, message) => {
    const shown = JSON.stringify(pattern.length > 40 ? `${pattern.slice(0, 40)}…` : pattern);
    expect(refusalOf(`import re\nif re.search(r'${pattern}', 'a'): pass`)).toBe(
      `line 2, column 4: the pattern ${shown} ${message}`,
    );
  });

  it('takes no longer for being wicked', () => {
    const start = performance.now();
    for (const pattern of ['(a*)*b', '(a|a)*b', '(a+)+$b', '(.*)*(.*)*x', '((a?)*)*c'])
      expect(valuesOf(`import re\nx = re.search('${pattern}', 'a' * 5000) is None`)).toEqual({ x: true });
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});
