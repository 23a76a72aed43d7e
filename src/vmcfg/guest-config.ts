import { createHash } from 'node:crypto';
import type { Disk, GuestConfig, NetworkInterface } from '../model/guest-config.ts';
import { guestNameOf, type GuestPath, isGuestName, quote } from '../model/guest-path.ts';
import { mostMemoryMib, mostVcpus, uuidPattern } from '../model/guest-values.ts';
import { bootOf } from './boot.ts';
import { ConfigKeys } from './config-keys.ts';
import { pciDevicesOf, serialPortsOf, usbOf } from './devices.ts';
import { diskOfTarget, parseDisk } from './disk.ts';
import { type DisplayDefaults, displayOf, standardDisplayDefaults, videoOf } from './display.ts';
import { clockOf, endPolicyOf, hostActionsOf, machineFeaturesOf, requireKnownDeviceModel } from './machine.ts';
import { parseNetworkInterface } from './network-interface.ts';
import { pinningOf, processorShareOf } from './processors.ts';
import type { GuestFile } from './reader.ts';
import { guestTypeOf, xenOptionsOf } from './xen-options.ts';

/** Memory of a guest whose file names none (xm.conf(5)). */
const STANDARD_MEMORY_MIB = 128;

/** What holds on this server where a guest file says nothing. */
export interface GuestDefaults {
  readonly display: DisplayDefaults;
  /** Bridge of network cards that name none; undefined puts them on the user-mode network. */
  readonly bridge: string | undefined;
}

export const standardGuestDefaults: GuestDefaults = { display: standardDisplayDefaults, bridge: undefined };

/**
 * The guest that a file describes. Keys that later releases write and that change nothing here (`OVM_*` and the like) are
 * left out.
 * @throws AgentError BAD_CONFIG with line and column of what cannot be used
 */
export function guestConfigFrom(file: GuestFile, path: GuestPath, defaults: GuestDefaults): GuestConfig {
  const keys = new ConfigKeys(file);
  const kind = kindOf(keys);
  requireKnownDeviceModel(keys);
  const memoryMib = keys.integer('memory', 1, mostMemoryMib) ?? STANDARD_MEMORY_MIB;
  const vcpus = keys.integer('vcpus', 1, mostVcpus) ?? 1;
  const maxVcpus = Math.max(vcpus, keys.integer('maxvcpus', 0, mostVcpus) ?? 0);
  const { display, keymap } = displayOf(keys, defaults.display);
  const machine = machineFeaturesOf(keys, kind);
  if (!machine.apic && maxVcpus > 1) {
    keys.fail('apic', 'without it a machine has one processor; write apic = 1, or vcpus = 1');
  }
  return {
    name: nameOf(keys, path),
    uuid: uuidOf(keys, path),
    kind,
    memoryMib,
    maxMemoryMib: Math.max(memoryMib, keys.integer('maxmem', 0, mostMemoryMib) ?? 0),
    vcpus,
    maxVcpus,
    pinning: pinningOf(keys, maxVcpus),
    share: processorShareOf(keys),
    boot: bootOf(keys, kind),
    disks: disksOf(keys, kind),
    networkInterfaces: networkInterfacesOf(keys, kind, path, defaults.bridge),
    display,
    video: videoOf(keys, kind, display),
    serialPorts: serialPortsOf(keys, kind),
    machine,
    clock: clockOf(keys),
    ...usbOf(keys),
    keymap,
    pciDevices: pciDevicesOf(keys),
    xen: xenOptionsOf(keys, kind),
    ends: endPolicyOf(keys),
    ...hostActionsOf(keys),
  };
}

function kindOf(keys: ConfigKeys): GuestConfig['kind'] {
  const type = guestTypeOf(keys);
  if (type !== undefined) return type === 'hvm' ? 'hvm' : 'para';
  const builder = keys.filledText('builder') ?? 'linux';
  if (builder === 'hvm') return 'hvm';
  if (builder === 'linux' || builder === 'generic') return 'para';
  return keys.fail('builder', `${quote(builder)} is not known; 'hvm' and 'linux' are`);
}

function nameOf(keys: ConfigKeys, path: GuestPath): string {
  const name = keys.filledText('name');
  if (name === undefined) return guestNameOf(path);
  return isGuestName(name)
    ? name
    : keys.fail('name', `${quote(name)} is no name of a guest; letters, digits and _ . + - are`);
}

/** A guest without a uuid has one that follows from its path: it must not change from start to start (RFC 9562, 5.8). */
function uuidOf(keys: ConfigKeys, path: GuestPath): string {
  const uuid = keys.filledText('uuid');
  if (uuid === undefined) return printUuid(versionedDigits(digestOf(path)));
  return uuidPattern.test(uuid)
    ? printUuid(uuid.toLowerCase().replaceAll('-', ''))
    : keys.fail('uuid', `${quote(uuid)} is no UUID such as 6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11`);
}

/** Version 8, which is for digests of one's own, and the variant of the RFC. */
function versionedDigits(hex: string): string {
  return `${hex.slice(0, 12)}8${hex.slice(13, 16)}a${hex.slice(17, 32)}`;
}

function printUuid(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function disksOf(keys: ConfigKeys, kind: GuestConfig['kind']): readonly Disk[] {
  const disks = keys.list('disk').map(item => {
    const disk = parseDisk(item);
    return typeof disk === 'string' ? keys.fail('disk', disk) : disk;
  });
  // On a machine with firmware partitions are not there: hda1 and hda2 are the same place.
  const placeOf = (target: string): string => (kind === 'hvm' ? diskOfTarget(target) : target);
  const places = disks.map(disk => placeOf(disk.target));
  const twice = places.find((place, index) => places.indexOf(place) !== index);
  if (twice !== undefined) keys.fail('disk', `two disks are ${twice}; each needs a name of its own`);
  const far = kind === 'hvm' ? places.find(place => place.startsWith('hd') && place > 'hdd') : undefined;
  if (far !== undefined)
    keys.fail('disk', `${far} is not there; a machine has hda to hdd, and further disks are xvda…`);
  const shared = disks.find(
    (disk, index) =>
      disk.source !== undefined &&
      disk.mode === 'w' &&
      disks.some((other, at) => at !== index && other.source === disk.source),
  );
  if (shared)
    keys.fail('disk', `${quote(shared.source ?? '')} stands there twice; each disk needs an image of its own`);
  return disks;
}

function networkInterfacesOf(
  keys: ConfigKeys,
  kind: GuestConfig['kind'],
  path: GuestPath,
  defaultBridge: string | undefined,
): readonly NetworkInterface[] {
  const cards = keys.list('vif').map((item, index) => {
    const card = parseNetworkInterface(item, kind, () => stableMac(path, index), defaultBridge);
    return typeof card === 'string' ? keys.fail('vif', card) : card;
  });
  for (const field of ['mac', 'hostName'] as const) {
    const values = cards.map(card => card[field]);
    const twice = values.find((value, index) => value !== undefined && values.indexOf(value) !== index);
    if (twice !== undefined) keys.fail('vif', `two cards have ${twice}; each needs its own`);
  }
  return cards;
}

/** Of Xen's prefix 00:16:3e, and the same from start to start, for systems inside know their cards by it. */
export function stableMac(path: GuestPath, index: number): string {
  const hex = digestOf(`${path} ${index}`);
  // Xen's tools leave the first bit of the last half clear.
  const first = (Number.parseInt(hex.slice(0, 2), 16) & 0x7f).toString(16).padStart(2, '0');
  return `00:16:3e:${first}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
