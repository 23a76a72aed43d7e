import { isIP } from 'node:net';
import { type DiskMode, diskModes } from './guest-config.ts';
import { firstVncPort, mostMemoryMib, mostVcpus, mostVncDisplays, whyNoMac } from './guest-values.ts';
import {
  addressRule,
  architectureRule,
  argumentsRule,
  bridgeRule,
  keymapRule,
  locationRule,
  macRule,
  modelRule,
  passwordRule,
  pathRule,
  scriptRule,
  targetRule,
  uuidRule,
} from './new-guest-texts.ts';
import { PlainStruct, present, refuseTwice } from './plain-struct.ts';

/**
 * A guest that is to be made, in plain values as they travel and as a job keeps them. What is left out is left to the agent.
 * `parseNewGuest` makes it from a stranger's struct; `newGuestFile` of vmcfg makes its vm.cfg.
 */
export interface NewGuest {
  readonly type: 'hvm' | 'para';
  /** MiB at the start; `maxmem` is what it may grow to while it runs. */
  readonly memory: number;
  readonly maxmem?: number;
  readonly vcpus: number;
  readonly uuid?: string;
  /** Architecture whose kernel is taken from an installation tree; that of the server when left out. */
  readonly arch?: string;
  /** Further keys of vm.cfg, as they are to stand there. */
  readonly keys?: Readonly<Record<string, NewGuestValue>>;
  readonly disks: readonly NewGuestDisk[];
  readonly vifs: readonly NewGuestCard[];
  readonly display: NewGuestDisplay;
  readonly install: NewGuestInstall;
}

export type NewGuestValue = string | number | boolean | readonly (string | number)[];

/** One that names neither `file` nor `device` lies in the guest's own directory, or is a CD-ROM drive without a medium. */
export interface NewGuestDisk {
  /** Absolute path of an image. */
  readonly file?: string;
  /** Absolute path of a block device of the server. */
  readonly device?: string;
  /** MiB: the image is to be made. Left out, it is there already. */
  readonly size?: number;
  /** Whether an image that is made takes all its space at once. */
  readonly preallocate?: boolean;
  readonly kind?: 'disk' | 'cdrom';
  readonly mode?: DiskMode;
  /** Name inside the guest, such as `hda`; the next that is free when left out. */
  readonly target?: string;
  readonly driver?: NewGuestDriver;
}

export const newGuestDrivers = ['file', 'tap:aio', 'phy'] as const;
export type NewGuestDriver = (typeof newGuestDrivers)[number];

export interface NewGuestCard {
  readonly mac?: string;
  readonly bridge?: string;
  readonly type?: 'netfront' | 'ioemu';
  readonly model?: string;
  readonly script?: string;
}

export interface NewGuestDisplay {
  readonly type: 'none' | 'vnc' | 'sdl';
  /** TCP port of the VNC server; the first display that is free when left out. */
  readonly port?: number;
  /** IP address on which it listens; the server's own setting when left out. */
  readonly listen?: string;
  /** Over a `keymap` among the keys. */
  readonly keymap?: string;
  /** Kept with a job that holds it: who does not want that sets it afterwards. */
  readonly password?: string;
}

export type NewGuestInstall =
  /**
   * A CD image in a repository; only a guest with firmware boots it. With `live` it is what the guest boots for good, and not only
   * until there is a system on a disk.
   */
  | { readonly from: 'iso'; readonly iso: string; readonly live?: boolean }
  /** A directory of a distribution on http, ftp, nfs or this server; its kernel is started with the arguments. */
  | { readonly from: 'tree'; readonly location: string; readonly arguments: string }
  /** The firmware's network boot. */
  | { readonly from: 'network' }
  /** The system is on the first disk already. */
  | { readonly from: 'disk' };

const MOST_DISKS = 16;
const MOST_CARDS = 8;
const MOST_KEYS = 64;
const MOST_ITEMS = 64;
/** 64 TiB, beyond which no file system of the server goes. */
const MOST_DISK_MIB = 64 * 1024 * 1024;

/** Keys of vm.cfg that follow from the other members, or that would run or boot something else than what they say. */
const OWNED_KEYS = new Set([
  ...['name', 'uuid', 'memory', 'maxmem', 'vcpus', 'disk', 'vif', 'boot', 'builder', 'type', 'pvh'],
  ...['kernel', 'ramdisk', 'bootloader', 'bootargs', 'bootentry', 'bootloader_args', 'device_model', 'loader'],
  ...['vfb', 'vnc', 'sdl', 'vncunused', 'vncdisplay', 'vnclisten', 'vncpasswd', 'display', 'xauthority'],
]);

const KEY_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const KEY_TEXT = /^[^\0]{0,4096}$/s;

/**
 * Reads the description of a new guest. Members that are not known are refused by name.
 * @throws AgentError BAD_VALUE
 */
export function parseNewGuest(value: unknown): NewGuest {
  const guest = new PlainStruct('new guest', value, [
    ...['type', 'memory', 'maxmem', 'vcpus', 'uuid', 'arch', 'keys', 'disks', 'vifs', 'display', 'install'],
  ]);
  const type = guest.required('type', guest.choice('type', ['hvm', 'para']));
  const memory = guest.required('memory', guest.wholeNumber('memory', 1, mostMemoryMib));
  const disks = guest.required('disks', disksOf(guest));
  const install = guest.required('install', installOf(guest, type));
  requireBootable(guest, install, disks);
  return present({
    type,
    memory,
    maxmem: guest.wholeNumber('maxmem', memory, mostMemoryMib),
    vcpus: guest.required('vcpus', guest.wholeNumber('vcpus', 1, mostVcpus)),
    uuid: guest.text('uuid', uuidRule),
    arch: guest.text('arch', architectureRule),
    keys: keysOf(guest),
    disks,
    vifs: guest.required('vifs', cardsOf(guest, type)),
    display: guest.required('display', displayOf(guest)),
    install,
  });
}

function keysOf(guest: PlainStruct): NewGuest['keys'] {
  const keys = guest.struct('keys', undefined);
  if (!keys) return undefined;
  if (keys.names.length > MOST_KEYS)
    guest.fail('keys', `has ${keys.names.length} members`, `${MOST_KEYS} at most are needed`);
  return Object.fromEntries(keys.names.map(name => [name, keyOf(keys, name)]));
}

function keyOf(keys: PlainStruct, name: string): NewGuestValue {
  if (!KEY_NAME.test(name)) keys.fail(name, 'is no key of vm.cfg', 'letters, digits and _ are needed');
  if (OWNED_KEYS.has(name)) keys.fail(name, 'follows from the other members', 'leave it out');
  const value = keys.value(name);
  if (typeof value === 'boolean' || isKeyItem(value)) return value;
  if (Array.isArray(value) && value.length <= MOST_ITEMS && value.every(isKeyItem)) return value;
  return keys.fail(
    name,
    'is nothing that a key of vm.cfg can be',
    'a text, a whole number, a boolean or a list is needed',
  );
}

function isKeyItem(value: unknown): value is string | number {
  return Number.isSafeInteger(value) || (typeof value === 'string' && KEY_TEXT.test(value));
}

function disksOf(guest: PlainStruct): readonly NewGuestDisk[] | undefined {
  const names = ['file', 'device', 'size', 'preallocate', 'kind', 'mode', 'target', 'driver'];
  const structs = guest.structs('disks', MOST_DISKS, names);
  const disks = structs?.map(diskOf);
  refuseTwice(structs, disks, ['file', 'device', 'target']);
  return disks;
}

function diskOf(disk: PlainStruct): NewGuestDisk {
  const read: NewGuestDisk = present({
    file: disk.text('file', pathRule),
    device: disk.text('device', pathRule),
    size: disk.wholeNumber('size', 1, MOST_DISK_MIB),
    preallocate: disk.flag('preallocate'),
    kind: disk.choice('kind', ['disk', 'cdrom']),
    mode: disk.choice('mode', diskModes),
    target: disk.text('target', targetRule),
    driver: disk.choice('driver', newGuestDrivers),
  });
  const { device, driver, file, kind, mode, preallocate, size } = read;
  if (file !== undefined && device !== undefined) disk.fail('device', 'stands beside file', 'give one of the two');
  if (device !== undefined && size !== undefined)
    disk.fail('size', 'stands beside device', 'devices are not made; leave it out');
  if (preallocate === true && size === undefined) disk.fail('size', 'is not there', 'preallocate needs it');
  if (driver !== undefined && (driver === 'phy') !== (device !== undefined)) {
    disk.fail('driver', `is ${driver}`, 'phy goes with a device, file and tap:aio with a file');
  }
  if (kind === 'cdrom') {
    if (size !== undefined) disk.fail('size', 'stands at a CD-ROM', 'media are not made; leave it out');
    if ((mode ?? 'r') !== 'r') disk.fail('mode', `is ${mode ?? ''}`, 'a CD-ROM is read only; leave it out');
  } else if (file === undefined && device === undefined && size === undefined) {
    disk.fail('size', 'is not there', "a disk in the guest's own directory is made, and needs it");
  }
  return read;
}

function cardsOf(guest: PlainStruct, type: NewGuest['type']): readonly NewGuestCard[] | undefined {
  const structs = guest.structs('vifs', MOST_CARDS, ['mac', 'bridge', 'type', 'model', 'script']);
  const cards = structs?.map((card): NewGuestCard => {
    const mac = card.text('mac', macRule);
    const reason = mac === undefined ? undefined : whyNoMac(mac);
    if (reason !== undefined) card.fail('mac', reason, 'the address of one card is needed');
    const kind = card.choice('type', ['netfront', 'ioemu']);
    const model = card.text('model', modelRule);
    if (type === 'para' && (kind === 'ioemu' || model !== undefined)) {
      card.fail(
        model === undefined ? 'type' : 'model',
        'is of an emulated card',
        'a paravirtual guest has none; leave it out',
      );
    }
    return present({
      mac: mac?.toLowerCase(),
      bridge: card.text('bridge', bridgeRule),
      type: kind,
      model,
      script: card.text('script', scriptRule),
    });
  });
  refuseTwice(structs, cards, ['mac']);
  return cards;
}

const DISPLAY_MEMBERS = {
  none: ['type', 'keymap'],
  sdl: ['type', 'keymap'],
  vnc: ['type', 'port', 'listen', 'keymap', 'password'],
} as const;

function displayOf(guest: PlainStruct): NewGuestDisplay | undefined {
  const any = guest.struct('display', DISPLAY_MEMBERS.vnc);
  if (!any) return undefined;
  const type = any.required('type', any.choice('type', ['none', 'vnc', 'sdl']));
  const display = guest.struct('display', DISPLAY_MEMBERS[type]) ?? any;
  const listen = display.text('listen', addressRule);
  if (listen !== undefined && isIP(listen) === 0) display.fail('listen', `is ${listen}`, 'an IP address is needed');
  return present({
    type,
    port: display.wholeNumber('port', firstVncPort, firstVncPort + mostVncDisplays),
    listen,
    keymap: display.text('keymap', keymapRule),
    password: display.text('password', passwordRule),
  });
}

const INSTALL_MEMBERS = {
  iso: ['from', 'iso', 'live'],
  tree: ['from', 'location', 'arguments'],
  network: ['from'],
  disk: ['from'],
} as const;

function installOf(guest: PlainStruct, type: NewGuest['type']): NewGuestInstall | undefined {
  const any = guest.struct('install', [...new Set(Object.values(INSTALL_MEMBERS).flat())]);
  if (!any) return undefined;
  const from = any.required('from', any.choice('from', ['iso', 'tree', 'network', 'disk']));
  const install = guest.struct('install', INSTALL_MEMBERS[from]) ?? any;
  if (type === 'para' && (from === 'iso' || from === 'network'))
    install.fail('from', `is ${from}`, 'a paravirtual guest has no firmware to boot it; tree or disk is needed');
  if (type === 'hvm' && from === 'tree')
    install.fail('from', 'is tree', 'a guest with firmware boots no kernel of a tree; iso, network or disk is needed');
  if (from === 'iso')
    return present({
      from,
      iso: install.required('iso', install.text('iso', pathRule)),
      live: install.flag('live'),
    });
  if (from !== 'tree') return { from };
  const location = install.required('location', install.text('location', locationRule));
  return { from, location, arguments: install.text('arguments', argumentsRule) ?? '' };
}

/** A CD runs by itself; what is installed elsewhere, or is there already, needs a disk. */
function requireBootable(guest: PlainStruct, install: NewGuestInstall, disks: readonly NewGuestDisk[]): void {
  const { from } = install;
  if (install.from === 'iso' && disks.some(({ file }) => file === install.iso))
    guest.fail('install', 'names an image that is among the disks', 'leave it out there');
  const first = disks.find(disk => disk.kind !== 'cdrom');
  if (!first && (from === 'tree' || from === 'disk'))
    guest.fail('disks', 'holds no disk', `a guest that is installed from ${from} boots from one`);
  if (from === 'disk' && first?.size !== undefined)
    guest.fail('disks', 'begins with one that is made empty', 'install from disk needs one with a system on it');
}
