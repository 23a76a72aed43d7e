import type { Disk } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';

/** Prefixes of a disk's source and what they say of it (xm's example files, and xl-disk-configuration(5) for the old forms). */
const SOURCES: Readonly<Record<string, Pick<Disk, 'sourceKind' | 'format'>>> = {
  'file:': { sourceKind: 'file', format: 'raw' },
  'phy:': { sourceKind: 'device', format: 'raw' },
  'tap:aio:': { sourceKind: 'file', format: 'raw' },
  'tap:qcow2:': { sourceKind: 'file', format: 'qcow2' },
};

const TARGET = /^(?:\/dev\/)?((?:hd|sd|xvd)[a-z][a-z]?\d{0,2})(:cdrom|:disk)?$/;
const MODES = new Map<string, Disk['mode']>([
  ['r', 'r'],
  ['ro', 'r'],
  ['w', 'w'],
  ['rw', 'w'],
  ['w!', 'w!'],
]);

/**
 * Reads one item of `disk`, such as `file:/OVS/running_pool/guest/System.img,hda,w`.
 * @returns the reason, as the rest of a sentence, when it cannot be read
 */
export function parseDisk(item: string): Disk | string {
  const [source = '', target = '', mode = '', ...rest] = item.split(',').map(part => part.trim());
  const form = "it must be 'PREFIX:SOURCE,TARGET,MODE', such as 'file:/OVS/running_pool/guest/System.img,hda,w'";
  if (rest.length > 0 || target === '' || mode === '') return `${quote(item)} cannot be read; ${form}`;
  const place = TARGET.exec(target);
  if (!place) return `${quote(target)} in ${quote(item)} is no disk of a guest; hda to hdd, sda… and xvda… are`;
  const access = MODES.get(mode);
  if (!access) return `${quote(mode)} in ${quote(item)} is no mode; r, w and w! are`;
  const [, name = '', role] = place;
  if (name.startsWith('hd') && name.length === 3 && name > 'hdd')
    return `${quote(name)} in ${quote(item)}: there are only hda to hdd`;
  const isCdrom = role === ':cdrom';
  if (source === '') {
    return isCdrom
      ? { source: undefined, sourceKind: 'file', format: 'raw', target: name, isCdrom, mode: 'r' }
      : `${quote(item)} names no source; ${form}`;
  }
  const prefix = Object.keys(SOURCES).find(known => source.startsWith(known));
  if (prefix === undefined)
    return `${quote(source)} in ${quote(item)} must begin with ${Object.keys(SOURCES).join(', ')}`;
  const file = devicePath(source.slice(prefix.length), prefix);
  if (!file.startsWith('/')) return `${quote(file)} in ${quote(item)} is not an absolute path`;
  return { ...SOURCES[prefix]!, source: file, target: name, isCdrom, mode: isCdrom ? 'r' : access };
}

/** `phy:sda1` stands for `/dev/sda1`. */
function devicePath(path: string, prefix: string): string {
  return prefix === 'phy:' && !path.startsWith('/') ? `/dev/${path}` : path;
}
