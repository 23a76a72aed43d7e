import { describe, expect, it } from 'vitest';
import { refusalOf, valueOf } from './guest-files.ts';

const FORMS = '%s, %d, %i, %x, %X or %%, with or without a width, is needed there';

describe('a text with % behind it', () => {
  it.each([
    ["'ExampleDomain%d' % 3", 'ExampleDomain3'],
    ["'%s,%s' % ('hda', 'w')", 'hda,w'],
    ["'%s' % ('a',)", 'a'],
    ["'%s %s %s' % (1, None, True)", '1 None True'],
    ["'%s' % 1.5", '1.5'],
    ["'%d %i' % (-5, True)", '-5 1'],
    ["'%d' % 99999999999999999999", '99999999999999999999'],
    ["'%x %X %02x' % (255, 255, 10)", 'ff FF 0a'],
    ["'%x' % -255", '-ff'],
    ["'00:16:3e:%02x:%02X:%02x' % (1, 171, 255)", '00:16:3e:01:AB:ff'],
    ["'[%5d|%-5d|%05d|%-05d]' % (-42, -42, -42, -42)", '[  -42|-42  |-0042|-42  ]'],
    ["'[%3s|%-3s|%03s|%1s]' % ('a', 'a', 'a', 'abc')", '[  a|a  |  a|abc]'],
    ["u'[%3s]' % u'\u{1f600}'", '[  \u{1f600}]'],
    ["'100%%' % ()", '100%'],
    ["'%d%%' % 50", '50%'],
    ["'$& %s' % '$1$&'", '$& $1$&'],
    ["'a%sc' % 'b' + 'd'", 'abcd'],
  ])('is filled in: %s', (expression, value) => {
    expect(valueOf(`x = ${expression}`)).toBe(value);
  });

  it.each([
    ["'%r' % 1", `"%r" in the text before % is not understood; ${FORMS}`],
    ["'%.2f' % 1.0", `"%.2f" in the text before % is not understood; ${FORMS}`],
    ["'%(name)s' % {}", `"%(name)s" in the text before % is not understood; ${FORMS}`],
    ["'%+d' % 1", `"%+d" in the text before % is not understood; ${FORMS}`],
    ["'%*d' % (5, 1)", `"%*d" in the text before % is not understood; ${FORMS}`],
    ["'%5%' % ()", `"%5%" in the text before % is not understood; ${FORMS}`],
    ["'50%' % ()", `"%" in the text before % is not understood; ${FORMS}`],
    ["'% d' % 5", `"% d" in the text before % is not understood; ${FORMS}`],
    ["'%s' % ()", '0 values stand behind %, and the text before it takes more; as many are needed'],
    ["'%s %s' % 1", '1 value stands behind %, and the text before it takes more; as many are needed'],
    ["'%s' % (1, 2)", '2 values stand behind %, and the text before it takes fewer; as many are needed'],
    ["'none' % 1", '1 value stands behind %, and the text before it takes fewer; as many are needed'],
    ["'%d' % '1'", '%d stands for a text; a whole number is needed'],
    ["'%x' % 1.0", '%x stands for a float; a whole number is needed'],
    ["'%s' % [1]", 'a list cannot be made a text; a text or a number is needed'],
  ])('is refused: %s', (expression, message) => {
    const column = 5 + expression.lastIndexOf('% ');
    expect(refusalOf(`x = ${expression}`)).toBe(`line 1, column ${column}: ${message}`);
  });
});
