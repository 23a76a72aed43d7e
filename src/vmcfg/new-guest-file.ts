import { AgentError } from '../errors.ts';
import type { Disk } from '../model/guest-config.ts';
import { guestNameOf, type GuestPath, quote } from '../model/guest-path.ts';
import { firstVncPort } from '../model/guest-values.ts';
import { findNearest } from '../model/nearest.ts';
import type { NewGuest, NewGuestCard, NewGuestDisk, NewGuestDisplay, NewGuestDriver } from '../model/new-guest.ts';
import { parseDisk, printDisk } from './disk.ts';
import { isOfLaterRelease, knownKeys } from './known-keys.ts';
import { parseNetworkInterface } from './network-interface.ts';
import { fromPlain } from './plain-values.ts';
import { printValue } from './printer.ts';
import { type ConfigValue, isList } from './values.ts';

/** What the agent chose where the guest names nothing. */
export interface FilledValues {
  readonly uuid: string;
  /** One for each network card, in their order; not used for one that names its own. */
  readonly macs: readonly string[];
}

/** A disk of a new guest with everything that was left open decided. */
export interface PlacedDisk extends Disk {
  readonly driver: NewGuestDriver;
  /** MiB of an image that is to be made; undefined for what is there already. */
  readonly sizeMib: number | undefined;
  readonly preallocate: boolean;
}

/** Where an IDE disk or drive can be, in the order in which they are taken; beyond them a guest with firmware has Xen's own. */
const IDE = ['hda', 'hdb', 'hdc', 'hdd'] as const;
/** The place of the CD-ROM drive in files of the original (guide, appendix C). */
const CDROM_FIRST = ['hdc', 'hdd', 'hdb', 'hda'] as const;
const XEN_DISKS = Array.from('abcdefghijklmnopqrstuvwxyz', letter => `xvd${letter}`);
/** On Xen xvda to xvdd are the same places as hda to hdd. */
const FIRST_BEYOND_IDE = 'xvde';

/**
 * The disks of a new guest in the order of its file, the medium of the installation among them. Images without a name are
 * System.img, disk2.img, … in the guest's directory.
 * @throws AgentError BAD_VALUE when there is no place left for one
 */
export function placeDisks(path: GuestPath, guest: NewGuest): readonly PlacedDisk[] {
  const { install } = guest;
  const medium: readonly NewGuestDisk[] = install.from === 'iso' ? [{ kind: 'cdrom', file: install.iso }] : [];
  const isLive = install.from === 'iso' && install.live === true;
  // What is tried first stands first (guide, appendix E).
  const wanted = isLive ? [...medium, ...guest.disks] : [...guest.disks, ...medium];
  const files = new Set(wanted.flatMap(({ file }) => (file === undefined ? [] : [file])));
  const targets = new Set(wanted.flatMap(({ target }) => (target === undefined ? [] : [target])));
  const placeOf = (disk: NewGuestDisk): string => disk.target ?? takeFirst(candidatesFor(guest, disk), targets);
  // The drives first, that of the installation before the others: they have a usual place, and disks pass it over.
  const drives = new Map([...medium, ...guest.disks.filter(isCdrom)].map(disk => [disk, placeOf(disk)]));
  return wanted.map(disk => placed(disk, drives.get(disk) ?? placeOf(disk), () => freeImageName(path, files)));
}

function placed(disk: NewGuestDisk, target: string, newFile: () => string): PlacedDisk {
  const isDevice = disk.device !== undefined;
  const given = disk.file ?? disk.device;
  return {
    source: given ?? (isCdrom(disk) ? undefined : newFile()),
    sourceKind: isDevice ? 'device' : 'file',
    format: 'raw',
    target,
    isCdrom: isCdrom(disk),
    mode: isCdrom(disk) ? 'r' : (disk.mode ?? 'w'),
    driver: disk.driver ?? (isDevice ? 'phy' : 'file'),
    sizeMib: disk.size,
    preallocate: disk.preallocate ?? false,
  };
}

function isCdrom({ kind }: NewGuestDisk): boolean {
  return kind === 'cdrom';
}

function candidatesFor({ type }: NewGuest, disk: NewGuestDisk): readonly string[] {
  if (type === 'para') return XEN_DISKS;
  return isCdrom(disk) ? CDROM_FIRST : [...IDE, ...XEN_DISKS.filter(name => name >= FIRST_BEYOND_IDE)];
}

function takeFirst(candidates: readonly string[], taken: Set<string>): string {
  const free = candidates.find(candidate => !taken.has(candidate));
  if (free === undefined) {
    throw new AgentError(
      'BAD_VALUE',
      `new guest: ${candidates.join(', ')} are all taken; fewer disks or drives, or a target for each, are needed`,
    );
  }
  taken.add(free);
  return free;
}

function freeImageName(path: GuestPath, taken: Set<string>): string {
  for (let number = 1; ; number += 1) {
    const file = `${path}/${number === 1 ? 'System' : `disk${number}`}.img`;
    if (taken.has(file)) continue;
    taken.add(file);
    return file;
  }
}

/**
 * The text of vm.cfg for a new guest, in the layout of the files of the original (guide, appendix C): a key a line, in the
 * order of the alphabet. It is what holds once the system is installed: an empty disk falls through to the CD or the network, and
 * afterwards boots itself. The kernel of a tree is a matter of the first start, and not in it.
 * @throws AgentError BAD_VALUE for a disk, a card or a key that our reader would not take
 */
export function newGuestFile(path: GuestPath, guest: NewGuest, filled: FilledValues): string {
  const keys = new Map<string, ConfigValue>([
    ['name', guestNameOf(path)],
    ['uuid', guest.uuid ?? filled.uuid],
    ['memory', String(guest.memory)],
    ['vcpus', guest.vcpus],
    ['on_poweroff', 'destroy'],
    ['on_reboot', 'restart'],
    ['on_crash', 'restart'],
    ['vif_other_config', []],
    ...(guest.maxmem === undefined ? [] : [['maxmem', String(guest.maxmem)] as const]),
    ...(guest.type === 'hvm' ? machineKeys(guest) : [['bootloader', '/usr/bin/pygrub'] as const]),
    ...furtherKeys(guest),
    ...displayKeys(guest.type, guest.display),
    ['disk', placeDisks(path, guest).map(diskItem)],
    ['vif', guest.vifs.map((card, index) => cardItem(guest.type, card, filled.macs[index]))],
  ]);
  const lines = [...keys].sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, value]) => line(key, value));
  return lines.join('');
}

/** As files of the original have them (guide, appendix C); what the system inside needs otherwise is among the further keys. */
function machineKeys({ install }: NewGuest): readonly (readonly [string, ConfigValue])[] {
  return [
    ['builder', 'hvm'],
    ['kernel', '/usr/lib/xen/boot/hvmloader'],
    ['device_model', '/usr/lib/xen/bin/qemu-dm'],
    ['boot', bootOrder(install)],
    ['acpi', 1],
    ['apic', 1],
    ['pae', 1],
    ['serial', 'pty'],
  ];
}

/** Letters of trial: the medium stays there once there is a system on the disk. */
function bootOrder(install: NewGuest['install']): string {
  switch (install.from) {
    case 'iso':
      return install.live === true ? 'dc' : 'cd';
    case 'network':
      return 'cn';
    case 'disk':
    case 'tree':
      return 'c';
  }
}

function furtherKeys({ keys = {} }: NewGuest): readonly (readonly [string, ConfigValue])[] {
  return Object.entries(keys).map(([key, value]) => {
    if (Object.hasOwn(knownKeys, key) || isOfLaterRelease(key)) return [key, flagsAsNumbers(value, key)];
    const near = findNearest(key, Object.keys(knownKeys), known => known);
    throw new AgentError(
      'BAD_VALUE',
      `new guest: ${key} is no key that the agent knows; ${near === undefined ? 'leave it out' : `write ${near} if that is meant`}`,
    );
  });
}

/** The original wrote 1 and 0. */
function flagsAsNumbers(value: unknown, key: string): ConfigValue {
  return typeof value === 'boolean' ? Number(value) : fromPlain(value, key);
}

function displayKeys(type: NewGuest['type'], display: NewGuestDisplay): readonly (readonly [string, ConfigValue])[] {
  const { keymap, listen, password, port } = display;
  const keymapKeys = keymap === undefined ? [] : [['keymap', keymap] as const];
  const isHvm = type === 'hvm';
  if (display.type !== 'vnc') {
    if (!isHvm) return [...keymapKeys, ...(display.type === 'sdl' ? [['vfb', ['type=sdl']] as const] : [])];
    return [...keymapKeys, ['vnc', 0], ['sdl', display.type === 'sdl' ? 1 : 0]];
  }
  const options: readonly (readonly [string, string | number])[] = [
    ...(port === undefined ? [['vncunused', 1] as const] : []),
    ...(port === undefined
      ? []
      : ([
          ['vncunused', 0],
          ['vncdisplay', port - firstVncPort],
        ] as const)),
    ...(listen === undefined ? [] : [['vnclisten', listen] as const]),
    ...(password === undefined ? [] : [['vncpasswd', password] as const]),
  ];
  if (isHvm) return [...keymapKeys, ['vnc', 1], ['sdl', 0], ...options];
  return [['vfb', [['type=vnc', ...[...options, ...keymapKeys].map(([key, value]) => `${key}=${value}`)].join(',')]]];
}

function diskItem(disk: PlacedDisk): string {
  const printed = printDisk(disk);
  const item = disk.driver === 'tap:aio' ? printed.replace(/^file:/, 'tap:aio:') : printed;
  return readable(item, parseDisk(item));
}

function cardItem(type: NewGuest['type'], card: NewGuestCard, filledMac: string | undefined): string {
  const parts = {
    type: card.type ?? (type === 'hvm' ? 'ioemu' : undefined),
    mac: card.mac ?? filledMac,
    bridge: card.bridge,
    model: card.model,
    script: card.script,
  };
  const item = Object.entries(parts)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]))
    .join(', ');
  return readable(item, parts.mac === undefined ? 'has no MAC address' : parseNetworkInterface(item, type, () => ''));
}

/** @throws AgentError BAD_VALUE with the reason of the reader, where it gave one */
function readable(item: string, read: object | string): string {
  if (typeof read === 'string') throw new AgentError('BAD_VALUE', `new guest: ${quote(item)} cannot be: ${read}`);
  return item;
}

/** A list has an item a line, and a comma behind the last where there are several. */
function line(key: string, value: ConfigValue): string {
  if (!isList(value) || value.length < 2) return `${key} = ${printValue(value)}\n`;
  return `${key} = [${value.map(item => `${printValue(item)},\n`).join('')}]\n`;
}
