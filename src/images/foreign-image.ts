import { AgentError } from '../errors.ts';
import { ImageBytes } from './image-bytes.ts';
import { findQcow2Reference } from './qcow2.ts';

/** Formats of images that come from elsewhere, by QEMU's names. */
export type ForeignFormat = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vhdx' | 'vpc';

export interface ForeignImage {
  readonly format: ForeignFormat;
  /** Of the disk that a guest sees. */
  readonly virtualBytes: number;
}

type Judge = (bytes: ImageBytes, head: Buffer) => Promise<number> | number;

const SECTOR_BYTES = 512;
const VDI_SIGNATURE = 0xbeda107f;
const HEAD_BYTES = 1024;
const DESCRIPTOR_LIMIT_BYTES = 64 * 1024;

/**
 * Tells what an image is, by our own reading of its header: QEMU is asked to read it only as that. An image that names another file is
 * refused here, before any other program sees it.
 * @throws AgentError BAD_VALUE for one that is damaged, NOT_SUPPORTED for one that is not whole in itself, or encrypted, or of another
 *   format
 */
export function inspectForeignImage(file: string): Promise<ForeignImage> {
  return ImageBytes.read(file, async bytes => {
    const head = await bytes.piece(0, HEAD_BYTES);
    for (const [format, isIt] of KNOWN) {
      if (!isIt(head)) continue;
      const virtualBytes = await JUDGES[format](bytes, head);
      if (virtualBytes > 0 && virtualBytes < Number.MAX_SAFE_INTEGER && virtualBytes % SECTOR_BYTES === 0)
        return { format, virtualBytes };
      throw damaged(format, `its disk would have ${virtualBytes} bytes`);
    }
    for (const [name, isIt] of REFUSED) {
      if (isIt(head)) throw new AgentError('NOT_SUPPORTED', `import an image: it is ${name}; ${WANTED} is needed`);
    }
    const foot = await bytes.piece(bytes.sizeBytes - SECTOR_BYTES, SECTOR_BYTES);
    if (bytes.sizeBytes > SECTOR_BYTES && foot.toString('latin1', 0, 8) === 'conectix')
      return { format: 'vpc', virtualBytes: judgeVpc(foot) };
    if (bytes.sizeBytes === 0) throw damaged('raw', 'it is empty');
    return { format: 'raw', virtualBytes: Math.ceil(bytes.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES };
  });
}

const WANTED = 'raw, qcow2, vmdk, vdi, vhdx or vhd, whole in one file,';
const startsWith =
  (text: string, at = 0) =>
  (head: Buffer): boolean =>
    head.toString('latin1', at, at + text.length) === text;

const KNOWN: readonly (readonly [Exclude<ForeignFormat, 'raw'>, (head: Buffer) => boolean])[] = [
  ['qcow2', startsWith('QFI\xfb')],
  ['vmdk', startsWith('KDMV')],
  ['vdi', head => startsWith('<<< ')(head) || head.readUInt32LE(64) === VDI_SIGNATURE],
  ['vhdx', startsWith('vhdxfile')],
  ['vpc', startsWith('conectix')],
];

const REFUSED: readonly (readonly [string, (head: Buffer) => boolean])[] = [
  [
    'a description of a vmdk image, which names other files',
    head => /^\s*#\s*Disk\s*DescriptorFile/i.test(head.toString('latin1')),
  ],
  ['a vmdk image of ESX of old', startsWith('COWD')],
  ['a vmdk image of several files', startsWith('\xbe\xba\xfe\xca')],
  ['an encrypted disk (LUKS)', startsWith('LUKS\xba\xbe')],
  ['a QED image', startsWith('QED\0')],
  ['a Parallels image', startsWith('WithoutFreeSpace')],
  ['a Parallels image', startsWith('WithouFreSpacExt')],
  ['a Bochs image', startsWith('Bochs Virtual HD Image')],
  ['a compressed file', startsWith('\x1f\x8b')],
  ['a compressed file', startsWith('\x28\xb5\x2f\xfd')],
  ['a compressed file', startsWith('\xfd7zXZ\0')],
  ['a compressed file', startsWith('BZh')],
  ['a zip archive', startsWith('PK\x03\x04')],
  ['a tar archive, such as an OVA; take its disk out', startsWith('ustar', 257)],
];

const JUDGES: Readonly<Record<Exclude<ForeignFormat, 'raw'>, Judge>> = {
  qcow2: judgeQcow2,
  vmdk: judgeVmdk,
  vdi: judgeVdi,
  vhdx: judgeVhdx,
  vpc: (_bytes, head) => judgeVpc(head),
};

/** QEMU, docs/interop/qcow2.txt. */
function judgeQcow2(bytes: ImageBytes, head: Buffer): number {
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw damaged('qcow2', `it has version ${version}`);
  const reference = findQcow2Reference(head);
  if (reference !== undefined) throw notWhole('qcow2', `it has ${reference}`);
  if (head.readUInt32BE(32) !== 0)
    throw new AgentError('NOT_SUPPORTED', 'import an image: it is encrypted; one that is not is needed');
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw damaged('qcow2', `it has clusters of 2^${clusterBits} bytes`);
  if (version === 3 && (head.readBigUInt64BE(72) & 2n) !== 0n) throw damaged('qcow2', 'it says so itself');
  const mapEnd = ImageBytes.toNumber(head.readBigUInt64BE(40)) + head.readUInt32BE(36) * 8;
  if (mapEnd > bytes.sizeBytes || ImageBytes.toNumber(head.readBigUInt64BE(48)) >= bytes.sizeBytes)
    throw damaged('qcow2', 'its tables do not lie in it');
  return ImageBytes.toNumber(head.readBigUInt64BE(24));
}

/** VMware, Virtual Disk Format 5.0, "Hosted Sparse Extent Header". A capacity of 0 leads QEMU to the descriptor's other files. */
async function judgeVmdk(bytes: ImageBytes, head: Buffer): Promise<number> {
  const version = head.readUInt32LE(4);
  if (version < 1 || version > 3) throw damaged('vmdk', `it has version ${version}`);
  const capacity = ImageBytes.toNumber(head.readBigUInt64LE(12));
  if (capacity === 0) throw notWhole('vmdk', 'it has no disk of its own');
  const descriptorAt = ImageBytes.toNumber(head.readBigUInt64LE(28)) * SECTOR_BYTES;
  const lengthBytes = ImageBytes.toNumber(head.readBigUInt64LE(36)) * SECTOR_BYTES;
  if (lengthBytes > DESCRIPTOR_LIMIT_BYTES || descriptorAt + lengthBytes > bytes.sizeBytes)
    throw damaged('vmdk', 'its descriptor does not lie in it');
  const descriptor = (await bytes.piece(descriptorAt, lengthBytes)).toString('latin1').replace(/\0[^]*$/, '');
  const parent = /^\s*parentCID\s*=\s*"?([0-9a-f]+)/im.exec(descriptor)?.[1];
  if (/parentFileNameHint/i.test(descriptor) || (parent !== undefined && !/^f{8}$/i.test(parent)))
    throw notWhole('vmdk', 'it has a parent');
  const kind = /^\s*createType\s*=\s*"([^"\n]*)"/im.exec(descriptor)?.[1];
  if (lengthBytes > 0 && kind !== 'monolithicSparse' && kind !== 'streamOptimized')
    throw notWhole('vmdk', 'its disk is in several files');
  const extents = descriptor.match(/^\s*(?:RW|RDONLY|NOACCESS)\s/gim) ?? [];
  if (extents.length > 1) throw notWhole('vmdk', 'its disk is in several files');
  return Math.min(Number.MAX_SAFE_INTEGER, capacity * SECTOR_BYTES);
}

/** VirtualBox, VDICore.h. Types 1 and 2 are whole; the others are differences to another image. */
function judgeVdi(bytes: ImageBytes, head: Buffer): number {
  if (head.readUInt32LE(64) !== VDI_SIGNATURE) throw damaged('vdi', 'its header is cut off');
  if (head.readUInt16LE(70) !== 1) throw damaged('vdi', 'it has a version that nobody knows');
  const type = head.readUInt32LE(76);
  const link = head.subarray(424, 440);
  const parent = head.subarray(440, 456);
  if ((type !== 1 && type !== 2) || !isZero(link) || !isZero(parent))
    throw notWhole('vdi', 'it is a difference to another');
  const sizeBytes = ImageBytes.toNumber(head.readBigUInt64LE(368));
  if (head.readUInt32LE(376) !== 2 ** 20) throw damaged('vdi', 'its blocks are not of a MiB');
  const blocks = head.readUInt32LE(384);
  if (blocks * 2 ** 20 < sizeBytes || head.readUInt32LE(340) + blocks * 4 > bytes.sizeBytes)
    throw damaged('vdi', 'its table of blocks does not lie in it');
  return sizeBytes;
}

const METADATA_REGION = '06a27c8b90479a4bb8fe575f050f886e';
const FILE_PARAMETERS = '3767a1ca36fa434db3b633f0aa44e76b';
const VIRTUAL_DISK_SIZE = '2442a52f1bcd7648b2115dbed83bf4b8';
const HAS_PARENT = 2;
const REGION_TABLES = [192 * 1024, 256 * 1024];
const MOST_ENTRIES = 2047;

/** Microsoft, VHDX Format Specification 1.00, 3.1.3 and 3.5. Both tables of regions are judged: a reader may take either. */
async function judgeVhdx(bytes: ImageBytes): Promise<number> {
  const sizes = new Set<number>();
  for (const at of REGION_TABLES) {
    const table = await bytes.piece(at, 64 * 1024);
    if (table.toString('latin1', 0, 4) !== 'regi') continue;
    for (const entry of entriesOf(table, 16, table.readUInt32LE(8))) {
      if (entry.subarray(0, 16).toString('hex') !== METADATA_REGION) continue;
      sizes.add(await vhdxSize(bytes, ImageBytes.toNumber(entry.readBigUInt64LE(16))));
    }
  }
  const [size, ...others] = sizes;
  if (size === undefined || others.length > 0)
    throw damaged('vhdx', 'its tables of regions do not tell where its disk is');
  return size;
}

async function vhdxSize(bytes: ImageBytes, region: number): Promise<number> {
  const metadata = await bytes.piece(region, 64 * 1024);
  if (metadata.toString('latin1', 0, 8) !== 'metadata') throw damaged('vhdx', 'its metadata are not there');
  let size: number | undefined;
  let hasParameters = false;
  for (const entry of entriesOf(metadata, 32, metadata.readUInt16LE(10))) {
    const id = entry.subarray(0, 16).toString('hex');
    const value = await bytes.piece(region + entry.readUInt32LE(16), 8);
    if (id === VIRTUAL_DISK_SIZE) size = ImageBytes.toNumber(value.readBigUInt64LE(0));
    if (id !== FILE_PARAMETERS) continue;
    hasParameters = true;
    if ((value.readUInt32LE(4) & HAS_PARENT) !== 0) throw notWhole('vhdx', 'it is a difference to another');
  }
  if (size === undefined || !hasParameters) throw damaged('vhdx', 'its metadata are not whole');
  return size;
}

function* entriesOf(table: Buffer, first: number, count: number): Generator<Buffer> {
  if (count > MOST_ENTRIES) throw damaged('vhdx', `a table has ${count} entries`);
  for (let at = first, index = 0; index < count && at + 32 <= table.length; at += 32, index++)
    yield table.subarray(at, at + 32);
}

/** Microsoft, Virtual Hard Disk Image Format Specification, "Hard Disk Footer Format". */
function judgeVpc(footer: Buffer): number {
  const type = footer.readUInt32BE(60);
  if (type === 4) throw notWhole('vhd', 'it is a difference to another');
  if (type !== 2 && type !== 3) throw damaged('vhd', `it has type ${type}`);
  return ImageBytes.toNumber(footer.readBigUInt64BE(48));
}

const isZero = (bytes: Buffer): boolean => bytes.every(byte => byte === 0);

function notWhole(format: string, why: string): AgentError {
  return new AgentError(
    'NOT_SUPPORTED',
    `import a ${format} image: ${why}, which could be any file of this server; ${WANTED} is needed`,
  );
}

function damaged(format: string, why: string): AgentError {
  return new AgentError('BAD_VALUE', `import a ${format} image: it is damaged: ${why}; an undamaged one is needed`);
}
