/** Names of disks as the emulated hardware gives them, to what they are as paravirtual disks: `hda` to `xvda`. */
export type DiskNames = ReadonlyMap<string, string>;

/** A disk of the guest before it is converted, under the name in its guest file. */
export interface EmulatedDisk {
  readonly target: string;
  readonly isCdrom: boolean;
}

/**
 * What becomes of each disk. IDE disks keep their letter and others get the first that is free. Kernels with libata call IDE
 * disks sda, sdb…, one after the other without the drives: such names lead to the same disks, where no disk is a SCSI one.
 */
export function paravirtualNames(disks: readonly EmulatedDisk[]): DiskNames {
  const names = new Map<string, string>();
  const isScsi = ({ target }: EmulatedDisk): boolean => target.startsWith('sd');
  for (const { target } of disks.filter(disk => !isScsi(disk))) names.set(target, target.replace(/^hd/, 'xvd'));
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  for (const { target } of disks.filter(isScsi)) {
    const letter = letters.find(free => ![...names.values()].includes(`xvd${free}`));
    if (letter !== undefined) names.set(target, `xvd${letter}`);
  }
  if (disks.some(isScsi)) return names;
  const ide = disks.filter(({ isCdrom, target }) => !isCdrom && target.startsWith('hd'));
  ide
    .toSorted((one, other) => (one.target < other.target ? -1 : 1))
    .forEach(({ target }, index) => names.set(`sd${letters[index] ?? ''}`, target.replace(/^hd/, 'xvd')));
  return names;
}

const EMULATED_NAME = /\/dev\/((?:hd|sd)[a-z]{1,2})(\d{0,2})(?![\w-])/g;

/** A text with the disks in it under their new names, and the names that lead to no disk of the guest. */
export function withParavirtualNames(
  text: string,
  names: DiskNames,
): { readonly text: string; readonly unknown: readonly string[] } {
  const unknown: string[] = [];
  const changed = text.replace(EMULATED_NAME, (name: string, disk: string, partition: string) => {
    const known = names.get(disk);
    if (known === undefined) unknown.push(name);
    return known === undefined ? name : `/dev/${known}${partition}`;
  });
  return { text: changed, unknown };
}

/** Names that contain the model of the emulated disk or its place; a paravirtual disk has none of these. */
export const HARDWARE_NAME = /\/dev\/disk\/by-(?:id|path)\/[^\s,]+/g;
