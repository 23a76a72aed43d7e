import type { HostileArchive } from './hostile-archives.ts';
import { archive, END, entry, filled, GNU, header, pairs, pax, type Records, sparse, V7 } from './tar-maker.ts';

type Pieces = readonly (readonly [offset: number, length: number])[];

/** A map of pieces in each of GNU tar's formats. */
const BAD_MAPS: readonly (readonly [what: string, realSize: number, pieces: Pieces])[] = [
  [
    'whose pieces overlap',
    4096,
    [
      [0, 1024],
      [512, 512],
      [4096, 0],
    ],
  ],
  [
    'whose pieces go backwards',
    4096,
    [
      [1024, 512],
      [0, 512],
      [4096, 0],
    ],
  ],
  ['that goes beyond its size', 1024, [[512, 1024]]],
  ['that begins beyond its size', 1024, [[4096, 512]]],
  ['that ends before its size', 4096, [[0, 512]]],
  ['that is empty, of a file that is not', 4096, []],
  [
    'with a piece that is not of whole blocks',
    4096,
    [
      [0, 100],
      [512, 512],
      [4096, 0],
    ],
  ],
  [
    'with an empty piece in the middle',
    4096,
    [
      [0, 512],
      [1024, 0],
      [2048, 512],
      [4096, 0],
    ],
  ],
  [
    'with two ends',
    4096,
    [
      [0, 512],
      [4096, 0],
      [4096, 0],
    ],
  ],
  [
    'of a petabyte of holes',
    2 ** 50,
    [
      [0, 512],
      [2 ** 50, 0],
    ],
  ],
  [
    'of 8 EiB of holes',
    2 ** 63,
    [
      [0, 512],
      [2 ** 63, 0],
    ],
  ],
];

const stored = (pieces: Pieces): number => pieces.reduce((sum, [, length]) => sum + length, 0);

function pax00(realSize: number, pieces: Pieces): Buffer {
  const map = pieces.flatMap(
    ([offset, length]): Records => [
      ['GNU.sparse.offset', `${BigInt(offset)}`],
      ['GNU.sparse.numbytes', `${BigInt(length)}`],
    ],
  );
  const head: Records = [
    ['GNU.sparse.size', `${BigInt(realSize)}`],
    ['GNU.sparse.numblocks', `${pieces.length}`],
  ];
  return archive(pax([...head, ...map]), entry({}, Buffer.alloc(stored(pieces), 1)));
}

function pax01(realSize: number, pieces: Pieces): Buffer {
  const map = pieces.map(([offset, length]) => `${BigInt(offset)},${BigInt(length)}`).join(',');
  return archive(pax(paxMap(map, pieces.length, `${BigInt(realSize)}`)), entry({}, Buffer.alloc(stored(pieces), 1)));
}

const paxMap = (map: string, count: number | string = 2, size = '4096'): Records => [
  ['GNU.sparse.size', size],
  ['GNU.sparse.numblocks', String(count)],
  ['GNU.sparse.name', 'file'],
  ['GNU.sparse.map', map],
];

const pax10Records = (realSize: number | string): Records => [
  ['GNU.sparse.major', '1'],
  ['GNU.sparse.minor', '0'],
  ['GNU.sparse.name', 'file'],
  ['GNU.sparse.realsize', String(realSize)],
];

function pax10(realSize: number, pieces: Pieces): Buffer {
  const numbers = [pieces.length, ...pieces.flat()].map(number => `${BigInt(number)}\n`).join('');
  const content = Buffer.concat([filled(numbers), Buffer.alloc(stored(pieces), 1)]);
  return archive(pax(pax10Records(`${BigInt(realSize)}`)), entry({}, content));
}

/** Format 1.0 with this text for a map. */
const pax10Text = (text: string, realSize = 4096): Buffer =>
  archive(pax(pax10Records(realSize)), entry({}, Buffer.concat([filled(text), Buffer.alloc(512, 1)])));

function gnuSparse(realSize: number, pieces: Pieces): Buffer {
  const [first, rest] = [pieces.slice(0, 4), pieces.slice(4)];
  const fits = realSize < 8 ** 11 && rest.length === 0;
  const base256 = (value: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes[0] = 0x80;
    bytes.writeBigUInt64BE(BigInt(value), 4);
    return bytes;
  };
  const patches = fits
    ? []
    : ([
        [483, base256(realSize)],
        [410, base256(realSize)],
      ] as const);
  return archive(
    sparse(fits ? first : first.slice(0, 1), { realSize: fits ? realSize : 0, patches }),
    Buffer.alloc(stored(pieces), 1),
  );
}

const MALFORMED_RECORDS: readonly (readonly [what: string, records: Records])[] = [
  ['in an odd number', paxMap('0,512,4096')],
  ['in letters', paxMap('a,b,4096,0')],
  ['with signs', paxMap('-512,512,4096,0')],
  ['with an empty number', paxMap('0,,4096,0')],
  ['of fewer pieces than it says', paxMap('0,512,4096,0', 3)],
  ['of more pieces than it says', paxMap('0,512,4096,0', 1)],
  ['of a negative number of pieces', paxMap('0,512,4096,0', -2)],
  ['of 2^64 pieces', paxMap('0,512,4096,0', '18446744073709551616')],
  ['without a size', paxMap('0,512,4096,0').slice(1)],
  ['without a number of pieces', paxMap('0,512,4096,0').filter(([key]) => !key.endsWith('numblocks'))],
  ['of two formats', [...paxMap('0,512,4096,0'), ['GNU.sparse.offset', '0'], ['GNU.sparse.numbytes', '512']]],
  ['of formats 0.1 and 1.0', [...paxMap('0,512,4096,0'), ['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0']]],
  ['with another name than its path', [...paxMap('0,512,4096,0'), ['path', 'other']]],
  ['whose name leads up', paxMap('0,512,4096,0').map(([key, value]) => [key, value === 'file' ? '../evil' : value])],
  [
    'of lengths before offsets',
    [
      ['GNU.sparse.size', '4096'],
      ['GNU.sparse.numblocks', '1'],
      ['GNU.sparse.numbytes', '512'],
      ['GNU.sparse.offset', '0'],
    ],
  ],
  ['of format 2.0', pax10Records(4096).map(([key, value]) => [key, key.endsWith('major') ? '2' : value])],
  ['of format 1.1', pax10Records(4096).map(([key, value]) => [key, key.endsWith('minor') ? '1' : value])],
  ['of format 1.0 without a size', pax10Records(4096).slice(0, 3)],
  ['of format 1.0 without a name', pax10Records(4096).filter(([key]) => !key.endsWith('name'))],
];

const WHOLE = archive(
  header({ name: 'guest/', type: '5' }),
  pax([['path', 'guest/vm.cfg']]),
  entry({}, 'a'.repeat(700)),
  sparse(
    [
      [0, 512],
      [4096, 0],
    ],
    { name: 'guest/System.img', realSize: 4096 },
  ),
  Buffer.alloc(512, 1),
);

/** Sparse files that contradict themselves, archives that are cut off or too large, and what is behind an archive. */
export const hostileContents: readonly HostileArchive[] = [
  ...BAD_MAPS.flatMap(([what, realSize, pieces]) => [
    { what: `a sparse file ${what}`, bytes: () => gnuSparse(realSize, pieces) },
    { what: `a sparse file ${what} (pax 0.0)`, bytes: () => pax00(realSize, pieces) },
    { what: `a sparse file ${what} (pax 0.1)`, bytes: () => pax01(realSize, pieces) },
    { what: `a sparse file ${what} (pax 1.0)`, bytes: () => pax10(realSize, pieces) },
  ]),
  ...MALFORMED_RECORDS.map(([what, records]) => ({
    what: `a sparse map ${what}`,
    bytes: () => archive(pax(records), entry({}, Buffer.alloc(512, 1))),
  })),
  ...[
    '',
    '1',
    'x\n0\n512\n',
    '-1\n',
    '2\n0\n512\n4096\n',
    '2\n0\n512\n4096\n0\nevil',
    '9999999\n0\n512\n',
    `${'1'.repeat(30)}\n`,
  ].map(text => ({ what: `the text ${JSON.stringify(text)} for a map`, bytes: () => pax10Text(text) })),
  {
    what: 'a sparse file of another size than its pieces',
    bytes: () =>
      archive(
        sparse(
          [
            [0, 512],
            [4096, 0],
          ],
          { realSize: 4096, size: 1024 },
        ),
        Buffer.alloc(1024, 1),
      ),
  },
  {
    what: 'a sparse file of negative size',
    bytes: () => archive(sparse([[0, 512]], { realSize: '-0000000512' }), Buffer.alloc(512)),
  },
  {
    what: 'a sparse file whose map goes on behind its end',
    bytes: () =>
      archive(
        sparse(
          [
            [0, 512],
            [4096, 0],
          ],
          { realSize: 4096, patches: [[482, '\x01']] },
        ),
        Buffer.alloc(1024),
      ),
  },
  {
    what: 'a sparse file whose map goes on in an unknown way',
    bytes: () =>
      archive(
        sparse(
          [
            [0, 512],
            [4096, 0],
          ],
          { realSize: 4096, patches: [[482, '\x02']] },
        ),
        Buffer.alloc(1024),
      ),
  },
  {
    what: 'a sparse file whose map has a gap',
    bytes: () =>
      archive(sparse([[0, 512]], { realSize: 4096, patches: [[434, pairs([[4096, 0]])]] }), Buffer.alloc(512)),
  },
  {
    what: 'a sparse file whose map never ends',
    bytes: function* () {
      const piece = (index: number): readonly [number, number] => [index * 1024, 512];
      const first = [0, 1, 2, 3].map(piece);
      yield sparse(first, { realSize: 2 ** 32, patches: [[482, '\x01']] });
      for (let index = 4; ; index += 21) {
        const block = Buffer.alloc(512);
        block.write(pairs(Array.from({ length: 21 }, (_, next) => piece(index + next))), 'latin1');
        block[504] = 1;
        yield block;
      }
    },
  },
  {
    what: 'a sparse file of star',
    bytes: () => archive(sparse([[0, 512]], { realSize: 512, magic: 'ustar\x0000' }), Buffer.alloc(512)),
  },
  {
    what: 'a sparse file of V7',
    bytes: () => archive(sparse([[0, 512]], { realSize: 512, magic: V7 }), Buffer.alloc(512)),
  },
  {
    what: 'a sparse directory',
    bytes: () => archive(sparse([[0, 512]], { name: 'a/', realSize: 512 }), Buffer.alloc(512)),
  },
  {
    what: 'holes that are too many together',
    bytes: () =>
      archive(...[1, 2].map(index => sparse([[64 * 2 ** 20, 0]], { name: `a${index}`, realSize: 64 * 2 ** 20 }))),
  },
  { what: 'a file that is too large', bytes: () => archive(header({ size: 64 * 2 ** 20 + 1 })) },
  {
    what: 'files that are too large together',
    bytes: function* () {
      for (const name of ['a', 'b']) {
        yield header({ name, size: 50 * 2 ** 20 });
        for (let index = 0; index < 50; index++) yield Buffer.alloc(2 ** 20, 1);
      }
      yield END;
    },
  },
  { what: 'nothing', bytes: () => Buffer.alloc(0) },
  { what: 'one byte', bytes: () => Buffer.from('a') },
  { what: 'a letter', bytes: () => Buffer.from('Dear Sir or Madam, '.repeat(100)) },
  { what: 'an empty archive', bytes: () => Buffer.alloc(10_240) },
  { what: 'only the top directory', bytes: () => archive(header({ name: './', type: '5' })) },
  ...[1, 100, 511, 512, 513, 1000, 1024, 1500, 1536, 2048, 2559, 3000, 3072, 3500, 3584].map(length => ({
    what: `an archive that is cut off after ${length} bytes`,
    bytes: () => WHOLE.subarray(0, length),
  })),
  ...[1, 2, 511, 512, 513, 1023, 1024, 1025].map(missing => ({
    what: `an archive without its last ${missing} bytes`,
    bytes: () => WHOLE.subarray(0, WHOLE.length - missing),
  })),
  { what: 'an archive with a letter behind it', bytes: () => Buffer.concat([WHOLE, Buffer.from('a letter')]) },
  { what: 'an archive with a block behind it', bytes: () => Buffer.concat([WHOLE, Buffer.alloc(512, 1)]) },
  { what: 'an archive with 100 zeros behind it', bytes: () => Buffer.concat([WHOLE, Buffer.alloc(100)]) },
  { what: 'an archive with two mebibytes behind it', bytes: () => Buffer.concat([WHOLE, Buffer.alloc(2 * 2 ** 20)]) },
  { what: 'two archives', bytes: () => Buffer.concat([WHOLE, archive(entry({ name: 'other' }, 'a'))]) },
  {
    what: 'an archive with zeros in its middle',
    bytes: () => archive(entry({ name: 'a' }, 'a'), Buffer.alloc(512), entry({ name: 'b', magic: GNU }, 'b')),
  },
];
