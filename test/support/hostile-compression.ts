import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import type { HostileArchive } from './hostile-archives.ts';
import { archive, END, entry, header } from './tar-maker.ts';

type Pack = (bytes: Buffer) => Buffer;
const gzip: Pack = bytes => gzipSync(bytes);
const zstd: Pack = bytes => execFileSync('zstd', ['-q', '-c'], { input: bytes, maxBuffer: 2 ** 26 });

const HONEST = archive(
  entry({ name: 'vm.cfg' }, Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * index) % 251))),
);

function broken(bytes: Buffer, at: number): Buffer {
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = bytes[place]! ^ 0x41;
  return bytes;
}

const halfOf = (bytes: Buffer): Buffer => bytes.subarray(0, Math.floor(bytes.length / 2));

/** Each kind of trouble, for both. */
function inBoth(pack: Pack, name: string): readonly HostileArchive[] {
  const zeros = (): Buffer => pack(Buffer.alloc(16 * 2 ** 20));
  return [
    { what: `${name}: a letter`, bytes: () => pack(Buffer.from('a letter')) },
    { what: `${name}: nothing`, bytes: () => pack(Buffer.alloc(0)) },
    { what: `${name}: a link`, bytes: () => pack(archive(header({ type: '2', linkName: '/' }))) },
    { what: `${name}: an archive that is cut off`, bytes: () => pack(HONEST.subarray(0, 3000)) },
    { what: `${name}: compressed twice`, bytes: () => pack(pack(HONEST)) },
    { what: `${name}: only its first bytes`, bytes: () => pack(HONEST).subarray(0, 4) },
    { what: `${name}: cut off in the middle`, bytes: () => halfOf(pack(HONEST)) },
    { what: `${name}: without its last byte`, bytes: () => pack(HONEST).subarray(0, -1) },
    { what: `${name}: a bit changed in the middle`, bytes: () => broken(pack(HONEST), halfOf(pack(HONEST)).length) },
    { what: `${name}: a bit changed in its checksum`, bytes: () => broken(pack(HONEST), name === 'gzip' ? -7 : -2) },
    { what: `${name}: with a letter behind it`, bytes: () => Buffer.concat([pack(HONEST), Buffer.from('a letter')]) },
    { what: `${name}: with zeros behind it`, bytes: () => Buffer.concat([pack(HONEST), Buffer.alloc(512)]) },
    { what: `${name}: two archives`, bytes: () => Buffer.concat([pack(HONEST), pack(HONEST)]) },
    {
      what: `${name}: a bomb of zeros without an archive`,
      bytes: function* () {
        for (const part = zeros(); ; ) yield part;
      },
    },
    {
      what: `${name}: a bomb behind an archive`,
      bytes: function* () {
        yield pack(HONEST);
        for (const part = zeros(); ; ) yield part;
      },
    },
    {
      what: `${name}: a bomb in one file`,
      bytes: function* () {
        yield pack(header({ name: 'System.img', size: 8 ** 11 - 1 }));
        for (const part = zeros(); ; ) yield part;
      },
    },
    {
      what: `${name}: a bomb in many files`,
      bytes: function* () {
        const content = pack(Buffer.alloc(16 * 2 ** 20));
        for (let index = 0; ; index++) {
          yield pack(header({ name: `System${index}.img`, size: 16 * 2 ** 20 }));
          yield content;
        }
      },
    },
    {
      what: `${name}: a bomb of entries`,
      bytes: function* () {
        for (let start = 0; ; start += 500)
          yield pack(Buffer.concat(Array.from({ length: 500 }, (_, index) => header({ name: `f${start + index}` }))));
      },
    },
  ];
}

/** A frame that asks for a window of so many bits, and holds nothing (RFC 8878, 3.1.1.1.2). */
const frameWithWindow = (bits: number): Buffer =>
  Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (bits - 10) << 3, 0x01, 0, 0]);

/** What is not what it is compressed with, or far more than it seems. */
export const hostileCompression: readonly HostileArchive[] = [
  ...inBoth(gzip, 'gzip'),
  ...inBoth(zstd, 'zstd'),
  { what: 'gzip: an unknown method', bytes: () => broken(gzip(HONEST), 2) },
  { what: 'gzip: an extra field beyond its end', bytes: () => Buffer.from('1f8b0804000000000003ffff0000', 'hex') },
  {
    what: 'gzip: a name without an end',
    bytes: () => Buffer.concat([Buffer.from('1f8b0808000000000003', 'hex'), Buffer.alloc(100_000, 0x61)]),
  },
  {
    what: 'gzip: noise behind its magic',
    bytes: () => Buffer.concat([Buffer.from('1f8b0800', 'hex'), Buffer.alloc(100_000, 0xa7)]),
  },
  { what: 'zstd: a window of two gibibytes', bytes: () => frameWithWindow(31) },
  { what: 'zstd: a window of a gibibyte', bytes: () => frameWithWindow(30) },
  {
    what: 'zstd: noise behind its magic',
    bytes: () => Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(100_000, 0xa7)]),
  },
  { what: 'zstd: a dictionary that is not there', bytes: () => Buffer.from('28b52ffd0358aabb01000000', 'hex') },
  { what: 'zstd: only a part to be skipped', bytes: () => Buffer.from('502a4d1804000000aabbccdd', 'hex') },
  { what: 'bzip2', bytes: () => Buffer.concat([Buffer.from('BZh91AY&SY'), Buffer.alloc(2000, 7)]) },
  { what: 'xz', bytes: () => Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(2000, 7)]) },
  { what: 'zip', bytes: () => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(2000, 7)]) },
  { what: 'an archive of cpio', bytes: () => Buffer.concat([Buffer.from('070701'), Buffer.alloc(2000, 0x30), END]) },
];
