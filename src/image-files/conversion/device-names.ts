/** Names of disks as the emulated hardware gives them, to what they are as paravirtual disks: `hda` to `xvda`. */
export type DiskNames = ReadonlyMap<string, string>;

/** A disk of the guest before it is converted, under the name in its guest file. */
export interface EmulatedDisk {
  readonly target: string;
  readonly isCdrom: boolean;
}

/**
 * What becomes of each disk. A disk keeps its letter where no other has it, else it gets the first that is free. Kernels with libata call IDE
 * disks sda, sdb…, one after the other without the drives: such names lead to the same disks, where no disk is a SCSI one.
 */
export function paravirtualNames(disks: readonly EmulatedDisk[]): DiskNames {
  const names = new Map<string, string>();
  const ofKind = (kind: string): EmulatedDisk[] => disks.filter(({ target }) => target.startsWith(kind));
  for (const { target } of [...ofKind('xvd'), ...ofKind('hd'), ...ofKind('sd')]) {
    const same = target.replace(/^(?:hd|sd)/, 'xvd');
    const taken = new Set(names.values());
    const name = [same, ...LETTERS.map(letter => `xvd${letter}`)].find(free => !taken.has(free));
    if (name !== undefined) names.set(target, name);
  }
  if (ofKind('sd').length > 0) return names;
  ofKind('hd')
    .filter(({ isCdrom }) => !isCdrom)
    .map(({ target }) => target)
    .sort()
    .forEach((target, index) => names.set(`sd${LETTERS[index] ?? ''}`, names.get(target) ?? target));
  return names;
}

const LETTERS = Array.from({ length: 26 }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index));

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
