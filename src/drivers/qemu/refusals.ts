import type { GuestConfig } from '../../model/guest-config.ts';
import { isHotPluggable } from './disks.ts';

/** qemu-system-x86_64 7.2, machine type pc. */
const MOST_VCPUS = 255;
/** Of 32 places on the bus the chipset, graphics, USB, SCSI, balloon and random numbers need some. */
const MOST_PCI_DEVICES = 22;
/** Files of QEMU 7.2's pc-bios/keymaps. */
const KEYMAPS = (
  'ar bepo common cz da de de-ch en-gb en-us es et fi fo fr fr-be fr-ca fr-ch hr hu is it ja lt lv mk nl no pl pt pt-br ru ' +
  'sl sv th tr'
).split(' ');

function pciDevicesOf(guest: GuestConfig): number {
  const disks = guest.disks.filter(disk => isHotPluggable(disk, guest));
  return disks.length + guest.networkInterfaces.length + guest.pciDevices.length;
}

/**
 * What of a guest QEMU cannot honour, and what to write instead; one sentence, or undefined when there is nothing.
 */
export function whyNotOnQemu(guest: GuestConfig): string | undefined {
  const { disks, display, keymap, kind, maxVcpus } = guest;
  if (maxVcpus > MOST_VCPUS)
    return `vcpus = ${maxVcpus} is more than a PC can have on QEMU; write ${MOST_VCPUS} or fewer`;
  if (display && keymap !== undefined && !KEYMAPS.includes(keymap))
    return `keymap = '${keymap}' is none of QEMU's; write one of ${KEYMAPS.join(', ')}`;
  const cards = pciDevicesOf(guest);
  if (cards > MOST_PCI_DEVICES)
    return `disk, vif and pci ask for ${cards} PCI devices, and QEMU's PC has room for ${MOST_PCI_DEVICES}; remove some`;
  for (const disk of disks) {
    if (kind === 'hvm' && disk.mode === 'r' && !disk.isCdrom && disk.target.startsWith('hd')) {
      const instead = `xvd${disk.target.slice(2)}`;
      return `disk ${disk.target} is read only, which an IDE disk cannot be; write ${instead} with virtio drivers in the guest, or ${disk.target}:cdrom`;
    }
  }
  return undefined;
}
