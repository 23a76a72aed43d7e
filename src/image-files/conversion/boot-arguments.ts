import { type DiskNames, HARDWARE_NAME, withParavirtualNames } from './device-names.ts';
import { hardwareName, unknownDisk } from './rewritten.ts';

const DISK_ARGUMENT = /(?<![^\s"'=])((?:root|resume)=)([^\s"']+)/g;
const SERIAL_CONSOLE = /(?<![^\s"'])console=ttyS\d+(?:,\w+)?/g;

/**
 * A line with arguments of Linux, with the disks of `root=` and `resume=` under their new names.
 * @param left takes what could not be decided
 */
export function withDisksNamed(line: string, path: string, names: DiskNames, left: Set<string>): string {
  return line.replace(DISK_ARGUMENT, (_argument, key: string, value: string) => {
    const renamed = withParavirtualNames(value, names);
    for (const name of renamed.unknown) left.add(unknownDisk(path, name));
    for (const name of value.match(HARDWARE_NAME) ?? []) left.add(hardwareName(path, name));
    return key + renamed.text;
  });
}

/** The same with the console of Xen in place of a serial port. */
export function withConsole(line: string, console: string): string {
  return line.replace(SERIAL_CONSOLE, `console=${console}`);
}
