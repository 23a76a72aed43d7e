import { execFileSync } from 'node:child_process';
import type { HostileArchive } from './hostile-archives.ts';
import { archive, entry, GNU, header, pax, type Records, V7 } from './tar-maker.ts';

const LINK_TARGETS = ['/etc/passwd', '../../evil', '..', '/', 'file', ''];
const TYPES = [
  '3',
  '4',
  '6',
  '7',
  '8',
  '9',
  'A',
  'D',
  'E',
  'I',
  'K',
  'M',
  'N',
  'V',
  'X',
  'Z',
  's',
  '\x01',
  '\xff',
  ' ',
];

const SIZES: readonly (readonly [what: string, size: string | Buffer])[] = [
  ['negative, in base 256', Buffer.alloc(12, 0xff)],
  ['very negative, in base 256', Buffer.concat([Buffer.from([0xff]), Buffer.alloc(11)])],
  ['beyond 2^53, in base 256', Buffer.concat([Buffer.from([0x80]), Buffer.alloc(3), Buffer.alloc(8, 0x7f)])],
  ['beyond 2^64, in base 256', Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)])],
  ['with the second bit set, in base 256', Buffer.concat([Buffer.from([0xc0]), Buffer.alloc(11)])],
  ['a petabyte, in base 256', Buffer.from('80000000000004000000000', 'hex')],
  ['8 GiB', '77777777777'],
  ['beyond the limit', '00400000001'],
  ['negative', '-0000000001'],
  ['with a sign', '+0000000005'],
  ['not octal', '00000000008'],
  ['hexadecimal', '0x000000010'],
  ['blank', '           '],
  ['missing', ''],
  ['with something behind it', '0000005 7  '],
  ['behind a NUL', '\x000000000005'],
  ['in letters', 'fivefivefiv'],
];

const MALFORMED: readonly (readonly [what: string, text: string])[] = [
  ['that is longer than its header', '99 path=a\n'],
  ['that is shorter than its key', '5 path=a\n'],
  ['of length 0', '0 path=a\n'],
  ['of negative length', '-9 path=a\n'],
  ['whose length has zeros in front', '010 path=a\n'],
  ['whose length has a sign', '+10 path=a\n'],
  ['whose length has blanks in front', ' 11 path=a\n'],
  ['whose length is far too large', '99999999999999999999 path=a\n'],
  ['without a length', 'path=a\n'],
  ['without a blank', '9path=a\n\n'],
  ['with a tab for a blank', '10\tpath=a\n'],
  ['without an equals sign', '9 patha\n\n'],
  ['without a key', '5 =a\n'],
  ['without a newline', '9 path=aa'],
  ['with NULs behind it', `10 path=a\n${'\0'.repeat(20)}`],
  ['with text behind it', '10 path=a\nevil'],
];

const UNFIT_RECORDS: readonly Records[] = [
  [
    ['path', 'a'],
    ['path', 'b'],
  ],
  [
    ['size', '4'],
    ['size', '4'],
  ],
  [['size', '3']],
  [['size', '5']],
  [['size', '-4']],
  [['size', '0x4']],
  [['size', '04']],
  [['size', ' 4']],
  [['size', '4.0']],
  [['size', '']],
  [['size', '9007199254740993']],
  [['size', '18446744073709551620']],
  [['linkpath', '/etc/passwd']],
  [['hdrcharset', 'BINARY']],
  [['SCHILY.filetype', 'sparse']],
  [['SCHILY.realsize', '99999']],
  [['SUN.holesdata', ' 0 4']],
  [['GNU.dumpdir', 'Yfile']],
  [['GNU.volume.label', 'evil']],
  [['GNU.volume.offset', '100']],
  [['GNU.unheard', 'of']],
];

/** Types, numbers, checksums and extended headers that are refused. */
export const hostileHeaders: readonly HostileArchive[] = [
  ...LINK_TARGETS.flatMap(linkName => [
    { what: `a symbolic link to ${linkName}`, bytes: () => archive(header({ type: '2', linkName })) },
    {
      what: `a hard link to ${linkName}`,
      bytes: () => archive(entry({ name: 'file' }, 'a'), header({ name: 'other', type: '1', linkName })),
    },
  ]),
  {
    what: 'a symbolic link, and a file through it',
    bytes: () => archive(header({ name: 'a', type: '2', linkName: '/tmp' }), entry({ name: 'a/evil' }, 'evil')),
  },
  { what: 'a symbolic link by GNU tar', bytes: () => byTar('ln -s /etc/passwd link; tar -c link') },
  { what: 'a hard link by GNU tar', bytes: () => byTar('echo >a; ln a b; tar -c a b') },
  { what: 'a named pipe by GNU tar', bytes: () => byTar('mkfifo pipe; tar -c pipe') },
  { what: 'an archive with a label by GNU tar', bytes: () => byTar('echo >a; tar -c --label=evil a') },
  { what: 'an incremental backup by GNU tar', bytes: () => byTar('mkdir d; tar -c -g list --format=gnu d') },
  { what: 'an incremental pax backup by GNU tar', bytes: () => byTar('mkdir d; tar -c -g list --format=posix d') },
  {
    what: 'the second volume by GNU tar',
    bytes: () => byTar('head -c 30000 /dev/zero >a; tar -cM -L 20 -f one -f two a; cat two'),
  },
  {
    what: 'a device by Python',
    bytes: () =>
      byTar(
        `python3 -c 'import sys,tarfile; t=tarfile.open(fileobj=sys.stdout.buffer,mode="w|"); i=tarfile.TarInfo("a"); i.type=tarfile.BLKTYPE; i.devmajor=8; t.addfile(i); t.close()'`,
      ),
  },
  ...TYPES.map(type => ({
    what: `an entry of type ${JSON.stringify(type)}`,
    bytes: () => archive(entry({ type }, 'a')),
  })),
  { what: 'a directory with content', bytes: () => archive(entry({ type: '5' }, 'a')) },
  { what: 'a directory by its slash, with content', bytes: () => archive(entry({ name: 'a/' }, 'a')) },
  { what: 'a pax directory with content', bytes: () => archive(pax([['path', 'a/']]), entry({}, 'a')) },
  ...SIZES.map(([what, size]) => ({
    what: `a size that is ${what}`,
    bytes: () => archive(entry({ size }, 'content')),
  })),
  { what: 'a negative time', bytes: () => archive(entry({ modified: Buffer.alloc(12, 0xff) }, 'a')) },
  { what: 'a time in letters', bytes: () => archive(entry({ modified: 'yesterday' }, 'a')) },
  { what: 'a wrong checksum', bytes: () => archive(entry({ checksum: '000001\0 ' }, 'a')) },
  { what: 'a blank checksum', bytes: () => archive(entry({ checksum: ' '.repeat(8) }, 'a')) },
  {
    what: 'a checksum of signed bytes',
    bytes: () => {
      const honest = header({ name: 'é' });
      const signed = Number.parseInt(honest.toString('latin1', 148, 154), 8) - 512;
      return archive(header({ name: 'é', checksum: `${signed.toString(8).padStart(6, '0')}\0 ` }));
    },
  },
  ...['ustar\x0001', 'ustar\0\0\0', 'USTAR\x0000', 'ustar   ', 'ustarx00', 'evil'].map(magic => ({
    what: `the magic ${JSON.stringify(magic)}`,
    bytes: () => archive(entry({ magic }, 'a')),
  })),
  ...MALFORMED.map(([what, text]) => ({
    what: `a pax record ${what}`,
    bytes: () => archive(pax(text), entry({}, 'a')),
  })),
  ...UNFIT_RECORDS.map(records => ({
    what: `pax records ${records.map(pair => pair.join('=')).join(', ')}`,
    bytes: () => archive(pax(records), entry({}, 'evil')),
  })),
  { what: 'a pax path that is not UTF-8', bytes: () => archive(latinPath(), entry({}, 'a')) },
  { what: 'two pax headers', bytes: () => archive(pax([['path', 'a']]), pax([['path', 'b']]), entry({}, 'a')) },
  { what: 'a pax header for nothing', bytes: () => archive(entry({}, 'a'), pax([['path', 'a']])) },
  { what: 'an empty pax header', bytes: () => archive(pax([]), entry({}, 'a')) },
  { what: 'a pax header before a GNU header', bytes: () => archive(pax([['path', 'a']]), entry({ magic: GNU }, 'a')) },
  { what: 'a pax header before a V7 header', bytes: () => archive(pax([['path', 'a']]), entry({ magic: V7 }, 'a')) },
  {
    what: 'a pax header of more than a mebibyte',
    bytes: () => archive(pax([['comment', 'a'.repeat(2 ** 20)]]), entry({}, 'a')),
  },
  {
    what: 'a pax header of a terabyte',
    bytes: () => archive(header({ type: 'x', size: Buffer.from('800000000000010000000000', 'hex') })),
  },
  ...['path', 'size', 'linkpath', 'GNU.sparse.name', 'GNU.sparse.map', 'GNU.dumpdir', 'unheard'].map(key => ({
    what: `a ${key} for all entries`,
    bytes: () => archive(pax([[key, '4']], 'g'), entry({}, 'evil')),
  })),
  {
    what: 'a thousand and more headers for all entries',
    bytes: function* () {
      for (;;) yield pax([['comment', 'a']], 'g');
    },
  },
];

function byTar(script: string): Buffer {
  return execFileSync('bash', ['-c', `cd "$(mktemp -d)" && trap 'rm -rf "$PWD"' EXIT; ${script}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function latinPath(): Buffer {
  return entry({ type: 'x' }, Buffer.from('10 path=\xe9\n', 'latin1'));
}
