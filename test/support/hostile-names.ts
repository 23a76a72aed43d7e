import type { HostileArchive } from './hostile-archives.ts';
import { archive, entry, GNU, header, longName, pax, V7 } from './tar-maker.ts';

const printable = (name: string | Buffer): string => JSON.stringify(name.toString('latin1')).slice(0, 60);

const UNFIT: readonly (string | Buffer)[] = [
  ...['..', '../', './..', './../', '../evil', './../evil', '../../evil', '../../../../../../../../tmp/evil'],
  ...['a/..', 'a/../', 'a/../b', 'a/../../evil', 'a/b/../../../evil', '.././evil', '..//evil', '././../evil'],
  ...['/', '//', '/evil', '//evil', '/tmp/evil', '/../evil', '/./evil', '/etc/cron.d/evil'],
  ...['', './/', './/evil', 'a//b', 'a/./b', '././a', 'a/.', 'a/b//', './', '.'],
  ...[
    'a\nb',
    'a\rb',
    'a\tb',
    'a\x01b',
    'a\x1b[2Jb',
    'a\x7fb',
    'a\u0085b',
    'a\u2028b',
    'a\u202eb',
    'a\u200bb',
    '\ufeffa',
  ],
  ...['..\\evil', 'a\\..\\..\\evil', 'C:\\evil', '\\evil', '\\\\server\\share'],
  Buffer.from([0x61, 0xff]),
  Buffer.from([0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x61]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from('..\xad/evil', 'latin1'),
];

const LONG: readonly (readonly [what: string, name: string])[] = [
  ['leads up', '../evil'],
  ['leads up at its end', `${'a/'.repeat(100)}..`],
  ['leads up behind the length of a header', `${'a/'.repeat(60)}${'../'.repeat(61)}evil`],
  ['is absolute', `/tmp/${'a'.repeat(120)}`],
  ['has an element of 256 bytes', 'a'.repeat(256)],
  ['has an element of 256 bytes in the middle', `a/${'é'.repeat(128)}/b`],
  ['has more than 1024 bytes', 'a/'.repeat(513) + 'a'],
  ['has a newline', `${'a'.repeat(110)}\nb`],
];

/** The same unfit names in each place that can hold one. */
export const hostileNames: readonly HostileArchive[] = [
  ...UNFIT.map(name => ({
    what: `a file named ${printable(name)}`,
    bytes: () => archive(entry({ name }, 'evil')),
  })),
  ...['..', '../evil', 'a/../../evil', '/evil', 'a//b'].map(name => ({
    what: `a directory named ${printable(name)}`,
    bytes: () => archive(header({ name, type: '5' })),
  })),
  ...['..', '/tmp', 'a/..', './..', ''].map(prefix => ({
    what: `a file whose name has the prefix ${printable(prefix)}`,
    bytes: () => archive(entry({ name: prefix === '' ? '/../evil' : 'evil', prefix: prefix || 'a' }, 'evil')),
  })),
  ...LONG.flatMap(([what, name]) => [
    { what: `a long name that ${what}`, bytes: () => archive(longName(name), entry({ magic: GNU }, 'evil')) },
    { what: `a pax path that ${what}`, bytes: () => archive(pax([['path', name]]), entry({}, 'evil')) },
  ]),
  {
    what: 'a long name that hides another behind a NUL',
    bytes: () => archive(longName('good\0../evil'), entry({ magic: GNU }, 'evil')),
  },
  {
    what: 'a long name without an end',
    bytes: () => archive(entry({ type: 'L', magic: GNU }, Buffer.from('a'.repeat(512))), entry({ magic: GNU }, 'evil')),
  },
  { what: 'an empty long name', bytes: () => archive(longName(''), entry({ magic: GNU }, 'evil')) },
  {
    what: 'two long names for one file',
    bytes: () => archive(longName('good'), longName('other'), entry({ magic: GNU }, 'evil')),
  },
  { what: 'a long name for nothing', bytes: () => archive(entry({ name: 'a' }, 'a'), longName('good')) },
  {
    what: 'a pax path that hides another behind a NUL',
    bytes: () => archive(pax([['path', 'good\0../evil']]), entry({}, 'evil')),
  },
  { what: 'an empty pax path', bytes: () => archive(pax([['path', '']]), entry({}, 'evil')) },
  {
    what: 'a pax path and a long name',
    bytes: () => archive(pax([['path', 'one']]), longName('two'), entry({}, 'evil')),
  },
  { what: 'a name twice', bytes: () => archive(entry({ name: 'a' }, '1'), entry({ name: 'a' }, '2')) },
  { what: 'a name twice, once with ./', bytes: () => archive(entry({ name: 'a' }, '1'), entry({ name: './a' }, '2')) },
  {
    what: 'a name twice, once by pax',
    bytes: () => archive(entry({ name: 'a' }, '1'), pax([['path', 'a']]), entry({ name: 'b' }, '2')),
  },
  {
    what: 'a name twice, once as a long name',
    bytes: () => archive(entry({ name: 'a' }, '1'), longName('a'), entry({ name: 'b', magic: GNU }, '2')),
  },
  {
    what: 'a directory twice',
    bytes: () => archive(header({ name: 'a', type: '5' }), header({ name: 'a/', type: '5' })),
  },
  {
    what: 'the top directory twice',
    bytes: () => archive(header({ name: './', type: '5' }), header({ name: '.', type: '5' })),
  },
  {
    what: 'a file where a directory was',
    bytes: () => archive(header({ name: 'a', type: '5' }), entry({ name: 'a' }, '1')),
  },
  {
    what: 'a file where a directory was named',
    bytes: () => archive(entry({ name: 'a/b' }, '1'), entry({ name: 'a' }, '2')),
  },
  {
    what: 'a directory where a file was',
    bytes: () => archive(entry({ name: 'a' }, '1'), header({ name: 'a', type: '5' })),
  },
  { what: 'a file below a file', bytes: () => archive(entry({ name: 'a' }, '1'), entry({ name: 'a/b' }, '2')) },
  {
    what: 'a file far below a file',
    bytes: () => archive(entry({ name: 'a' }, '1'), entry({ name: 'a/b/c/d', magic: V7 }, '2')),
  },
  {
    what: 'a million files',
    bytes: function* () {
      for (let index = 0; index < 1_000_000; index++) yield header({ name: `file${index}` });
    },
  },
  {
    what: 'directories that are named only as a part of others, too many',
    bytes: () =>
      archive(...[1, 2, 3].flatMap(top => [longName(`${top}/${'a/'.repeat(500)}b`), entry({ magic: GNU }, '')])),
  },
];
