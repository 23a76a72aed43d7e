import { posix } from 'node:path';
import { grub1Menus, grub2Menus } from '../../bootloader/find-menu.ts';
import { AgentError } from '../../errors.ts';
import { ExtVolume } from '../ext-volume.ts';
import type { FileChange } from '../image-edit.ts';
import type { ImageProgramParts } from '../image-program.ts';
import { findPartitions, type Partition } from '../partitions.ts';
import type { DiskNames } from './device-names.ts';
import { rewriteFstab } from './fstab.ts';
import { type RewrittenMenu, rewriteGrub1Menu } from './grub1.ts';
import { rewriteGrub2Defaults, rewriteGrub2Menu } from './grub2.ts';
import { leftToDo } from './left-to-do.ts';
import { rewriteModuleAliases } from './module-aliases.ts';
import type { Rewritten } from './rewritten.ts';
import { rewriteInittab, rewriteSecuretty } from './terminals.ts';

/** What is to be done to an image so that its Linux runs as a paravirtual guest. */
export interface ConversionPlan {
  readonly changes: readonly FileChange[];
  /** What is left to be done in the guest, in sentences. */
  readonly left: readonly string[];
  /** The kernel that it will boot. */
  readonly kernel: string;
}

const FILE_LIMIT_BYTES = 256 * 1024;
const MOST_ALIAS_FILES = 32;
const ALIAS_DIRECTORY = '/etc/modprobe.d';

/**
 * Looks through the image of a Linux guest, and changes nothing.
 * @throws AgentError NOT_SUPPORTED when there is no Linux in an ext2, ext3 or ext4 file system, it was not shut down cleanly, a
 *   file cannot be used, or no kernel can run under Xen; and those of `findPartitions`
 */
export async function planConversion(
  image: string,
  names: DiskNames,
  parts: ImageProgramParts,
): Promise<ConversionPlan> {
  const partitions = await findPartitions(image, parts);
  const volumes = partitions
    .filter(({ holds }) => holds.name === 'ext')
    .map(partition => new ExtVolume(image, partition, parts));
  for (const volume of volumes) requireClean(volume);
  const root = await findRoot(volumes);
  if (!root) throw noRoot(image, partitions);
  const collected = new Collected();
  const menu = await convertMenu([root, ...volumes.filter(volume => volume !== root)], names, collected);
  if (!menu) {
    throw new AgentError(
      'NOT_SUPPORTED',
      `convert ${image}: it has no boot menu (grub.cfg, menu.lst, grub.conf); a guest that was installed with GRUB is needed`,
    );
  }
  const { console } = menu.support;
  const rewrite = (path: string, how: (text: string) => Rewritten): Promise<void> => collected.rewrite(root, path, how);
  await rewrite('/etc/fstab', text => rewriteFstab(text, names));
  await rewrite('/etc/modprobe.conf', text => rewriteModuleAliases(text, '/etc/modprobe.conf', true));
  for (const name of (await root.list(ALIAS_DIRECTORY)).slice(0, MOST_ALIAS_FILES)) {
    const path = posix.join(ALIAS_DIRECTORY, name);
    await rewrite(path, text => rewriteModuleAliases(text, path, false));
  }
  await rewrite('/etc/inittab', text => rewriteInittab(text, console));
  await rewrite('/etc/securetty', text => rewriteSecuretty(text, console));
  await rewrite('/etc/default/grub', text => rewriteGrub2Defaults(text, '/etc/default/grub', names, console));
  const textOf = async (path: string): Promise<string> => (await root.readFile(path, FILE_LIMIT_BYTES))?.text ?? '';
  const left = leftToDo({
    kernel: menu.kernel,
    support: menu.support,
    networkScripts: await root.list('/etc/sysconfig/network-scripts'),
    interfaces: await textOf('/etc/network/interfaces'),
    graphics: await textOf('/etc/X11/xorg.conf'),
  });
  return { changes: collected.changes, left: [...collected.left, ...left], kernel: menu.kernel };
}

/** The changes so far, and what they leave to be done. */
class Collected {
  readonly changes: FileChange[] = [];
  readonly left: string[] = [];

  /** @returns what became of the file; undefined when there is none */
  async rewrite<Result extends Rewritten>(
    volume: ExtVolume,
    path: string,
    how: (text: string) => Result | Promise<Result>,
    take: (result: Result) => void = () => undefined,
  ): Promise<void> {
    const file = await volume.readFile(path, FILE_LIMIT_BYTES);
    if (!file) return;
    const result = await how(file.text);
    this.left.push(...result.left);
    if (result.text !== file.text) this.changes.push({ partition: volume.partition, file, text: result.text });
    take(result);
  }
}

/** The first menu that pygrub would find. */
async function convertMenu(
  volumes: readonly ExtVolume[],
  names: DiskNames,
  collected: Collected,
): Promise<RewrittenMenu | undefined> {
  for (const volume of volumes) {
    for (const path of [...grub2Menus, ...grub1Menus]) {
      let menu: RewrittenMenu | undefined;
      await collected.rewrite(
        volume,
        path,
        async text => {
          if (!grub2Menus.includes(path)) return rewriteGrub1Menu(text, path, names);
          const environment = await volume.readFile(posix.join(posix.dirname(path), 'grubenv'), FILE_LIMIT_BYTES);
          return rewriteGrub2Menu(text, environment?.text ?? '', path, names);
        },
        result => (menu = result),
      );
      if (menu) return menu;
    }
  }
  return undefined;
}

async function findRoot(volumes: readonly ExtVolume[]): Promise<ExtVolume | undefined> {
  for (const volume of volumes) if (await volume.readFile('/etc/fstab', FILE_LIMIT_BYTES)) return volume;
  return undefined;
}

function requireClean(volume: ExtVolume): void {
  const { holds } = volume.partition;
  if (holds.name !== 'ext' || holds.state === 'clean') return;
  const found =
    holds.state === 'needs-recovery'
      ? 'its journal holds what is not yet written'
      : 'it was not unmounted, or it has errors';
  throw new AgentError(
    'NOT_SUPPORTED',
    `convert ${volume.name}: ${found}; start the guest and shut it down cleanly first`,
  );
}

/** What to do by hand where the files of the guest cannot be reached. */
const BY_HAND: Readonly<Record<string, string>> = {
  lvm: 'its root may lie on logical volumes (LVM), into which no file is written from outside',
  xfs: 'its root may lie in an xfs file system, into which no file is written from outside',
  btrfs: 'its root may lie in a btrfs file system, into which no file is written from outside',
  luks: 'it is encrypted',
};

function noRoot(image: string, partitions: readonly Partition[]): AgentError {
  const reason = partitions.map(({ holds }) => BY_HAND[holds.name]).find(text => text !== undefined);
  return new AgentError(
    'NOT_SUPPORTED',
    reason === undefined
      ? `convert ${image}: no ext2, ext3 or ext4 file system in it has /etc/fstab; the first disk of an installed Linux is needed`
      : `convert ${image}: ${reason}; do in the guest what docs/convert-to-pv.md tells, then change vm.cfg`,
  );
}
