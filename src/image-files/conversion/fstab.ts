import { type DiskNames, HARDWARE_NAME, withParavirtualNames } from './device-names.ts';
import { hardwareName, mapLines, type Rewritten, unknownDisk } from './rewritten.ts';

/** Blanks, the device, and the rest of a line of fstab(5). */
const LINE = /^(\s*)([^#\s]\S*)(\s.*)$/;

/** Names the disks of fstab(5) anew; labels, UUIDs and volumes of LVM stay, for they lie on the disk. */
export function rewriteFstab(text: string, names: DiskNames): Rewritten {
  const left: string[] = [];
  const path = '/etc/fstab';
  const changed = mapLines(text, line => {
    const [, indentation, device, rest] = LINE.exec(line) ?? [];
    if (device === undefined) return line;
    const renamed = withParavirtualNames(device, names);
    left.push(...renamed.unknown.map(name => unknownDisk(path, name)));
    left.push(...(device.match(HARDWARE_NAME) ?? []).map(name => hardwareName(path, name)));
    return `${indentation}${renamed.text}${rest}`;
  });
  return { text: changed, left };
}
