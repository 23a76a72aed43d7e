import type { Disk } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';

type SourceForm = Pick<Disk, 'sourceKind' | 'format'>;

const RAW_FILE: SourceForm = { sourceKind: 'file', format: 'raw' };
const QCOW2_FILE: SourceForm = { sourceKind: 'file', format: 'qcow2' };

/** Prefixes of a disk's source and what they say of it (xm's example files, and xl-disk-configuration(5) for the old forms). */
const SOURCES: Readonly<Record<string, SourceForm>> = {
  'file:': RAW_FILE,
  'phy:': { sourceKind: 'device', format: 'raw' },
  'tap:aio:': RAW_FILE,
  'tap:sync:': RAW_FILE,
  'tap:qcow2:': QCOW2_FILE,
  'tap2:aio:': RAW_FILE,
  'tap2:qcow2:': QCOW2_FILE,
};

/** Forms of other image formats: what to do about them differs. */
const CONVERTIBLE = /^tap2?:(qcow|vmdk|vhd|vdi):/;
/** Older words between the prefix and the format, which say how Xen reads the image. */
const TAP_DRIVER = /^(tap2?):(?:tapdisk|ioemu):/;

const TARGET = /^(?:ioemu:)?(?:\/dev\/)?((?:hd|sd|xvd)[a-z][a-z]?\d{0,2})(:cdrom|:disk)?$/;
const MODES = new Map<string, Disk['mode']>([
  ['r', 'r'],
  ['ro', 'r'],
  ['w', 'w'],
  ['rw', 'w'],
  ['w!', 'w!'],
]);

const FORM = "it must be 'PREFIX:SOURCE,TARGET,MODE', such as 'file:/OVS/running_pool/guest/System.img,hda,w'";

/**
 * Reads one item of `disk`, such as `file:/OVS/running_pool/guest/System.img,hda,w`.
 * @returns the reason, as the rest of a sentence, when it cannot be read
 */
export function parseDisk(item: string): Disk | string {
  const [given = '', target = '', mode = '', backend = '0', ...rest] = item.split(',').map(part => part.trim());
  const source = given.replace(TAP_DRIVER, '$1:');
  if (rest.length > 0 || target === '' || mode === '') return `${quote(item)} cannot be read; ${FORM}`;
  if (!['', '0', 'Domain-0'].includes(backend))
    return `${quote(backend)} in ${quote(item)} is not offered; remove it, this server is the backend`;
  const place = TARGET.exec(target);
  if (!place) return `${quote(target)} in ${quote(item)} is no disk of a guest; hda to hdd, sda… and xvda… are`;
  const access = MODES.get(mode);
  if (!access) return `${quote(mode)} in ${quote(item)} is no mode; r, w and w! are`;
  const [, name = '', role] = place;
  const isCdrom = role === ':cdrom';
  if (sourceIsEmpty(source)) {
    return isCdrom
      ? { source: undefined, ...RAW_FILE, target: name, isCdrom, mode: 'r' }
      : `${quote(item)} names no source; ${FORM}`;
  }
  const prefix = Object.keys(SOURCES).find(known => source.startsWith(known));
  if (prefix === undefined) return `${quote(source)} in ${quote(item)} ${adviceFor(source)}`;
  const file = devicePath(source.slice(prefix.length), prefix);
  if (!file.startsWith('/')) return `${quote(file)} in ${quote(item)} is not an absolute path`;
  return { ...SOURCES[prefix]!, source: file, target: name, isCdrom, mode: isCdrom ? 'r' : access };
}

/** The disk of a target that may be a partition: `hdb` of `hdb1`. */
export function diskOfTarget(target: string): string {
  return target.replace(/\d+$/, '');
}

/** How a disk is written in a guest file; read again it is the same disk. */
export function printDisk({ format, isCdrom, mode, source, sourceKind, target }: Disk): string {
  const prefix = Object.keys(SOURCES).find(
    known => SOURCES[known]!.format === format && SOURCES[known]!.sourceKind === sourceKind,
  );
  return `${source === undefined ? '' : `${prefix ?? ''}${source}`},${target}${isCdrom ? ':cdrom' : ''},${mode}`;
}

/** Old files write an empty drive with or without the prefix. */
function sourceIsEmpty(source: string): boolean {
  return ['', ...Object.keys(SOURCES)].includes(source);
}

function adviceFor(source: string): string {
  const [, format] = CONVERTIBLE.exec(source) ?? [];
  if (format === undefined) return `must begin with ${Object.keys(SOURCES).join(', ')}`;
  return `is of a format that is not used here; make it one with "qemu-img convert -O qcow2" and write tap:qcow2:`;
}

/** `phy:sda1` stands for `/dev/sda1`. */
function devicePath(path: string, prefix: string): string {
  return prefix === 'phy:' && !path.startsWith('/') ? `/dev/${path}` : path;
}
