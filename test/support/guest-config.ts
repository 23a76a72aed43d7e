import type { GuestConfig } from '../../src/model/guest-config.ts';
import { demoGuest } from './demo-guest.ts';

/** The configuration of a demo guest: direct kernel boot, a serial console, nothing else. */
export function demoConfig(name: string, changes: Partial<GuestConfig> = {}, commandLine = ''): GuestConfig {
  return {
    name,
    uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
    kind: 'para',
    memoryMib: 96,
    maxMemoryMib: 96,
    vcpus: 1,
    maxVcpus: 1,
    pinning: [],
    share: { weight: undefined, capPercent: undefined },
    boot: {
      from: 'kernel',
      kernel: demoGuest.kernel,
      ramdisk: demoGuest.ramdisk,
      commandLine: `console=ttyS0 quiet mitigations=off cryptomgr.notests ${commandLine}`.trim(),
    },
    disks: [],
    networkInterfaces: [],
    display: undefined,
    video: undefined,
    serialPorts: ['console'],
    machine: { acpi: true, apic: true, pae: true, hpet: true, viridian: false, timerMode: undefined },
    clock: { localTime: false, offsetSeconds: 0 },
    usb: false,
    pciDevices: [],
    pointers: [],
    keymap: undefined,
    xen: { isPvh: false, keys: {} },
    ends: { poweroff: 'destroy', reboot: 'restart', crash: 'restart', dumpsCore: false },
    hostBoot: false,
    hostShutdown: undefined,
    ...changes,
  };
}
