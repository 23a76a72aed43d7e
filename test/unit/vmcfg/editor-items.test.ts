import { describe, expect, it } from 'vitest';
import type { ConfigValue } from '../../../src/vmcfg/values.ts';
import { edited, insert, refused, removeItem, replace } from './edits.ts';
import { exampleFile, hardwareFile, paravirtualFile } from './guest-files.ts';

const commented = `disk = [
    'file:/a,hda,w',  # system
    # data
    'file:/b,hdb,w'   # not yet
    # end
]
`;

describe('insertItem', () => {
  it.each<[string, string, number | undefined, string]>([
    ['a list of one', "x = ['a']", undefined, "x = ['a', 'n']"],
    ['a list of one, at its begin', "x = ['a']", 0, "x = ['n', 'a']"],
    ['a list in wide brackets', "x = [ 'a' ] # a", undefined, "x = [ 'a', 'n' ] # a"],
    ['the quotes of the item before', 'x = [\'a\', "b"]', undefined, 'x = [\'a\', "b", "n"]'],
    ['the quotes of the item behind', 'x = ["a", \'b\']', 0, 'x = ["n", "a", \'b\']'],
    ['a list without blanks', "x = ['a','b']", undefined, "x = ['a','b','n']"],
    ['a list without blanks, inside', "x = ['a','b']", 1, "x = ['a','n','b']"],
    ['a last comma', "x = ['a', 'b',]", undefined, "x = ['a', 'b', 'n',]"],
    ['a last comma and a blank', "x = ['a', ]", undefined, "x = ['a', 'n', ]"],
    ['an empty list', 'x = []', undefined, "x = ['n']"],
    ['an empty list with blanks', 'x = [ ]', 0, "x = ['n']"],
    ['an empty list of two lines', 'x = [\n]', 0, "x = ['n']"],
    ['an empty list with a comment', 'x = [ # none\n]', 0, "x = [ # none\n    'n',\n]"],
    ['an empty list with a line of comment', 'x = [\n\t# none\n\t]', 0, "x = [\n\t# none\n\t'n',\n\t]"],
    ['an empty list in brackets', 'x = (([ ]))', 0, "x = ((['n']))"],
    ['an empty tuple', 'x = ()', 0, "x = ('n',)"],
    ['a tuple of one', 'x = (1,)', undefined, "x = (1, 'n')"],
    ['a tuple of one, at its begin', 'x = (1,)', 0, "x = ('n', 1,)"],
    ['a tuple in brackets', 'x = ((1, 2))', undefined, "x = ((1, 2, 'n'))"],
    ['a tuple of items in brackets', 'x = ((1), (2))', 0, "x = ('n', (1), (2))"],
    ['a tuple without brackets', 'x = 1, 2', undefined, "x = 1, 2, 'n'"],
    ['a tuple without brackets, at its begin', 'x = 1,', 0, "x = 'n', 1,"],
    ['a tuple without brackets on two lines', 'x = 1, \\\n  2', 1, "x = 1, \\\n  'n', 2"],
    ['lines', "x = [\n  'a',\n  'b',\n]", undefined, "x = [\n  'a',\n  'b',\n  'n',\n]"],
    ['lines, at their begin', "x = [\n  'a',\n]", 0, "x = [\n  'n',\n  'a',\n]"],
    ['lines with tabs and CR LF', "x = [\r\n\t'a'\r\n]\r\n", undefined, "x = [\r\n\t'a',\r\n\t'n'\r\n]\r\n"],
    ['lines without a last comma', "x = ['a',\n     'b']", undefined, "x = ['a',\n     'b',\n     'n']"],
    ['lines that begin behind the bracket', "x = ['a',\n'b',\n]", 0, "x = ['n',\n'a',\n'b',\n]"],
    ['one line above the bracket', "x = ['a',\n]", undefined, "x = ['a',\n'n',\n]"],
    ['one line above the bracket, at its begin', "x = ['a',\n  ]", 0, "x = ['n',\n  'a',\n  ]"],
    ['lines with several items', 'x = [0, 1,\n     2, 3]', undefined, "x = [0, 1,\n     2, 3, 'n']"],
    ['lines with several items, inside', 'x = [0, 1,\n     2, 3]', 3, "x = [0, 1,\n     2, 'n', 3]"],
    ['a tuple on lines', "x = (\n  'a',\n)", undefined, "x = (\n  'a',\n  'n',\n)"],
    ['a comma on the line below', "x = [\n  'a' # a\n  ,\n]", undefined, "x = [\n  'a' # a\n  ,\n  'n',\n]"],
    ['items that are the same', "x = ['a', 'a', 'a']", 2, "x = ['a', 'a', 'n', 'a']"],
    ['a sum', "b = ['a']\nx = b + ['c']", undefined, "b = ['a']\nx = b + ['c', 'n']"],
    ['a sum, inside', "b = ['a']\nx = b + ['c']", 1, "b = ['a']\nx = b + ['n', 'c']"],
    ['the list of a choice', "x = None or ['a']", 0, "x = None or ['n', 'a']"],
    ['an augmented list', "x = ['a']\nx += ['b']\n", undefined, "x = ['a']\nx += ['b', 'n']\n"],
    ['an augmented list, at its begin', "x = ['a']\nx += ['b']\n", 0, "x = ['n', 'a']\nx += ['b']\n"],
    ['an extended list', "x = []\nx.extend(['b'])\n", undefined, "x = []\nx.extend(['b', 'n'])\n"],
    ['an appended list', 'x = []\nx.append("b") # b\n', undefined, 'x = []\nx.append("b") # b\nx.append("n")\n'],
    ['an appended list, at its begin', "x = []\nx.append('b')\n", 0, "x = ['n']\nx.append('b')\n"],
    [
      'a list appended to in a block',
      "x = []\nif 1:\n\tx.append('b')",
      1,
      "x = []\nif 1:\n\tx.append('b')\n\tx.append('n')",
    ],
    ['the branch that is taken', "if 0: x = ['a']\nelse: x = ['a']\n", 1, "if 0: x = ['a']\nelse: x = ['a', 'n']\n"],
    ['a list that is set twice', "x = ['a']\nx = ['a']\n", 1, "x = ['a']\nx = ['a', 'n']\n"],
  ])('keeps the form of %s', (_what, text, index, wanted) => {
    expect(edited(text, insert('x', 'n', index))).toBe(wanted);
  });

  it('leaves each comment with its item', () => {
    expect(edited(commented, insert('disk', 'n'))).toBe(
      commented.replace("'   # not yet\n", "',   # not yet\n    'n'\n"),
    );
    expect(edited(commented, insert('disk', 'n', 1))).toBe(commented.replace('# system\n', "# system\n    'n',\n"));
    expect(edited(commented, insert('disk', 'n', 0))).toBe(commented.replace('[\n', "[\n    'n',\n"));
  });

  it.each<[string, string, string]>([
    ['absent', 'a = 1', "a = 1\nx = ['n']\n"],
    ['None', 'x = None # no\n', "x = ['n'] # no\n"],
    ['an empty text', 'x = ""\n', 'x = ["n"]\n'],
  ])('makes a list of a key that is %s', (_what, text, wanted) => {
    expect(edited(text, insert('x', 'n'))).toBe(wanted);
    expect(edited(text, insert('x', 'n', 0))).toBe(wanted);
  });

  it.each<[string, string, number | undefined, string]>([
    ['a list under two names', "x = y = ['a']\n", undefined, "x = y = ['a']\nx = ['a', 'n']\n"],
    ['a list from elsewhere', "b = ['a']\nx = b\n", 0, "b = ['a']\nx = ['n', 'a']\n"],
    ['a repeated list', "x = ['a'] * 2\n", 2, "x = ['a', 'a', 'n']\n"],
    ['a list appended to in a line', "x = []; x.append('b')\n", 1, "x = []; x.append('b')\nx = ['b', 'n']\n"],
  ])('writes %s anew', (_what, text, index, wanted) => {
    expect(edited(text, insert('x', 'n', index))).toBe(wanted);
  });
});

describe('replaceItem', () => {
  it.each<[string, string, number, ConfigValue, string]>([
    ['a text', "x = ['a', \"b\" , 'c',]", 1, 'n', "x = ['a', \"n\" , 'c',]"],
    ['a number', 'x = [1, 2]', 0, 3, 'x = [3, 2]'],
    ['an item in brackets', "x = [('a'\n 'b'), 'c']", 0, 'n', "x = ['n', 'c']"],
    ['an item that is calculated', "b = 'v'\nx = ['%s' % b]\n", 0, 'n', "b = 'v'\nx = ['n']\n"],
    ['an item that is a list', "x = [['a', 'b']]", 0, ['c'], "x = [['c']]"],
    ['the item of a tuple', 'x = (1,)', 0, 2, 'x = (2,)'],
    ['the second of two that are the same', "x = ['a', 'a']", 1, 'n', "x = ['a', 'n']"],
    ['an item of a sum', "b = ['a']\nx = b + ['a', 'c']", 1, 'n', "b = ['a']\nx = b + ['n', 'c']"],
    ['an appended item', 'x = ["b"]\nx.append("b")\n', 1, 'n', 'x = ["b"]\nx.append("n")\n'],
    ['an item that was added', "x = ['b']\nx += ['b']\n", 1, 'n', "x = ['b']\nx += ['n']\n"],
    ['an item with a comment inside', "x = ['a' # 1\n 'b']\n", 0, 'n', "x = ['a' # 1\n 'b']\nx = ['n']\n"],
    ['an item of another list', "b = ['a']\nx = b\n", 0, 'n', "b = ['a']\nx = ['n']\n"],
    ['nothing when it is the same', "x = ['''a''']\n", 0, 'a', "x = ['''a''']\n"],
  ])('replaces %s', (_what, text, index, item, wanted) => {
    expect(edited(text, replace('x', index, item))).toBe(wanted);
  });

  it('changes nothing but the item in the files of the guide', () => {
    const item = 'file:/OVS/running_pool/new.img,xvdb,w';
    expect(edited(paravirtualFile, replace('disk', 1, item))).toBe(
      paravirtualFile.replace(/'file.*u01.*w'/, `'${item}'`),
    );
    expect(edited(hardwareFile, replace('disk', 1, 'file:/cd.iso,hdc:cdrom,r'))).toBe(
      hardwareFile.replace(',hdc', 'file:/cd.iso,hdc'),
    );
    expect(edited(exampleFile, replace('disk', 1, 'phy:b,hdb,w'))).toBe(
      exampleFile.replace("'file:/var/images/%s.img,hdb,w' % name", "'phy:b,hdb,w'"),
    );
  });
});

describe('removeItem', () => {
  it.each<[string, string, number, string]>([
    ['the only one', "x = ['a']", 0, 'x = []'],
    ['the only one with a comma', "x = ['a',\n]", 0, 'x = []'],
    ['the only one beside a comment', "x = [ # x\n  'a', # a\n]", 0, 'x = [ # x\n]'],
    ['the only one between comments', "x = ['a', # a\n]", 0, 'x = [ # a\n]'],
    ['the first', "x = ['a', 'b']", 0, "x = ['b']"],
    ['the last', "x = [ 'a' , 'b' ]", 1, "x = [ 'a'  ]"],
    ['the last with a comma', "x = ['a', 'b', ]", 1, "x = ['a', ]"],
    ['one inside', "x = ['a','b','c']", 1, "x = ['a','c']"],
    ['the first of lines', "x = [\n  'a',\n  'b',\n]", 0, "x = [\n  'b',\n]"],
    ['the last of lines', "x = [\n  'a',\n  'b',\n]", 1, "x = [\n  'a',\n]"],
    ['the last of lines without a comma', "x = [\n  'a',\n  'b'\n]", 1, "x = [\n  'a'\n]"],
    ['the last of lines and of the bracket', "x = ['a',\n     'b']", 1, "x = ['a']"],
    ['the last of the bracket with a comma', "x = ['a',\n     'b',]", 1, "x = ['a',]"],
    ['the last of the bracket with a comment before', "x = ['a', # a\n  'b']", 1, "x = ['a' # a\n  ]"],
    ['the first behind the bracket', "x = ['a',\n'b',\n]", 0, "x = ['b',\n]"],
    ['the first behind the bracket with a comment', "x = ['a', # a\n'b',\n]", 0, "x = [ # a\n'b',\n]"],
    ['the last of a line of several', 'x = [\n  0, 1,\n  2]', 1, 'x = [\n  0,\n  2]'],
    ['the first of a line of several', 'x = [\n  0, 1,\n  2, 3]', 2, 'x = [\n  0, 1,\n  3]'],
    ['the first of two in a tuple', 'x = (1, 2)', 0, 'x = (2,)'],
    ['the second of two in a tuple', 'x = (1, 2)', 1, 'x = (1,)'],
    ['the first of two with a comma', 'x = (1, 2,)', 0, 'x = (2,)'],
    ['the only one of a tuple', 'x = (1,)', 0, 'x = ()'],
    ['the first of two without brackets', 'x = 1, 2', 0, 'x = 2,'],
    ['the only one without brackets', 'x = 1, # 1\n', 0, 'x = () # 1\n'],
    ['an appended one', "x = ['a']\nx.append('a') # b\n", 1, "x = ['a']\n"],
    ['the only statement of a block', "x = []\nif 1: x.append('b')\n", 0, 'x = []\nif 1: pass\n'],
    ['an added one', "x = ['a']\nx += ['b']\n", 1, "x = ['a']\nx += []\n"],
    ['one of a sum', "b = ['a']\nx = b + ['c']", 1, "b = ['a']\nx = b + []"],
    ['one of another list', "b = ['a']\nx = b + ['c']", 0, "b = ['a']\nx = ['c']"],
    ['one of a list under two names', "x = y = ['a']", 0, "x = y = ['a']\nx = []\n"],
  ])('takes %s', (_what, text, index, wanted) => {
    expect(edited(text, removeItem('x', index))).toBe(wanted);
  });

  it('takes an item with its line, and no other comment', () => {
    expect(edited(commented, removeItem('disk', 0))).toBe(commented.replace(/^.*# system\n/m, ''));
    expect(edited(commented, removeItem('disk', 1))).toBe(
      commented.replace(/^.*# not yet\n/m, '').replace(',  #', '  #'),
    );
  });
});

describe('an edit of an item', () => {
  it.each([-1, 3, 0.5, Number.NaN])('refuses the index %d', index => {
    const text = "x = ['a', 'b']";
    for (const edit of [insert('x', 'n', index), replace('x', index, 'n'), removeItem('x', index)])
      expect(refused(text, edit)).toMatchObject({
        code: 'BAD_VALUE',
        message: expect.stringMatching(/^x has 2 items and no place .*; an index from 0 to [12] is needed$/) as string,
      });
  });

  it('refuses an item of an empty list', () => {
    expect(refused('x = []', removeItem('x', 0)).message).toBe(
      'x has 0 items and no place 0; an item must be inserted first',
    );
    expect(refused('x = None', insert('x', 'n', 1)).code).toBe('BAD_VALUE');
    expect(refused('', insert('x', 'n', 1)).code).toBe('BAD_VALUE');
  });

  it.each(["'a'", '1', 'True', '{}'])('refuses a key that holds %s', value => {
    for (const edit of [insert('x', 'n'), replace('x', 0, 'n'), removeItem('x', 0)]) {
      const { code, message } = refused(`x = ${value}`, edit);
      expect(code).toBe('BAD_CONFIG');
      expect(message).toMatch(/^x has no items, for it is (?:a text|a whole number|True|a dictionary); a list is/);
    }
  });

  it('refuses a key that is absent or None and has no item to change', () => {
    expect(refused('', removeItem('x', 0)).message).toBe('x has no items, for it is not in the file; a list is needed');
    expect(refused('x = None', replace('x', 0, 1)).message).toBe('x has no items, for it is None; a list is needed');
  });
});
