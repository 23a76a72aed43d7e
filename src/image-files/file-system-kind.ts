/** What a partition holds, as far as it matters to who wants to write files into it. */
export type FileSystemKind =
  | { readonly name: 'ext'; readonly state: ExtState }
  | { readonly name: 'lvm' | 'xfs' | 'btrfs' | 'luks' | 'swap' | 'other' };

/**
 * `clean`: unmounted as it should be. `needs-recovery`: its journal holds what is not yet in place. `unclean`: it was not
 * unmounted, or its kernel has found errors in it.
 */
export type ExtState = 'clean' | 'needs-recovery' | 'unclean';

/** Signatures of other kinds: offset and text (blkid(8) knows them by the same). */
const SIGNATURES = [
  ['xfs', 0, 'XFSB'],
  ['btrfs', 0x10040, '_BHRfS_M'],
  ['luks', 0, 'LUKS\xba\xbe'],
  ['lvm', 0x200, 'LABELONE'],
  ['swap', 0xff6, 'SWAPSPACE2'],
] as const;

/** Fields of the superblock of ext2, ext3 and ext4 (Linux, Documentation/filesystems/ext4/super.rst). */
const SUPERBLOCK = 1024;
const MAGIC = SUPERBLOCK + 0x38;
const STATE = SUPERBLOCK + 0x3a;
const INCOMPATIBLE_FEATURES = SUPERBLOCK + 0x60;
const EXT_MAGIC = 0xef53;
const WAS_UNMOUNTED = 1;
const HAS_ERRORS = 2;
const NEEDS_RECOVERY = 0x4;

/** @param head the first 68 KiB of the partition */
export function recognise(head: Buffer): FileSystemKind {
  if (head.readUInt16LE(MAGIC) === EXT_MAGIC) return { name: 'ext', state: extState(head) };
  const found = SIGNATURES.find(([, offset, text]) => head.toString('latin1', offset, offset + text.length) === text);
  return { name: found?.[0] ?? 'other' };
}

function extState(head: Buffer): ExtState {
  if ((head.readUInt32LE(INCOMPATIBLE_FEATURES) & NEEDS_RECOVERY) !== 0) return 'needs-recovery';
  const state = head.readUInt16LE(STATE);
  return (state & WAS_UNMOUNTED) !== 0 && (state & HAS_ERRORS) === 0 ? 'clean' : 'unclean';
}
