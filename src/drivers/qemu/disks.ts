import type { Disk, GuestConfig } from '../../model/guest-config.ts';
import type { DeviceProperties, Properties } from './properties.ts';

type Bus = 'virtio' | 'ide' | 'scsi' | 'virtio-scsi';

/** Name of the image behind a disk (QAPI node-name). */
export function nodeName(target: string): string {
  return `image-${target}`;
}

/** The disk whose image has that name; media that were changed have a number behind theirs. */
export function targetOfNode(name: string): string | undefined {
  return /^image-([a-z]+\d*)(?:-\d+)?$/.exec(name)?.[1];
}

/** The image behind a disk (QAPI BlockdevOptions): its format is always given and never probed. */
export function imageOf(disk: Disk, source: string): Properties {
  return {
    driver: disk.format,
    'node-name': nodeName(disk.target),
    'read-only': isReadOnly(disk),
    discard: 'unmap',
    file: { driver: disk.sourceKind === 'device' ? 'host_device' : 'file', filename: source },
  };
}

/**
 * The disk as the guest finds it; its id is its name in the guest file. Guests of the paravirtual kind know virtio; others
 * get what firmware and any system know, as on Xen (xl-disk-configuration(5)).
 */
export function diskDeviceOf(disk: Disk, guest: DiskOwner): DeviceProperties {
  const drive = {
    ...(disk.source === undefined ? {} : { drive: nodeName(disk.target) }),
    ...(disk.mode === 'w!' && !disk.isCdrom ? { 'share-rw': true } : {}),
    // A disk that fails stops the guest, whose system would else take it away or go on without; a bad CD is told to the system.
    ...(disk.isCdrom ? { rerror: 'report' } : { werror: 'stop', rerror: 'stop' }),
  };
  switch (busOf(disk, guest)) {
    case 'virtio':
      return { driver: 'virtio-blk-pci', id: disk.target, ...drive };
    case 'virtio-scsi':
      return { driver: 'scsi-cd', id: disk.target, bus: `${VIRTIO_SCSI}.0`, ...drive };
    case 'scsi':
      return { driver: disk.isCdrom ? 'scsi-cd' : 'scsi-hd', id: disk.target, bus: `${SCSI}.0`, ...drive };
    case 'ide': {
      const place = placeOf(disk.target);
      return {
        driver: disk.isCdrom ? 'ide-cd' : 'ide-hd',
        id: disk.target,
        bus: `ide.${place >> 1}`,
        unit: place & 1,
        ...drive,
      };
    }
  }
}

const SCSI = 'scsi';
const VIRTIO_SCSI = 'virtio-scsi';
const CONTROLLERS: Readonly<Partial<Record<Bus, DeviceProperties>>> = {
  scsi: { driver: 'lsi53c895a', id: SCSI },
  'virtio-scsi': { driver: 'virtio-scsi-pci', id: VIRTIO_SCSI },
};

/** The controllers that a guest's disks need beside those that every PC has. */
export function diskControllersOf(guest: GuestConfig): DeviceProperties[] {
  const buses = new Set(guest.disks.map(disk => busOf(disk, guest)));
  return [...buses].flatMap(bus => CONTROLLERS[bus] ?? []);
}

/** Whether QEMU can give a running guest that disk, or take it away. */
export function isHotPluggable(disk: Disk, guest: DiskOwner): boolean {
  return busOf(disk, guest) === 'virtio';
}

function isReadOnly(disk: Disk): boolean {
  return disk.isCdrom || disk.mode === 'r';
}

/** What of a guest says on which bus its disks are. */
export interface DiskOwner {
  readonly kind: GuestConfig['kind'];
  readonly disks: readonly Pick<Disk, 'target'>[];
}

/** A virtio disk keeps its medium for ever, so that drives for CDs are on a SCSI bus. */
function busOf(disk: Disk, { disks, kind }: DiskOwner): Bus {
  if (kind === 'para') return disk.isCdrom ? 'virtio-scsi' : 'virtio';
  if (disk.target.startsWith('hd')) return 'ide';
  if (disk.target.startsWith('sd')) return 'scsi';
  // Where no disk is an hd, Xen's device model gives xvda to xvdd their places, for firmware knows no others.
  const hasOwnPlaces = disks.some(other => other.target.startsWith('hd'));
  const isLike = !hasOwnPlaces && placeOf(disk.target) < IDE_PLACES && (disk.isCdrom || !isReadOnly(disk));
  if (isLike) return 'ide';
  return disk.isCdrom ? 'virtio-scsi' : 'virtio';
}

const IDE_PLACES = 4;

/** Place of a disk by its letter, from 0. */
function placeOf(target: string): number {
  const letters = target.replace(/^(?:hd|sd|xvd)|\d+$/g, '');
  return letters.length > 1 ? IDE_PLACES : letters.charCodeAt(0) - 'a'.charCodeAt(0);
}

/**
 * The kernel's command line with devices as QEMU's guests name them. Xen's guests say /dev/xvda1, /dev/sda1 or /dev/hda1
 * where the same disk is the first, second… of /dev/vda, /dev/vdb… here, and a target that is a partition there (`sda1`)
 * is a whole disk here. Their console is hvc0 or xvc0, and here the first serial port.
 */
export function translateCommandLine(commandLine: string, disks: readonly Disk[]): string {
  return commandLine
    .split(' ')
    .map(word => translateDevice(word.replace(/^console=[hx]vc0(?=,|$)/, 'console=ttyS0'), disks))
    .join(' ');
}

function translateDevice(word: string, disks: readonly Disk[]): string {
  const [, key, disk, partition = ''] = /^(root|resume|usr)=\/dev\/([a-z]+)(\d*)$/.exec(word) ?? [];
  if (key === undefined || disk === undefined) return word;
  const hard = disks.filter(known => !known.isCdrom);
  const whole = hard.findIndex(known => known.target === disk + partition);
  const index = whole >= 0 ? whole : hard.findIndex(known => known.target === disk);
  if (index < 0 || index >= 26) return word;
  const letter = String.fromCharCode('a'.charCodeAt(0) + index);
  return `${key}=/dev/vd${letter}${whole >= 0 ? '' : partition}`;
}
