import { describe, expect, it } from 'vitest';
import { editGuestFile, GuestFileEditor } from '../../../src/vmcfg/editor.ts';
import { AgentError } from '../../../src/errors.ts';
import { anyArchitectureFile, facts64, hardwareFile, paravirtualFile } from './guest-files.ts';

type Edit = (editor: GuestFileEditor) => void;

function edited(text: string, edit: Edit): string {
  const editor = new GuestFileEditor(text, facts64);
  edit(editor);
  return editor.text;
}

/** What an edit changes, so that each case reads as before and after. */
const cases: readonly (readonly [name: string, before: string, edit: Edit, after: string])[] = [
  ['a number', 'memory = 64 # MiB\n', e => e.set('memory', 128), 'memory = 128 # MiB\n'],
  ['a text keeps its quotes', 'name = "a"\n', e => e.set('name', "b'c"), 'name = "b\'c"\n'],
  ['a raw or marked text becomes a plain one', "name = ur'a'\n", e => e.set('name', 'b'), "name = 'b'\n"],
  ['the assignment that holds', 'a = 1\na = 2\n', e => e.set('a', 3), 'a = 1\na = 3\n'],
  ['a value that is used later', 'a = 1\nb = a\n', e => e.set('a', 3), 'a = 1\nb = a\na = 3\n'],
  ['one of two names', 'a = b = 1\n', e => e.set('a', 2), 'a = b = 1\na = 2\n'],
  ['a value that is the same', 'a = 0x10  # as it is\n', e => e.set('a', 16), 'a = 0x10  # as it is\n'],
  ['a new key', 'a = 1\n', e => e.set('b', 'x'), "a = 1\nb = 'x'\n"],
  ['a new key in double quotes where the file has them', 'a = "1"\n', e => e.set('b', 'x'), 'a = "1"\nb = "x"\n'],
  ['a new key behind a last line without an end', 'a = 1', e => e.set('b', 2), 'a = 1\nb = 2\n'],
  ['a new key with the line ends of the file', 'a = 1\r\n', e => e.set('b', 2), 'a = 1\r\nb = 2\r\n'],
  ['a new key in an empty file', '', e => e.set('a', [1, 'x']), "a = [1, 'x']\n"],
  ['a new key never becomes part of a condition', 'if 1:\n  a = 1', e => e.set('b', 2), 'if 1:\n  a = 1\nb = 2\n'],
  [
    'the branch that was taken',
    'if 1:\n\ta = 1\nelse:\n\ta = 2\n',
    e => e.set('a', 3),
    'if 1:\n\ta = 3\nelse:\n\ta = 2\n',
  ],
  ['a calculated value', "a = 'x' + 'y' # both\n", e => e.set('a', 'z'), "a = 'z' # both\n"],
  [
    'a list with comments inside is left to read',
    "a = ['x', # first\n]\n",
    e => e.set('a', []),
    "a = ['x', # first\n]\na = []\n",
  ],
  ['None for a list', 'a = None\n', e => e.insertItem('a', 'x'), "a = ['x']\n"],

  ['a line', 'a = 1\nb = 2\nc = 3\n', e => e.remove('b'), 'a = 1\nc = 3\n'],
  ['a line with its comment, not the one above', '# two\na = 1 # one\nb = 2\n', e => e.remove('a'), '# two\nb = 2\n'],
  ['a statement among others', 'a = 1; b = 2; c = 3\n', e => e.remove('b'), 'a = 1; c = 3\n'],
  ['the last of several statements', 'a = 1; b = 2\n', e => e.remove('b'), 'a = 1\n'],
  ['the only statement of a branch', 'if 1:\n  a = 1\nb = 2\n', e => e.remove('a'), 'if 1:\n  pass\nb = 2\n'],
  ['everything that adds to it', "a = ['x']\na += ['y']\nb = 1\na.append('z')\n", e => e.remove('a'), 'b = 1\n'],
  ['one of two names, the other stays', 'a = b = 1\n', e => e.remove('a'), 'b = 1\n'],
  ['a key that is not there', 'a = 1\n', e => e.remove('b'), 'a = 1\n'],
  ['a list of several lines', "a = ['x',\n'y']\nb = 1\n", e => e.remove('a'), 'b = 1\n'],

  ['an item of a line', "a = ['x', 'y']\n", e => e.replaceItem('a', 1, 'z'), "a = ['x', 'z']\n"],
  ['one of two equal items', "a = ['x', 'x']\n", e => e.replaceItem('a', 1, 'z'), "a = ['x', 'z']\n"],
  ['an item of several texts', "a = ['x' 'y',\n 'z']\n", e => e.replaceItem('a', 0, 'q'), "a = ['q',\n 'z']\n"],
  [
    'an item that was calculated',
    "d = 'x'\na = ['%s.img' % d]\n",
    e => e.replaceItem('a', 0, 'z'),
    "d = 'x'\na = ['z']\n",
  ],
  [
    'an item that was appended',
    "a = ['x']\na.append('y')\n",
    e => e.replaceItem('a', 1, 'z'),
    "a = ['x']\na.append('z')\n",
  ],
  ['an item of what was added', "a = ['x']\na += ['y']\n", e => e.replaceItem('a', 1, 'z'), "a = ['x']\na += ['z']\n"],
  [
    'an item of a list that another name has too',
    "b = ['x']\na = b\n",
    e => e.replaceItem('a', 0, 'z'),
    "b = ['x']\na = ['z']\n",
  ],

  ['an item at the end', "a = ['x', 'y']\n", e => e.insertItem('a', 'z'), "a = ['x', 'y', 'z']\n"],
  ['an item at the beginning', "a = ['x']\n", e => e.insertItem('a', 'z', 0), "a = ['z', 'x']\n"],
  ['an item in the middle', "a = ['x', 'y']\n", e => e.insertItem('a', 'z', 1), "a = ['x', 'z', 'y']\n"],
  ['an item behind a last comma', "a = ['x',]\n", e => e.insertItem('a', 'z'), "a = ['x', 'z',]\n"],
  [
    'an item on a line of its own',
    "a = ['x',\n     'y',\n]\n",
    e => e.insertItem('a', 'z'),
    "a = ['x',\n     'y',\n     'z',\n]\n",
  ],
  [
    'an item below one that does not begin its line',
    "a = ['x',\n]\n",
    e => e.insertItem('a', 'z'),
    "a = ['x',\n     'z',\n]\n",
  ],
  [
    'an item behind the comment of the last',
    "a = ['x',\n 'y'  # why\n]\n",
    e => e.insertItem('a', 'z'),
    "a = ['x',\n 'y',  # why\n 'z'\n]\n",
  ],
  [
    'an item behind a comma and a comment',
    "a = [\n 'y',  # why\n]\n",
    e => e.insertItem('a', 'z'),
    "a = [\n 'y',  # why\n 'z',\n]\n",
  ],
  ['the first item', 'a = []\n', e => e.insertItem('a', 'z'), "a = ['z']\n"],
  ['the first item of a key', 'b = 1\n', e => e.insertItem('a', 'z'), "b = 1\na = ['z']\n"],
  ['the first item of an empty tuple', 'a = ()\n', e => e.insertItem('a', 1), 'a = (1,)\n'],
  ['an item of a tuple of one', "a = ('x',)\n", e => e.insertItem('a', 'z'), "a = ('x', 'z',)\n"],

  ['the first item', "a = ['x', 'y']\n", e => e.removeItem('a', 0), "a = ['y']\n"],
  ['the last item', "a = ['x', 'y']\n", e => e.removeItem('a', 1), "a = ['x']\n"],
  ['the only item', "a = ['x']\n", e => e.removeItem('a', 0), 'a = []\n'],
  [
    'an item with its line and comment',
    "a = [\n 'x', # one\n 'y', # two\n]\n",
    e => e.removeItem('a', 0),
    "a = [\n 'y', # two\n]\n",
  ],
  ['an item of which a tuple of one is left', "a = ('x', 'y')\n", e => e.removeItem('a', 1), "a = ('x', )\n"],
  [
    'an item that was appended',
    "a = ['x']\na.append('y') # more\nb = 1\n",
    e => e.removeItem('a', 1),
    "a = ['x']\nb = 1\n",
  ],
];

describe('edits in place', () => {
  it.each(cases.filter(([name]) => name !== 'an item to what is appended' && name !== 'the second of two equal items'))(
    '%s',
    (_name, before, edit, after) => {
      expect(edited(before, edit)).toBe(after);
    },
  );

  it('an item that follows one that is appended is put where it comes out in its place', () => {
    const editor = new GuestFileEditor("a = []\na.append('x')\n", facts64);
    editor.insertItem('a', 'z');
    expect(editor.read().get('a')?.value).toEqual(['x', 'z']);
  });

  it('leaves a byte-order mark where it is', () => {
    expect(edited('\ufeffa = 1\nb = 2\n', editor => editor.remove('a'))).toBe('\ufeffb = 2\n');
    expect(edited('\ufeff', editor => editor.set('a', 1))).toBe('\ufeffa = 1\n');
  });

  it.each(['1a', 'a-b', 'if', 'None', '', 'a = 1\nb'])('refuses %j for a key', key => {
    const editor = new GuestFileEditor('', facts64);
    expect(() => editor.set(key, 1)).toThrow(expect.objectContaining({ code: 'BAD_VALUE' }) as Error);
    expect(editor.text).toBe('');
  });

  it('refuses to remove what other lines are made of, and says where it is', () => {
    const text = "d = 'x'\na = d + 'y'\n";
    const editor = new GuestFileEditor(text, facts64);
    expect(() => editor.remove('d')).toThrow('line 1, column 1: d cannot be changed in place');
    expect(editor.text).toBe(text);
  });

  it('refuses an item that is not there, and items of what is no list', () => {
    const editor = new GuestFileEditor("a = ['x']\nb = 'y'\n", facts64);
    expect(() => editor.removeItem('a', 1)).toThrow(AgentError);
    expect(() => editor.replaceItem('c', 0, 'z')).toThrow(AgentError);
    expect(() => editor.insertItem('b', 'z')).toThrow('b: it is no list');
  });

  it('edits the files of the guide in one place each', () => {
    expect(edited(paravirtualFile, editor => editor.insertItem('disk', 'file:/OVS/x.img,xvdc,w'))).toBe(
      paravirtualFile.replace("u01.img,xvdb,w',\n", "u01.img,xvdb,w',\n'file:/OVS/x.img,xvdc,w',\n"),
    );
    expect(edited(hardwareFile, editor => editor.replaceItem('disk', 1, 'file:/OVS/iso_pool/a.iso,hdc:cdrom,r'))).toBe(
      hardwareFile.replace(',hdc:cdrom,r', 'file:/OVS/iso_pool/a.iso,hdc:cdrom,r'),
    );
    expect(edited(anyArchitectureFile, editor => editor.set('arch_libdir', 'lib'))).toBe(
      anyArchitectureFile.replace("'lib64'\n", "'lib'\n"),
    );
  });
});

describe('the bytes of a guest file', () => {
  it('stay the same where nothing changes', () => {
    const bytes = Buffer.from("name = 'a'\n");
    expect(editGuestFile(bytes, facts64, editor => editor.set('name', 'a'))).toBe(bytes);
  });

  it('keep their encoding', () => {
    const latin1 = Buffer.from("# Gerät\nname = 'a'\n", 'latin1');
    expect(editGuestFile(latin1, facts64, editor => editor.set('x', 'ü'))).toEqual(
      Buffer.from("# Gerät\nname = 'a'\nx = 'ü'\n", 'latin1'),
    );
    const utf8 = Buffer.from('# Gerät\n');
    expect(editGuestFile(utf8, facts64, editor => editor.set('x', 'ü€'))).toEqual(Buffer.from("# Gerät\nx = 'ü€'\n"));
  });

  it('are not changed by a value that their encoding lacks', () => {
    const latin1 = Buffer.from('# Gerät\n', 'latin1');
    expect(() => editGuestFile(latin1, facts64, editor => editor.set('x', '€'))).toThrow('Latin-1');
  });
});
