import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { decodeGuestFile, GuestFileError, parseGuestFile } from '../../src/vmcfg/reader.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue, isDictionary, isList, itemsOf } from '../../src/vmcfg/values.ts';
import { seededRandom } from '../support/random.ts';
import { anyArchitectureFile, exampleFile, facts64, hardwareFile, paravirtualFile } from '../unit/vmcfg/guest-files.ts';
import { PlainPython } from './plain-python.ts';

/** Fixed, so that a failure is the change's; another one explores. */
const seed = Number(process.env['FC_SEED'] ?? 20_100_208);
const plainFiles = Number(process.env['VMCFG_PLAIN_FILES'] ?? 500);
const patterns = 2_000;
const mutations = Number(process.env['VMCFG_MUTATIONS'] ?? 100_000);

/**
 * Runs each file and describes its variables. The facts are those of the test and not of the machine, and the classes
 * of patterns are of ASCII, as they were in Python 2.
 */
const pythonProgram = `
import base64, json, os, re, struct, sys, warnings
warnings.simplefilter('ignore')
job = json.load(sys.stdin)
os.uname = lambda: tuple(job['uname'])
search, match = re.search, re.match
re.search = lambda pattern, text: search(pattern, text, re.ASCII)
re.match = lambda pattern, text: match(pattern, text, re.ASCII)

def described(value):
    if value is None: return ['None']
    if isinstance(value, bool): return ['bool', value]
    if isinstance(value, int): return ['int', str(value)]
    if isinstance(value, float): return ['float', struct.pack('>d', value).hex()]
    if isinstance(value, str): return ['text', value]
    if isinstance(value, list): return ['list', [described(item) for item in value]]
    if isinstance(value, tuple): return ['tuple', [described(item) for item in value]]
    return ['dictionary', [[described(key), described(item)] for key, item in value.items()]]

def run(file):
    names = {}
    try:
        exec(compile(base64.b64decode(file), 'vm.cfg', 'exec'), names)
        return {'names': [[name, described(names[name])] for name in names if name not in ('__builtins__', 'os', 're')]}
    except Exception as error:
        return {'error': type(error).__name__ + ': ' + str(error)}

def finds(pattern, subject):
    return [bool(re.search(pattern, subject)), bool(re.match(pattern, subject))]

json.dump({'files': [run(file) for file in job['files']], 'finds': [finds(*pair) for pair in job['patterns']]}, sys.stdout)
`;

interface PythonAnswer {
  readonly files: readonly ({ readonly names: readonly unknown[] } | { readonly error: string })[];
  readonly finds: readonly (readonly boolean[])[];
}

function askPython(files: readonly Buffer[], pairs: readonly (readonly [string, string])[]): PythonAnswer {
  const { sysname, nodename, release, version, machine } = facts64.uname;
  const output = execFileSync('python3', ['-c', pythonProgram], {
    input: JSON.stringify({
      uname: [sysname, nodename, release, version, machine],
      files: files.map(file => file.toString('base64')),
      patterns: pairs,
    }),
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: 60_000,
  });
  return JSON.parse(output) as PythonAnswer;
}

/** A value as the program above describes it. */
function described(value: ConfigValue): unknown[] {
  if (value === null) return ['None'];
  if (typeof value === 'boolean') return ['bool', value];
  if (typeof value === 'string') return ['text', value];
  if (typeof value === 'number' || typeof value === 'bigint') return ['int', String(value)];
  if (value instanceof ConfigFloat) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value.value);
    return ['float', bytes.toString('hex')];
  }
  if (value instanceof ConfigTuple) return ['tuple', value.items.map(described)];
  if (isList(value)) return ['list', value.map(described)];
  return ['dictionary', [...value].map(([key, item]) => [described(key), described(item)])];
}

/** What our reader sees in a file, in the form of Python's answer; a file that it refuses is its message. */
function read(bytes: Uint8Array): { readonly names: readonly unknown[] } | { readonly error: string } {
  try {
    const file = parseGuestFile(decodeGuestFile(bytes), facts64);
    return { names: [...file.values()].map(({ name, value }) => [name, described(value)]) };
  } catch (error) {
    if (error instanceof GuestFileError) return { error: error.message };
    throw error;
  }
}

describe('a file in plain Python', () => {
  it('has the same names and values as when Python runs it, or an error where Python has one', () => {
    const python = new PlainPython(seededRandom(seed));
    const files = Array.from({ length: plainFiles }, () => python.file());
    const answers = askPython(files, []).files;
    let errors = 0;
    let selfHolding = 0;
    for (const [index, answer] of answers.entries()) {
      const ours = read(files[index]!);
      if ('error' in answer) {
        errors += 1;
        expect(ours, `${answer.error}\n${files[index]!.toString()}`).toHaveProperty('error');
      } else if ('error' in ours && ours.error.includes('the nesting is deeper')) {
        // A list that was added to itself, which Python can hold and a configuration cannot.
        selfHolding += 1;
      } else expect(ours, files[index]!.toString()).toEqual(answer);
    }
    expect(errors).toBeLessThan(plainFiles / 10);
    expect(selfHolding).toBeLessThan(plainFiles / 100);
  });
});

describe('a pattern', () => {
  it('finds what it finds in Python', () => {
    const python = new PlainPython(seededRandom(seed));
    const pairs = Array.from({ length: patterns }, () => [python.pattern(), python.subject()] as const);
    const answers = askPython([], pairs).finds;
    for (const [index, [pattern, subject]] of pairs.entries()) {
      const literal = (text: string): string => `'${text.replace(/['\\]/g, '\\$&').replaceAll('\n', '\\n')}'`;
      const call = (name: string): string => `re.${name}(${literal(pattern)}, ${literal(subject)}) is not None`;
      const file = parseGuestFile(`import re\nfound = [${call('search')}, ${call('match')}]`, facts64);
      expect(file.get('found')?.value, `${pattern} on ${JSON.stringify(subject)}`).toEqual(answers[index]);
    }
    expect(answers.filter(([search]) => search).length).toBeGreaterThan(patterns / 10);
  });
});

/** What mutations put in: all that has a meaning, and what makes files large. */
const fragments = [
  ...[
    "'",
    '"',
    "'''",
    '"""',
    "r'",
    "u'",
    "b'",
    '\\',
    '\\x',
    '\\u00e9',
    '#',
    '\n',
    '\r',
    '\r\n',
    '\t',
    '\f',
    '\0',
    '\ufeff',
    'é',
  ],
  ...[
    '[',
    ']',
    '(',
    ')',
    '{',
    '}',
    ',',
    ':',
    ';',
    '.',
    '=',
    '==',
    '+=',
    '+',
    '-',
    '*',
    '**',
    '/',
    '//',
    '%',
    '<',
    '>=',
    '<>',
    '~',
    '$',
  ],
  ...[
    '0',
    '1',
    '0755',
    '08',
    '0x1F',
    '1.5',
    '1e999',
    '99999999999999999999L',
    '*65536',
    "*'ab'",
    '%s',
    '%99999d',
    ' % (1,)',
  ],
  ...[
    ' if ',
    ' else ',
    'elif 1:\n',
    'if True: ',
    'pass',
    ' and ',
    ' or ',
    ' not ',
    ' in ',
    ' is ',
    'None',
    'True',
    'import os, re\n',
  ],
  ...[
    'def f(): ',
    'for i in x: ',
    'while 1: ',
    'exec ',
    'lambda: 0',
    'print 1',
    'del disk',
    'x = __import__("os")',
    'os.system("ls")',
  ],
  ...[
    'a = [disk, disk]\n',
    'disk = [disk, disk]\n',
    'disk.append(disk)\n',
    'disk += disk\n',
    'name = name + name\n',
    'disk = disk * 9\n',
  ],
  ...[
    '.append(',
    '.extend(',
    'len(',
    'str(',
    'int(',
    'os.uname()',
    "re.search('(a*)*b', name)",
    '[0]',
    '[-1]',
    '((((((((',
  ],
  ...['    ', '\n    ', '\n  ', '\\\n', 'memory', 'disk', 'name', 'vif'],
].map(fragment => Buffer.from(fragment));

const origins = [paravirtualFile, hardwareFile, anyArchitectureFile, exampleFile].map(file => Buffer.from(file));

/** The file with one piece changed, cut, put in or doubled. */
function mutated(file: Buffer, random: () => number): Buffer {
  const start = Math.floor(random() * (file.length + 1));
  const before = file.subarray(0, start);
  const after = file.subarray(start);
  const length = Math.floor(random() * 40);
  switch (Math.floor(random() * 5)) {
    case 0:
      return Buffer.concat([before, Buffer.from([Math.floor(random() * 256)]), after.subarray(1)]);
    case 1:
      return Buffer.concat([before, after.subarray(length)]);
    case 2:
      return Buffer.concat([before, after.subarray(0, length), after]);
    default: {
      const lineStart = file.lastIndexOf('\n', start) + 1;
      const at = random() < 0.5 ? lineStart : start;
      const fragment = fragments[Math.floor(random() * fragments.length)]!;
      return Buffer.concat([file.subarray(0, at), fragment, file.subarray(at)]);
    }
  }
}

describe('a file that was tampered with', () => {
  it('is read, or refused with the place and the need, and soon', { timeout: 120_000 }, () => {
    const random = seededRandom(seed);
    let refused = 0;
    let slowestMs = 0;
    for (let mutation = 0; mutation < mutations; mutation += 1) {
      let file: Buffer = origins[mutation % origins.length]!;
      for (let edits = 1 + Math.floor(random() * 4); edits > 0; edits -= 1) file = mutated(file, random);
      const start = performance.now();
      const outcome = read(file);
      slowestMs = Math.max(slowestMs, performance.now() - start);
      if (!('error' in outcome)) continue;
      refused += 1;
      expect(outcome.error).toMatch(/^line \d+, column \d+: [^\p{C}]+; [^\p{C}]+$/u);
    }
    expect(refused).toBeGreaterThan(mutations / 4);
    expect(refused).toBeLessThan((mutations * 9) / 10);
    expect(slowestMs).toBeLessThan(1_000);
  });

  it('never grows: what is read can be walked through in no more steps than the limit', () => {
    const random = seededRandom(seed + 1);
    const growth = [
      'disk = [disk, disk]\n',
      'disk.append(disk)\n',
      'disk = disk * 9\n',
      'disk += disk\n',
      'x = disk + disk\n',
      'name = name * 9\n',
      'x = y = [disk, name]\n',
      "x = '%s%s' % (name, name)\n",
      'disk = disk == disk\n',
      'x = disk in disk\n',
      'disk = (disk,) * 3\n',
    ];
    const limits = { fileLength: 10_000, tokens: 2_000, depth: 32, steps: 2_000, textLength: 1_000, listLength: 500 };
    const reached = { read: 0, refused: 0 };
    for (let run = 0; run < 3_000; run += 1) {
      const lines = Array.from(
        { length: 1 + Math.floor(random() * 12) },
        () => growth[Math.floor(random() * growth.length)]!,
      );
      try {
        const file = parseGuestFile(`name = 'a'\ndisk = ['b']\n${lines.join('')}`, facts64, limits);
        const weight = [...file.values()].reduce((sum, { value }) => sum + weightOf(value), 0);
        expect(weight).toBeLessThanOrEqual(limits.steps);
        reached.read += 1;
      } catch (error) {
        if (!(error instanceof GuestFileError)) throw error;
        reached.refused += 1;
      }
    }
    expect(reached.read).toBeGreaterThan(300);
    expect(reached.refused).toBeGreaterThan(300);
  });
});

/** How many values one meets on a walk through this one. */
function weightOf(value: ConfigValue): number {
  const items = isDictionary(value) ? [...value.values()] : (itemsOf(value) ?? []);
  return 1 + items.reduce<number>((sum, item) => sum + weightOf(item), 0);
}
