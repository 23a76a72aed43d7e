import { AgentError } from '../errors.ts';
import type { Disk } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import { ConfigKeys } from './config-keys.ts';
import { parseDisk, printDisk } from './disk.ts';
import type { GuestFileEditor } from './editor.ts';
import type { GuestFile } from './reader.ts';

/** Keys that say something of a machine with firmware only. */
const HARDWARE_KEYS = [
  ...['builder', 'kernel', 'device_model', 'acpi', 'apic', 'pae', 'hpet', 'viridian', 'timer_mode', 'boot'],
  ...['serial', 'usb', 'usbdevice', 'stdvga', 'videoram', 'sdl'],
];
/** Keys of its display, which a paravirtual guest has in its frame buffer. */
const DISPLAY_KEYS = ['vncunused', 'vncdisplay', 'vnclisten', 'vncpasswd', 'keymap'] as const;
const BOOTLOADER = '/usr/bin/pygrub';

/** Parts of a vif that say which card is emulated. */
const EMULATED_CARD = /(^|,)\s*(?:type|model)\s*=[^,]*/g;

/** The disks of a guest file. @throws AgentError BAD_CONFIG when one cannot be read */
export function disksOf(file: GuestFile): readonly Disk[] {
  return new ConfigKeys(file).list('disk').map(readDisk);
}

function readDisk(item: string): Disk {
  const disk = parseDisk(item);
  if (typeof disk === 'string') throw new AgentError('BAD_CONFIG', `disk: ${disk}`);
  return disk;
}

/**
 * Makes the guest file of an HVM guest that of a paravirtual one: pygrub in place of the firmware, a frame buffer in place of
 * the emulated graphics card, and disks and cards under their paravirtual names. Comments and order stay.
 * @param names what becomes of each disk, `hda` to `xvda`
 * @throws AgentError BAD_CONFIG when the file cannot be changed in place
 */
export function makeParavirtual(editor: GuestFileEditor, names: ReadonlyMap<string, string>): void {
  const keys = new ConfigKeys(editor.read());
  const frameBuffer = frameBufferFrom(keys);
  changeItems(editor, 'disk', item => renamedDisk(item, names));
  changeItems(editor, 'vif', withoutEmulatedCard);
  for (const key of [...HARDWARE_KEYS, 'vnc', 'vncconsole', ...DISPLAY_KEYS]) editor.remove(key);
  editor.set('bootloader', BOOTLOADER);
  if (frameBuffer !== undefined && keys.list('vfb').length === 0) editor.set('vfb', [frameBuffer]);
}

/** From the last, so that those before keep their places; what becomes undefined is removed. */
function changeItems(editor: GuestFileEditor, key: string, change: (item: string) => string | undefined): void {
  const items = new ConfigKeys(editor.read()).list(key);
  for (const [index, item] of [...items.entries()].reverse()) {
    const changed = change(item);
    if (changed === undefined) editor.removeItem(key, index);
    else if (changed !== item) editor.replaceItem(key, index, changed);
  }
}

/** A drive without a disc goes: Xen's disks cannot be changed as a drive's disc is. */
function renamedDisk(item: string, names: ReadonlyMap<string, string>): string | undefined {
  const disk = readDisk(item);
  if (disk.source === undefined) return undefined;
  const target = names.get(disk.target);
  if (target === undefined) {
    throw new AgentError(
      'BAD_CONFIG',
      `disk ${quote(item)}: there is no paravirtual name for ${disk.target}; give it a target such as xvda by hand`,
    );
  }
  return target === disk.target ? item : printDisk({ ...disk, target });
}

function withoutEmulatedCard(item: string): string {
  return item
    .replaceAll(EMULATED_CARD, '')
    .replace(/^\s*,\s*/, '')
    .trim();
}

/** @returns undefined when the guest has no VNC display */
function frameBufferFrom(keys: ConfigKeys): string | undefined {
  if (keys.flag('vnc') !== true) return undefined;
  const options = DISPLAY_KEYS.flatMap(key => {
    const value = keys.filledText(key);
    if (value?.includes(',')) {
      throw new AgentError(
        'BAD_CONFIG',
        `${key}: it has a comma, which a frame buffer cannot hold; choose a value without one`,
      );
    }
    return value === undefined ? [] : [`${key}=${value}`];
  });
  return ['type=vnc', ...options].join(',');
}
