import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary.ts';

const MIB = 2 ** 20;
/** The disk of every image: data, a hole, data. */
export const DISK_BYTES = 12 * MIB;

/** A raw disk of DISK_BYTES in a new directory. */
export function makeRaw(): string {
  const file = join(temporaryDirectory(), 'disk.raw');
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, Buffer.alloc(MIB, 'contents '), 0, MIB, 0);
  writeSync(descriptor, Buffer.from('the end '.repeat(64)), 0, 512, DISK_BYTES - 512);
  closeSync(descriptor);
  return file;
}

/** Options of qemu-img by what the image is called in tests. */
export const FORMATS: Readonly<Record<string, readonly string[]>> = {
  'qcow2 of version 2': ['-O', 'qcow2', '-o', 'compat=0.10'],
  'qcow2 of version 3': ['-O', 'qcow2'],
  'compressed qcow2': ['-c', '-O', 'qcow2'],
  vmdk: ['-O', 'vmdk'],
  'streamed vmdk': ['-O', 'vmdk', '-o', 'subformat=streamOptimized'],
  vdi: ['-O', 'vdi'],
  'static vdi': ['-O', 'vdi', '-o', 'static=on'],
  vhdx: ['-O', 'vhdx'],
  'fixed vhdx': ['-O', 'vhdx', '-o', 'subformat=fixed'],
  vhd: ['-O', 'vpc', '-o', 'force_size=on'],
  'fixed vhd': ['-O', 'vpc', '-o', 'subformat=fixed,force_size=on'],
  raw: ['-O', 'raw'],
};

/** An image of `makeRaw` in one of FORMATS. */
export function makeImage(format: string, raw = makeRaw()): string {
  const file = join(temporaryDirectory(), 'image');
  execFileSync('qemu-img', ['convert', '-f', 'raw', ...FORMATS[format]!, raw, file]);
  return file;
}

export interface HostileImage {
  readonly what: string;
  readonly make: () => Buffer;
}

type Change = (bytes: Buffer) => Buffer | undefined;

/** An image with its bytes changed. */
function changed(format: string, what: string, change: Change): HostileImage {
  return {
    what: `${format}: ${what}`,
    make() {
      const bytes = readFileSync(makeImage(format));
      return change(bytes) ?? bytes;
    },
  };
}

const be64 =
  (at: number, value: bigint): Change =>
  bytes =>
    void bytes.writeBigUInt64BE(value, at);
const be32 =
  (at: number, value: number): Change =>
  bytes =>
    void bytes.writeUInt32BE(value, at);
const le64 =
  (at: number, value: bigint): Change =>
  bytes =>
    void bytes.writeBigUInt64LE(value, at);
const le32 =
  (at: number, value: number): Change =>
  bytes =>
    void bytes.writeUInt32LE(value, at);

/** An image that qemu-img makes itself, such as one with a backing file. */
function byQemu(what: string, args: readonly string[]): HostileImage {
  return {
    what,
    make() {
      const file = join(temporaryDirectory(), 'image');
      execFileSync('qemu-img', ['create', '-q', ...args.slice(0, -1), file, args.at(-1)!]);
      return readFileSync(file);
    },
  };
}

/** Text in the descriptor of a vmdk image, in place of as much of what was there. */
const describedAs =
  (find: RegExp, text: string): Change =>
  bytes => {
    const descriptor = bytes.toString('latin1', 512, 512 + 20 * 512);
    const now = descriptor.replace(find, text).slice(0, descriptor.length);
    bytes.write(now.padEnd(descriptor.length, '\0'), 512, 'latin1');
    return undefined;
  };

const VMDK_EXTENT = 'RW 24576 FLAT "/etc/shadow" 0';
const QCOW2 = 'qcow2 of version 3';

/** Each is refused, with BAD_VALUE or NOT_SUPPORTED. */
export const hostileImages: readonly HostileImage[] = [
  ...['/etc/shadow', 'disk.raw', '../../etc/shadow', 'json:{"driver":"raw"}', 'nbd://127.0.0.1/x', 'ssh://x/y'].map(
    name => byQemu(`qcow2: backing file ${name}`, ['-f', 'qcow2', '-u', '-b', name, '-F', 'raw', '12M']),
  ),
  ...['/etc/shadow', 'x'].map(name =>
    changed(QCOW2, `data file ${name}`, bytes => {
      bytes.writeBigUInt64BE(bytes.readBigUInt64BE(72) | 4n, 72);
      bytes.write(name, 112);
      return undefined;
    }),
  ),
  changed(QCOW2, 'a backing file at its own start', be64(8, 0x68n)),
  changed(QCOW2, 'a backing file far away', be64(8, 2n ** 62n)),
  changed(QCOW2, 'version 0', be32(4, 0)),
  changed(QCOW2, 'version 1', be32(4, 1)),
  changed(QCOW2, 'version 4', be32(4, 4)),
  changed(QCOW2, 'encrypted with AES', be32(32, 1)),
  changed(QCOW2, 'encrypted with LUKS', be32(32, 2)),
  changed(QCOW2, 'corrupt by its own word', be64(72, 2n)),
  changed(QCOW2, 'a feature that nobody knows', be64(72, 2n ** 60n)),
  changed(QCOW2, 'no disk', be64(24, 0n)),
  changed(QCOW2, 'a disk of 2^63 bytes', be64(24, 2n ** 63n)),
  changed(QCOW2, 'a disk of 2^64 bytes but one sector', be64(24, 2n ** 64n - 512n)),
  changed(QCOW2, 'a disk of half a sector', be64(24, 256n)),
  changed(QCOW2, 'clusters of a byte', be32(20, 0)),
  changed(QCOW2, 'clusters of 2^31 bytes', be32(20, 31)),
  changed(QCOW2, 'an L1 table of 2^32 entries', be32(36, 2 ** 32 - 1)),
  changed(QCOW2, 'an L1 table far away', be64(40, 2n ** 60n)),
  changed(QCOW2, 'an L1 table askew', be64(40, 12_345n)),
  changed(QCOW2, 'a refcount table far away', be64(48, 2n ** 60n)),
  changed(QCOW2, 'a refcount table without end', be32(56, 2 ** 32 - 1)),
  changed(QCOW2, 'a header without end', be32(100, 2 ** 32 - 1)),
  changed(QCOW2, 'a header of no length', be32(100, 0)),
  changed(QCOW2, 'refcounts of 2^255 bits', be32(96, 255)),
  changed(QCOW2, 'a million snapshots', be32(60, 1_000_000)),
  changed('vmdk', 'no disk of its own', le64(12, 0n)),
  changed('vmdk', 'a disk of 2^64 sectors', le64(12, 2n ** 64n - 1n)),
  changed('vmdk', 'version 0', le32(4, 0)),
  changed('vmdk', 'version 99', le32(4, 99)),
  changed('vmdk', 'a descriptor far away', le64(28, 2n ** 50n)),
  changed('vmdk', 'a descriptor of 2^60 sectors', le64(36, 2n ** 60n)),
  changed('vmdk', 'a descriptor of a megabyte', le64(36, 2048n)),
  changed('vmdk', 'a parent', describedAs(/parentCID=ffffffff/, 'parentCID=12345678')),
  changed('vmdk', 'the name of a parent', describedAs(/version=1/, 'parentFileNameHint="/etc/shadow"')),
  changed('vmdk', 'a flat extent', describedAs(/createType="[^"]*"/, 'createType="monolithicFlat"')),
  changed('vmdk', 'extents by the gigabyte', describedAs(/createType="[^"]*"/, 'createType="twoGbMaxExtentSparse"')),
  changed('vmdk', 'a device', describedAs(/createType="[^"]*"/, 'createType="fullDevice"')),
  changed('vmdk', 'no kind', describedAs(/createType="[^"]*"/, '')),
  changed('vmdk', 'another extent', describedAs(/(RW \d+ SPARSE "[^"]*")/, `$1\n${VMDK_EXTENT}`)),
  changed('vmdk', 'grains of a byte', le64(20, 0n)),
  changed('vmdk', 'grains of 2^60 sectors', le64(20, 2n ** 60n)),
  changed('vmdk', 'tables without end', le32(44, 2 ** 32 - 1)),
  ...[VMDK_EXTENT, 'RW 24576 VMFS "/dev/sda"', 'RW 24576 SPARSE "../x.vmdk"', 'RW 24576 ZERO'].map(extent => ({
    what: `vmdk: a description with ${extent}`,
    make: () =>
      Buffer.from(
        `# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n${extent}\n`,
      ),
  })),
  { what: 'vmdk: of ESX of old', make: () => Buffer.concat([Buffer.from('COWD'), Buffer.alloc(4096)]) },
  changed('vdi', 'a difference', le32(76, 4)),
  changed('vdi', 'an undo image', le32(76, 3)),
  changed('vdi', 'type 0', le32(76, 0)),
  changed('vdi', 'a link', bytes => void bytes.fill(0x11, 424, 440)),
  changed('vdi', 'a parent', bytes => void bytes.fill(0x11, 440, 456)),
  changed('vdi', 'no disk', le64(368, 0n)),
  changed('vdi', 'a disk of 2^64 bytes', le64(368, 2n ** 64n - 512n)),
  changed('vdi', 'a disk larger than its blocks', le64(368, 2n ** 40n)),
  changed('vdi', 'blocks without end', le32(384, 2 ** 32 - 1)),
  changed('vdi', 'blocks of a byte', le32(376, 1)),
  changed('vdi', 'a table of blocks far away', le32(340, 2 ** 32 - 512)),
  changed('vdi', 'version 9', le32(68, 0x90009)),
  changed('vhdx', 'no tables of regions', bytes => void bytes.fill(0, 192 * 1024, 320 * 1024)),
  changed('vhdx', 'a table of 2^32 regions', bytes => {
    for (const at of [192, 256]) bytes.writeUInt32LE(2 ** 32 - 1, at * 1024 + 8);
    return undefined;
  }),
  changed('vhdx', 'metadata far away', bytes => {
    for (const at of [192, 256])
      for (const entry of [0, 1]) bytes.writeBigUInt64LE(2n ** 60n, at * 1024 + 16 + entry * 32 + 16);
    return undefined;
  }),
  changed('vhdx', 'a parent', bytes => {
    const at = bytes.indexOf(Buffer.from('3767a1ca36fa434db3b633f0aa44e76b', 'hex'));
    const metadata = bytes.indexOf('metadata');
    const value = metadata + bytes.readUInt32LE(at + 16);
    bytes.writeUInt32LE(bytes.readUInt32LE(value + 4) | 2, value + 4);
    return undefined;
  }),
  changed('vhdx', 'a disk of 2^64 bytes', bytes => {
    const at = bytes.indexOf(Buffer.from('2442a52f1bcd7648b2115dbed83bf4b8', 'hex'));
    bytes.writeBigUInt64LE(2n ** 64n - 512n, bytes.indexOf('metadata') + bytes.readUInt32LE(at + 16));
    return undefined;
  }),
  changed('vhdx', 'metadata without their name', bytes => void bytes.write('METADATA', bytes.indexOf('metadata'))),
  changed('vhdx', 'headers of zeros', bytes => void bytes.fill(0, 64 * 1024, 192 * 1024)),
  changed('vhd', 'a difference', be32(60, 4)),
  changed('vhd', 'type 0', be32(60, 0)),
  changed('vhd', 'no disk', be64(48, 0n)),
  changed('vhd', 'a disk of 2^64 bytes', be64(48, 2n ** 64n - 512n)),
  ...Object.entries({
    luks: 'LUKS\xba\xbe',
    qed: 'QED\0',
    parallels: 'WithoutFreeSpace',
    bochs: 'Bochs Virtual HD Image',
  }).map(([name, magic]) => ({ what: name, make: () => Buffer.from(magic.padEnd(4096, '\0'), 'latin1') })),
  ...Object.entries({ gzip: '1f8b08', zstd: '28b52ffd', xz: 'fd377a585a00', bzip2: '425a6839', zip: '504b0304' }).map(
    ([name, magic]) => ({ what: name, make: () => Buffer.from(magic.padEnd(4096, '0'), 'hex') }),
  ),
  { what: 'an OVA', make: () => Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.alloc(4096)]) },
  { what: 'nothing', make: () => Buffer.alloc(0) },
  ...[QCOW2, 'vmdk', 'vdi', 'vhdx', 'vhd'].flatMap(format =>
    [64, 200, 512].map(length => changed(format, `cut off after ${length} bytes`, bytes => bytes.subarray(0, length))),
  ),
];

/** Writes a hostile image to a file of its own. */
export function hostileFile({ make }: HostileImage): string {
  const file = join(temporaryDirectory(), 'hostile');
  writeFileSync(file, make(), { mode: 0o600 });
  return file;
}
