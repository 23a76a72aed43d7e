import { createHash } from 'node:crypto';
import { AgentError } from '../errors.ts';
import type { Boot, Disk, Display, EndPolicy, GuestConfig, NetworkInterface } from '../model/guest-config.ts';
import { guestNameOf, type GuestPath, isGuestName, quote } from '../model/guest-path.ts';
import { type EndAction, endActions } from '../model/guest-state.ts';
import { ConfigKeys } from './config-keys.ts';
import { parseDisk } from './disk.ts';
import { decodeGuestFile, type HostFacts, parseGuestFile } from './reader.ts';
import { parseNetworkInterface } from './network-interface.ts';

/** Memory of a guest whose file names none (xm.conf(5)). */
const STANDARD_MEMORY_MIB = 128;
const MOST_MEMORY_MIB = 64 * 1024 * 1024;
const MOST_VCPUS = 1024;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/**
 * Reads a guest file. Keys that later releases write and that change nothing here (`OVM_*` and the like) are left out.
 * @throws AgentError BAD_CONFIG with line and column of what cannot be used
 */
export function readGuestConfig(bytes: Uint8Array, path: GuestPath, facts: HostFacts): GuestConfig {
  try {
    return guestConfigFrom(new ConfigKeys(parseGuestFile(decodeGuestFile(bytes), facts)), path);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    throw new AgentError(error.code, `vm.cfg of ${path}: ${error.message}`, { cause: error.cause });
  }
}

function guestConfigFrom(keys: ConfigKeys, path: GuestPath): GuestConfig {
  const kind = keys.text('builder') === 'hvm' ? 'hvm' : 'para';
  return {
    name: nameOf(keys, path),
    uuid: uuidOf(keys, path),
    kind,
    memoryMib: keys.integer('memory', 1, MOST_MEMORY_MIB) ?? STANDARD_MEMORY_MIB,
    vcpus: keys.integer('vcpus', 1, MOST_VCPUS) ?? 1,
    boot: bootOf(keys, kind),
    disks: disksOf(keys),
    networkInterfaces: networkInterfacesOf(keys, kind, path),
    display: displayOf(keys),
    serial: kind === 'para' || (keys.text('serial') ?? 'none') !== 'none',
    acpi: keys.flag('acpi') ?? true,
    localTime: keys.flag('localtime') ?? false,
    pointer: pointerOf(keys),
    keymap: keymapOf(keys),
    ends: endsOf(keys),
  };
}

function nameOf(keys: ConfigKeys, path: GuestPath): string {
  const name = keys.text('name');
  if (name === undefined || name === '') return guestNameOf(path);
  return isGuestName(name)
    ? name
    : keys.fail('name', `${quote(name)} is no name of a guest; letters, digits and _ . + - are`);
}

/** A guest without a uuid has one that follows from its path: it must not change from start to start (RFC 9562, 5.8). */
function uuidOf(keys: ConfigKeys, path: GuestPath): string {
  const uuid = keys.text('uuid');
  if (uuid !== undefined && uuid !== '') {
    return UUID.test(uuid)
      ? uuid.toLowerCase()
      : keys.fail('uuid', `${quote(uuid)} is no UUID such as 6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11`);
  }
  const hex = digestOf(path);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function bootOf(keys: ConfigKeys, kind: 'para' | 'hvm'): Boot {
  if (kind === 'hvm') {
    const order = keys.text('boot') ?? 'c';
    // The kernel of such a guest is Xen's hvmloader, which is no business of any other hypervisor.
    return /^[acdn]{1,4}$/.test(order)
      ? { from: 'firmware', order }
      : keys.fail('boot', `${quote(order)} holds more than the letters c, d and n`);
  }
  const kernel = keys.text('kernel');
  if (kernel !== undefined && kernel !== '') {
    return {
      from: 'kernel',
      kernel: absolute(keys, 'kernel', kernel),
      ramdisk: optionalFile(keys, 'ramdisk'),
      commandLine: commandLineOf(keys),
    };
  }
  const bootloader = keys.text('bootloader');
  if (bootloader !== undefined && bootloader !== '') return { from: 'bootloader', bootloader };
  throw new AgentError(
    'BAD_CONFIG',
    "it says nothing of how to boot; kernel = '…', bootloader = '…' or builder = 'hvm' is needed",
  );
}

/** `root` and `extra` make up the kernel's command line, as xl does it (xl.cfg(5)). */
function commandLineOf(keys: ConfigKeys): string {
  const root = keys.text('root');
  const parts = [
    root === undefined || root === '' ? '' : `root=${root.replace(/^root=/, '')}`,
    keys.text('extra') ?? '',
  ];
  return parts
    .filter(part => part.trim() !== '')
    .join(' ')
    .trim();
}

function disksOf(keys: ConfigKeys): readonly Disk[] {
  const disks = keys.list('disk').map(item => {
    const disk = parseDisk(item);
    return typeof disk === 'string' ? keys.fail('disk', disk) : disk;
  });
  const targets = disks.map(disk => disk.target);
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) keys.fail('disk', `two disks are ${twice}; each needs a name of its own`);
  return disks;
}

function networkInterfacesOf(keys: ConfigKeys, kind: 'para' | 'hvm', path: GuestPath): readonly NetworkInterface[] {
  return keys.list('vif').map((item, index) => {
    const card = parseNetworkInterface(item, kind, () => stableMac(path, index));
    return typeof card === 'string' ? keys.fail('vif', card) : card;
  });
}

/** Of Xen's prefix 00:16:3e, and the same from start to start, for systems inside know their cards by it. */
function stableMac(path: GuestPath, index: number): string {
  const hex = digestOf(`${path} ${index}`);
  // Xen's tools leave the first bit of the last half clear.
  const first = (Number.parseInt(hex.slice(0, 2), 16) & 0x7f).toString(16).padStart(2, '0');
  return `00:16:3e:${first}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}

/** From the keys of an HVM guest, or from the `vfb` of a paravirtual one, which holds the same keys. */
function displayOf(keys: ConfigKeys): Display | undefined {
  const frameBuffer = keys.list('vfb')[0];
  const options = frameBuffer === undefined ? undefined : optionsOf(keys, frameBuffer);
  const read = (key: string): string | undefined => (options ? options.get(key) : keys.text(key));
  const isWanted = options
    ? (options.get('type') ?? 'vnc') === 'vnc' && options.get('vnc') !== '0'
    : keys.flag('vnc') === true;
  if (!isWanted) return undefined;
  const listen = read('vnclisten') ?? '127.0.0.1';
  const number = read('vncunused') === '1' || read('vncunused') === 'True' ? undefined : read('vncdisplay');
  if (!/^[0-9a-fA-F.:]{2,39}$/.test(listen))
    keys.fail(options ? 'vfb' : 'vnclisten', `${quote(listen)} is no IP address`);
  if (number !== undefined && !/^\d{1,4}$/.test(number))
    keys.fail(options ? 'vfb' : 'vncdisplay', `${quote(number)} is no number of a display`);
  return { listen, number: number === undefined ? undefined : Number(number), password: read('vncpasswd') };
}

function optionsOf(keys: ConfigKeys, text: string): ReadonlyMap<string, string> {
  const pairs = text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
  return new Map(
    pairs.map(pair => {
      const equals = pair.indexOf('=');
      if (equals < 1) keys.fail('vfb', `${quote(pair)} is not of the form key=value`);
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()] as const;
    }),
  );
}

function pointerOf(keys: ConfigKeys): GuestConfig['pointer'] {
  const device = keys.text('usbdevice');
  return device === 'tablet' || device === 'mouse' ? device : undefined;
}

function keymapOf(keys: ConfigKeys): string | undefined {
  const keymap = keys.text('keymap');
  if (keymap === undefined || keymap === '') return undefined;
  return /^[a-z]{2}(?:-[a-z]{2})?$/.test(keymap)
    ? keymap
    : keys.fail('keymap', `${quote(keymap)} is no keyboard layout such as en-us`);
}

function endsOf(keys: ConfigKeys): EndPolicy {
  return {
    poweroff: endOf(keys, 'on_poweroff', 'destroy'),
    reboot: endOf(keys, 'on_reboot', 'restart'),
    crash: endOf(keys, 'on_crash', 'restart'),
  };
}

function endOf(keys: ConfigKeys, key: string, standard: EndAction): EndAction {
  const text = keys.text(key) ?? standard;
  const action = endActions.find(known => known === text);
  return action ?? keys.fail(key, `${quote(text)} cannot be done here; it must be one of ${endActions.join(', ')}`);
}

function optionalFile(keys: ConfigKeys, key: string): string | undefined {
  const file = keys.text(key);
  return file === undefined || file === '' ? undefined : absolute(keys, key, file);
}

function absolute(keys: ConfigKeys, key: string, file: string): string {
  return file.startsWith('/') ? file : keys.fail(key, `${quote(file)} is not an absolute path`);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
