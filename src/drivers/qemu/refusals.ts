import type { GuestConfig } from '../../model/guest-config.ts';

/**
 * What of a guest QEMU cannot honour, and what to write instead; one sentence, or undefined when there is nothing.
 */
export function whyNotOnQemu({ disks, ends, kind }: GuestConfig): string | undefined {
  if (ends.reboot === 'preserve')
    return "on_reboot = 'preserve' cannot be kept on QEMU; write on_reboot = 'restart' or 'destroy'";
  if (ends.reboot === 'destroy' && ends.poweroff !== 'destroy') {
    return (
      "on_reboot = 'destroy' needs on_poweroff = 'destroy' on QEMU, which cannot tell the one end from the other; " +
      'write one of them otherwise'
    );
  }
  for (const disk of disks) {
    if (kind === 'hvm' && disk.mode === 'r' && !disk.isCdrom && disk.target.startsWith('hd')) {
      const instead = `xvd${disk.target.slice(2)}`;
      return `disk ${disk.target} is read only, which an IDE disk cannot be; write ${instead} with virtio drivers in the guest, or ${disk.target}:cdrom`;
    }
  }
  return undefined;
}
