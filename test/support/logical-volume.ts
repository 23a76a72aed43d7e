const MIB = 1024 * 1024;
const EXTENT_SECTORS = 2048;
const SECTOR = 512;
const METADATA_AREA = { start: 4096, size: MIB - 4096 };
const identifier = (letter: string): string => letter.repeat(32);
const dashed = (id: string): string =>
  id.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7');

/**
 * An LVM2 physical volume of 1 MiB of metadata and one linear logical volume, `guest-root`, with this content: LVM's own
 * programs cannot make one in a file.
 * @param content whole MiB
 */
export function logicalVolumeOn(content: Buffer): Buffer {
  const extents = content.length / MIB;
  const metadata = Buffer.from(`guest {
id = "${dashed(identifier('v'))}"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = ${EXTENT_SECTORS}
max_lv = 0
max_pv = 0
metadata_copies = 0

physical_volumes {

pv0 {
id = "${dashed(identifier('p'))}"
device = "/dev/sda2"
status = ["ALLOCATABLE"]
flags = []
dev_size = ${(extents + 1) * EXTENT_SECTORS}
pe_start = ${EXTENT_SECTORS}
pe_count = ${extents}
}
}

logical_volumes {

root {
id = "${dashed(identifier('l'))}"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1

segment1 {
start_extent = 0
extent_count = ${extents}

type = "striped"
stripe_count = 1

stripes = [
"pv0", 0
]
}
}
}
}
`);
  const volume = Buffer.alloc(MIB);
  const label = SECTOR;
  volume.write('LABELONE', label, 'latin1');
  volume.writeBigUInt64LE(1n, label + 8);
  volume.writeUInt32LE(32, label + 20);
  volume.write('LVM2 001', label + 24, 'latin1');
  const header = label + 32;
  volume.write(identifier('p'), header, 'latin1');
  const numbers = [
    MIB + content.length, // size of the device
    ...[MIB, 0], // where data is; to the end
    ...[0, 0],
    ...[METADATA_AREA.start, METADATA_AREA.size],
  ];
  numbers.forEach((value, index) => volume.writeBigUInt64LE(BigInt(value), header + 32 + 8 * index));
  const area = METADATA_AREA.start;
  volume.write(' LVM2 x[5A%r0N*>', area + 4, 'latin1');
  volume.writeUInt32LE(1, area + 20);
  volume.writeBigUInt64LE(BigInt(area), area + 24);
  volume.writeBigUInt64LE(BigInt(METADATA_AREA.size), area + 32);
  volume.writeBigUInt64LE(BigInt(SECTOR), area + 40);
  volume.writeBigUInt64LE(BigInt(metadata.length), area + 48);
  metadata.copy(volume, area + SECTOR);
  return Buffer.concat([volume, content]);
}
