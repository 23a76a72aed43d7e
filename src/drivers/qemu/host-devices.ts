import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** Why a device of this server cannot be given to a guest, as the rest of a sentence (Linux, Documentation/driver-api/vfio). */
export function whyNotHandedThrough(pciDevices: readonly string[]): string | undefined {
  const loose = pciDevices.find(address => boundDriver(address) !== 'vfio-pci');
  return (
    loose &&
    `pci device ${loose} is not bound to vfio-pci on this server; "driverctl set-override ${loose} vfio-pci" does that`
  );
}

/** Kernel module that a PCI device of this server is bound to. */
function boundDriver(address: string): string | undefined {
  try {
    return basename(readlinkSync(`/sys/bus/pci/devices/${address}/driver`));
  } catch {
    return undefined;
  }
}
