import { describe, expect, it } from 'vitest';
import { GuestFileEditor } from '../../../src/vmcfg/editor.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue } from '../../../src/vmcfg/values.ts';
import { type Edit, edited, insert, refused, remove, removeItem, replace, set } from './edits.ts';
import { anyArchitectureFile, exampleFile, facts32, facts64 } from './guest-files.ts';

describe('set', () => {
  it.each<[string, string, Edit, string]>([
    ['a number', 'a = 1\nvcpus = 1\nb = 2\n', set('vcpus', 4), 'a = 1\nvcpus = 4\nb = 2\n'],
    ['a text in its quotes', 'a = \'x\'\nb = "x"\n', set('b', 'it\'s "y"'), 'a = \'x\'\nb = "it\'s \\"y\\""\n'],
    ['a text in three quotes', 'a = """x"""\n', set('a', 'y'), 'a = "y"\n'],
    ['a raw text', 'a = r"x\\d"\n', set('a', '\\'), 'a = "\\\\"\n'],
    ['texts side by side', "a = ('x'\n     'y')  # both\n", set('a', 'z'), "a = 'z'  # both\n"],
    ['a value of another kind', "memory = '512'  # MiB\n", set('memory', 1024), 'memory = 1024  # MiB\n'],
    ['blanks around the sign', 'a   =\t1 \t# one\n', set('a', true), 'a   =\tTrue \t# one\n'],
    ['the assignment that holds', 'a = 1\na = 2\n', set('a', 3), 'a = 1\na = 3\n'],
    ['a statement among others', "a = 1; b = 'x'; c = 3;\n", set('b', 'y'), "a = 1; b = 'y'; c = 3;\n"],
    ['a calculation', "b = 'x'\na = '/usr/' + \\\n  b\n", set('a', '/opt'), "b = 'x'\na = '/opt'\n"],
    ['a tuple without brackets', 'a = 1, 2\n', set('a', 5), 'a = 5\n'],
    ['the branch that is taken', 'if 1: a = 1\nelse: a = 2\n', set('a', 3), 'if 1: a = 3\nelse: a = 2\n'],
    ['None', 'a = None\n', set('a', new ConfigFloat(1)), 'a = 1.0\n'],
    ['a dictionary', "a = {'b': 1}\n", set('a', new Map([['b', 2]])), "a = {'b': 2}\n"],
  ])('replaces %s', (_what, text, edit, wanted) => {
    expect(edited(text, edit)).toBe(wanted);
  });

  it.each<[string, string, string]>([
    ['the guide, 64 bits', 'x86_64', 'lib64/xen/bin/qemu-dm'],
    ['the guide, 32 bits', 'i686', 'lib/xen/bin/qemu-dm'],
  ])('replaces what holds on this host: %s', (_what, machine, path) => {
    const facts = machine === 'i686' ? facts32 : facts64;
    expect(edited(anyArchitectureFile, set('device_model', '/usr/bin/qemu'), facts)).toBe(
      anyArchitectureFile.replace(`/usr/${path}`, '/usr/bin/qemu'),
    );
  });

  it.each<[string, string, string]>([
    ['a file', 'a = 1\n', 'a = 1\nx = 5\n'],
    ['a file without a last line end', 'a = 1', 'a = 1\nx = 5\n'],
    ['an empty file', '', 'x = 5\n'],
    ['a file with CR LF', 'a = 1\r\nb = 2\r\n', 'a = 1\r\nb = 2\r\nx = 5\r\n'],
    ['a file with CR LF but at its end', 'a = 1\r\nb = 2', 'a = 1\r\nb = 2\r\nx = 5\r\n'],
    ['a file with CR', 'a = 1\rb = 2\r', 'a = 1\rb = 2\rx = 5\r'],
    ['a file of one line with CR LF', 'a = 1\r\n', 'a = 1\r\nx = 5\r\n'],
    ['a byte-order mark', '\ufeff', '\ufeffx = 5\n'],
    ['an if', 'if 1:\n\ta = 1\n', 'if 1:\n\ta = 1\nx = 5\n'],
    ['an if with blanks behind', 'if 1:\n    a = 1\n    ', 'if 1:\n    a = 1\n    \nx = 5\n'],
    ['a comment', 'a = 1\n# the end', 'a = 1\n# the end\nx = 5\n'],
    ['a branch that is not taken', 'if 0:\n  x = 1\n', 'if 0:\n  x = 1\nx = 5\n'],
  ])('adds a key behind %s', (_what, text, wanted) => {
    expect(edited(text, set('x', 5))).toBe(wanted);
  });

  it.each<[string, string, Edit, string]>([
    ['shares its value', 'a = b = 1\n', set('a', 2), 'a = b = 1\na = 2\n'],
    ['is used further down', "a = 'x'\nb = a + 'y'\n", set('a', 'z'), "a = 'x'\nb = a + 'y'\na = 'z'\n"],
    ['is added to', "a = 'x'\na += 'y'\n", set('a', 'z'), "a = 'x'\na += 'y'\na = 'z'\n"],
    ['has a comment inside', "a = ('x' # 1\n'y')\n", set('a', 'z'), "a = ('x' # 1\n'y')\na = 'z'\n"],
    ['is another name of a list', 'a = []\nb = a\n', set('b', [1]), 'a = []\nb = [1]\n'],
  ])('leaves every other key its value when the key %s', (_what, text, edit, wanted) => {
    expect(edited(text, edit)).toBe(wanted);
  });

  it('replaces the line that it added', () => {
    const editor = new GuestFileEditor('a = b = 1\n', facts64);
    editor.set('a', 2);
    editor.set('a', 3);
    expect(editor.text).toBe('a = b = 1\na = 3\n');
  });

  it('changes a list item by item', () => {
    const text = "disk = [\n    'a',  # system\n    # data\n    'b',\n    'c'\n]\n";
    expect(edited(text, set('disk', ['a', 'x', 'c', 'd']))).toBe(
      "disk = [\n    'a',  # system\n    # data\n    'x',\n    'c',\n    'd'\n]\n",
    );
    expect(edited(text, set('disk', ['a', 'c']))).toBe("disk = [\n    'a',  # system\n    # data\n    'c'\n]\n");
    expect(edited(text, set('disk', []))).toBe('disk = [\n    # data\n]\n');
    expect(edited(text, set('disk', ['z', 'a', 'b', 'c']))).toBe(text.replace('[\n', "[\n    'z',\n"));
  });

  it('writes a list anew where too many items differ', () => {
    const items = Array.from({ length: 40 }, (_, index) => index);
    expect(edited('x = [\n  1\n]\n', set('x', items))).toBe(`x = [${items.join(', ')}]\n`);
    expect(edited('x = [\n  -1 # one\n]\n', set('x', items))).toBe(`x = [\n  -1 # one\n]\nx = [${items.join(', ')}]\n`);
  });

  it.each<[string, string, ConfigValue]>([
    ['a text', 'a = """x"""', 'x'],
    ['a number in another form', 'a = 0x10', 16],
    ['a large number', 'a = 9007199254740993L', 9007199254740993n],
    ['a list that is joined', "b = ['x']\na = b + ['y']", ['x', 'y']],
    ['a dictionary in another order', "a = {'x': 1, 'y': 2}", new Map([['y', 2] as const, ['x', 1] as const])],
  ])('changes nothing when the key has the value: %s', (_what, text, value) => {
    expect(edited(text, set('a', value))).toBe(text);
  });

  it.each<[string, ConfigValue]>([
    ['1', true],
    ['1', new ConfigFloat(1)],
    ['0', null],
    ["''", null],
    ['()', []],
    ['[1]', new ConfigTuple([1])],
    ['[1]', [true]],
  ])('takes %s for another value than %o', (written, value) => {
    const editor = new GuestFileEditor(`a = ${written}\n`, facts64);
    editor.set('a', value);
    expect(editor.read().get('a')?.value).toStrictEqual(value);
  });

  it.each(['', '1a', 'a b', 'a.b', 'é', 'if', 'None', 'print', 'lambda', 'a\n', 'a=1;b', '__proto__ '])(
    'refuses %j as a key, as do all edits',
    key => {
      for (const edit of [set(key, 1), remove(key), insert(key, 1), replace(key, 0, 1), removeItem(key, 0)])
        expect(refused('a = 1\n', edit)).toMatchObject({
          code: 'BAD_VALUE',
          message: expect.stringMatching(/^key ".*": it is no name of Python; [^;]+ needed$/) as string,
        });
    },
  );

  it('takes names of the runtime as keys', () => {
    const text = edited('a = 1\n', editor => {
      for (const key of ['__proto__', 'constructor', 'toString', 'len', 'os']) editor.set(key, key);
    });
    expect([...new GuestFileEditor(text, facts64).read().keys()]).toEqual([
      ...['a', '__proto__', 'constructor', 'toString', 'len', 'os'],
    ]);
  });

  it('refuses a value that no guest file can hold', () => {
    expect(refused('a = 1\n', set('a', 1.5)).code).toBe('BAD_VALUE');
    expect(refused('a = [1]\n', insert('a', 2n ** 256n)).code).toBe('BAD_VALUE');
    expect(refused('a = [1]\n', replace('a', 0, Number.NaN)).code).toBe('BAD_VALUE');
  });

  it('refuses what would outgrow the limits', () => {
    const { code, message } = refused('a = 1\n', set('b', 'x'.repeat(300_000)));
    expect(code).toBe('BAD_CONFIG');
    expect(message).toMatch(/^b cannot be changed in place; .*the file has more than 262144 characters/);
  });
});

describe('remove', () => {
  it.each<[string, string, string]>([
    ['a line with its comment', '# above\nx = 1  # x\n# below\nb = 2\n', '# above\n# below\nb = 2\n'],
    ['the first line', 'x = 1\nb = 2\n', 'b = 2\n'],
    ['the first line behind a byte-order mark', '\ufeffx = 1\r\nb = 2\r\n', '\ufeffb = 2\r\n'],
    ['the last line', 'b = 2\nx = 1', 'b = 2\n'],
    ['the only line', 'x = 1', ''],
    ['a line with a semicolon', 'x = 1; # x\nb = 2\n', 'b = 2\n'],
    ['many lines', "x = [\n  'a', # a\n]\nb = '''\nx = 1\n'''\n", "b = '''\nx = 1\n'''\n"],
    ['a continued line', "b = 1\nx = 'a' + \\\n    'b'\nc = 1\n", 'b = 1\nc = 1\n'],
    ['a line between CR', 'a = 1\rx = 1\rb = 1\r', 'a = 1\rb = 1\r'],
    ['the first of a line', 'x = 1; b = 2 # b\n', 'b = 2 # b\n'],
    ['the middle of a line', 'a = 1; x = 1 ; b = 2;\n', 'a = 1; b = 2;\n'],
    ['the last of a line', 'a = 1; x = 1\n', 'a = 1\n'],
    ['the last of a line that ends with a semicolon', 'a = 1; x = 1;\n', 'a = 1;\n'],
    ['several of a line', 'x = 1; a = 1; x = 2; x += 1\n', 'a = 1\n'],
    ['all of a line', 'x = 1; x = 2; x += 1;\nb = 1\n', 'b = 1\n'],
    ['all that changes it', "x = []\nx += ['a']\nb = 1\nx.append('b')\nx.extend(['c'])\n", 'b = 1\n'],
    ['one of two names', 'x = b = 1\n', 'b = 1\n'],
    ['the other of two names', 'b = x = 1\n', 'b = 1\n'],
    ['one of three names', 'if 1: a = (x)=\\\n b = 1\n', 'if 1: a = b = 1\n'],
    ['both of two names', 'x = x = 1\nb = 1\n', 'b = 1\n'],
    ['the only statement of a block', 'if 1:\n    x = 1 # x\nb = 1\n', 'if 1:\n    pass # x\nb = 1\n'],
    ['all statements of a block', 'if 1:\n  x = 1\n  # y\n  x = 2; x = 3\n', 'if 1:\n  pass\n  # y\n'],
    ['one statement of a block', 'if 1:\n  x = 1\n  b = 1\n', 'if 1:\n  b = 1\n'],
    [
      'every branch',
      'if 1: x = 1\nelif 0: x = 2; x = 3\nelse:\n\tx = 4\n',
      'if 1: pass\nelif 0: pass\nelse:\n\tpass\n',
    ],
    ['one of a short block', 'if 1: x = 1; b = 2\nc = 3\n', 'if 1: b = 2\nc = 3\n'],
    ['a short block with a semicolon', 'if 1: x = 1;\nb = 1\n', 'if 1: pass;\nb = 1\n'],
    ['a nested block', 'if 1:\n if 1:\n  x = 1\n a = 1\n', 'if 1:\n if 1:\n  pass\n a = 1\n'],
    ['a branch that is not taken', 'if 0:\n  x = 1\n', 'if 0:\n  pass\n'],
    ['a key that uses itself', "x = 'a'\nx = x + 'b'\n", ''],
    ['nothing for a key that is not there', 'a = 1\n# x = 1\n', 'a = 1\n# x = 1\n'],
    ['nothing for a key that is only named', "a = 'x'\n", "a = 'x'\n"],
  ])('takes %s', (_what, text, wanted) => {
    expect(edited(text, remove('x'))).toBe(wanted);
  });

  it.each<[string, string, string]>([
    ['a key that is used', 'x = 3\nb = 1\nc = "%d" % x\n', 'edit line 3, column 12 by hand first'],
    ['a key that is used on other hosts', 'x = 3\nif 0:\n  b = x\n', 'edit line 3, column 7 by hand first'],
    ['a key whose change changes another', "x = b = []\nx.append('a')\n", 'so that b has the value'],
    ['a key that is a module elsewhere', 'import os\nos = 1\nimport os\nb = os.uname()\n', ''],
  ])('refuses %s', (_what, text, why) => {
    const key = text.startsWith('x') ? 'x' : 'os';
    const { code, message } = refused(text, remove(key));
    expect(code).toBe('BAD_CONFIG');
    expect(message).toMatch(new RegExp(`^${key} cannot be removed in place; .*${why}`));
  });

  it('takes helpers once nothing uses them', () => {
    const text = edited(exampleFile, editor => {
      editor.remove('device_model');
      editor.remove('arch_libdir');
      editor.remove('on_reboot');
    });
    expect(text).toBe(
      exampleFile
        .replace(/^device_model.*\n/m, '')
        .replaceAll(/arch_libdir = .*/g, 'pass')
        .replace("; on_reboot   = 'restart'", ''),
    );
  });
});
