/** Magic of a qcow2 image: "QFI" and 0xFB (QEMU, docs/interop/qcow2.txt). */
const MAGIC = 0x514649fb;
const BACKING_FILE_OFFSET = 8;
const INCOMPATIBLE_FEATURES = 72;
const EXTERNAL_DATA_FILE = 1n << 2n;

/**
 * What in the header of a qcow2 image leads to another file, in words; undefined when nothing does.
 * @param header the first 104 bytes of the image
 */
export function findQcow2Reference(header: Buffer): string | undefined {
  if (header.readUInt32BE(0) !== MAGIC) return undefined;
  if (header.readBigUInt64BE(BACKING_FILE_OFFSET) !== 0n) return 'a backing file';
  const version = header.readUInt32BE(4);
  if (version >= 3 && (header.readBigUInt64BE(INCOMPATIBLE_FEATURES) & EXTERNAL_DATA_FILE) !== 0n) return 'a data file';
  return undefined;
}
