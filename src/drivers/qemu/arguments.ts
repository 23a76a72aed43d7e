import type { GuestClock, GuestConfig } from '../../model/guest-config.ts';
import { endActionsOf } from './end-actions.ts';
import { diskControllersOf, diskDeviceOf, imageOf, translateCommandLine } from './disks.ts';
import { GUEST_AGENT_PORT } from './guest-agent.ts';
import { networkCardOf, networkOf, tapInterfaceName } from './network-cards.ts';
import { deviceOption, option } from './properties.ts';

/** What of this server shapes a command line. */
export interface QemuHost {
  readonly accelerator: 'kvm' | 'tcg';
  /** Whether guests on the user-mode network reach the world, and so this server's own ports, or DHCP only. */
  readonly userNetwork: 'open' | 'restricted';
  /** TCP ports for the VNC servers of guests that name no display, first and last. */
  readonly vncPorts: { readonly first: number; readonly last: number };
}

/** The moment at which a guest starts, which a clock with an offset depends on. */
export interface StartMoment {
  readonly now: Date;
  /** Seconds by which local time is ahead of UTC. */
  readonly localOffsetSeconds: number;
}

/** Where a guest's sockets and the file with its process id lie on this server. */
export interface QemuFiles {
  readonly monitor: string;
  /** The console; further serial ports have its name with a number behind it. */
  readonly serial: string;
  /** Port of the agent inside. */
  readonly agent: string;
  readonly processId: string;
  /** Prefix of the names of its tap interfaces; 8 characters at most. */
  readonly interfacePrefix: string;
}

/** TCP port of VNC display 0 (RFC 6143 leaves it to custom; all viewers agree). */
export const FIRST_VNC_PORT = 5900;
/** How often memory can be added to a running guest. */
const MEMORY_SLOTS = 32;

/**
 * The command line of QEMU for a guest, without the program: a pure function, one option and its value after the other.
 * Formats of images are always given and never probed; nothing comes from QEMU's own configuration files.
 * Source of the options: qemu-system(1) of QEMU 7.2.
 */
export function qemuArguments(guest: GuestConfig, host: QemuHost, files: QemuFiles, moment: StartMoment): string[] {
  const isGrowing = guest.maxMemoryMib > guest.memoryMib;
  return [
    ...option('-name', '', { guest: guest.name, 'debug-threads': true }),
    '-no-user-config',
    '-nodefaults',
    ...machineArguments(guest, host),
    ...option('-m', '', {
      size: `${guest.memoryMib}M`,
      ...(isGrowing ? { slots: MEMORY_SLOTS, maxmem: `${guest.maxMemoryMib}M` } : {}),
    }),
    ...option('-smp', '', {
      cpus: guest.vcpus,
      ...(guest.maxVcpus > guest.vcpus ? { maxcpus: guest.maxVcpus } : {}),
    }),
    ...option('-uuid', guest.uuid),
    ...clockArguments(guest, moment),
    ...bootArguments(guest),
    ...monitorArguments(files),
    ...endArguments(guest),
    ...serialArguments(guest, files),
    ...displayArguments(guest, host),
    ...usbArguments(guest),
    ...diskArguments(guest),
    ...networkArguments(guest, host, files),
    ...guest.pciDevices.flatMap(address => deviceOption({ driver: 'vfio-pci', host: address })),
    // By which a running guest gives memory back.
    ...deviceOption({ driver: 'virtio-balloon-pci', id: 'balloon' }),
    // Guests have little entropy of their own, and none at all under emulation.
    ...deviceOption({ driver: 'virtio-rng-pci' }),
    ...agentArguments(files),
    ...option('-sandbox', 'on', {
      obsolete: 'deny',
      elevateprivileges: 'deny',
      spawn: 'deny',
      resourcecontrol: 'deny',
    }),
  ];
}

function machineArguments({ machine }: GuestConfig, { accelerator }: QemuHost): string[] {
  return [
    ...option('-machine', 'pc', {
      acpi: machine.acpi,
      'dump-guest-core': false,
      ...(machine.hpet ? {} : { hpet: false }),
    }),
    ...option('-accel', accelerator),
    ...option('-cpu', accelerator === 'kvm' ? 'host' : 'max', {
      ...(machine.apic ? {} : { apic: false }),
      // Xen takes the 64-bit mode away as well, for it cannot be without PAE.
      ...(machine.pae ? {} : { pae: false, lm: false }),
      ...(machine.viridian && accelerator === 'kvm'
        ? { 'hv-relaxed': true, 'hv-vapic': true, 'hv-spinlocks': '0x1fff', 'hv-time': true }
        : {}),
    }),
  ];
}

function clockArguments({ clock, machine }: GuestConfig, moment: StartMoment): string[] {
  return option('-rtc', '', {
    base: clockBase(clock, moment),
    // Timer modes of Xen (public/hvm/params.h): 0 and 1 deliver ticks that were missed, 2 and 3 drop them.
    ...(machine.timerMode === undefined ? {} : { driftfix: machine.timerMode < 2 ? 'slew' : 'none' }),
  });
}

function clockBase({ localTime, offsetSeconds }: GuestClock, { localOffsetSeconds, now }: StartMoment): string {
  if (offsetSeconds === 0) return localTime ? 'localtime' : 'utc';
  const ahead = offsetSeconds + (localTime ? localOffsetSeconds : 0);
  return new Date(now.getTime() + ahead * 1000).toISOString().slice(0, '2026-01-01T00:00:00'.length);
}

function bootArguments(guest: GuestConfig): string[] {
  switch (guest.boot.from) {
    case 'kernel': {
      const commandLine = translateCommandLine(guest.boot.commandLine, guest.disks);
      return [
        '-kernel',
        guest.boot.kernel,
        ...(guest.boot.ramdisk === undefined ? [] : ['-initrd', guest.boot.ramdisk]),
        ...(commandLine === '' ? [] : ['-append', commandLine]),
      ];
    }
    case 'firmware':
      return option('-boot', '', { order: guest.boot.order, strict: true });
    case 'bootloader':
      return [];
  }
}

function monitorArguments(files: QemuFiles): string[] {
  return [
    ...socketArguments('monitor', files.monitor),
    ...option('-mon', '', { chardev: 'monitor', mode: 'control' }),
    ...option('-pidfile', files.processId),
  ];
}

function socketArguments(id: string, path: string): string[] {
  return option('-chardev', 'socket', { id, path, server: true, wait: false });
}

function endArguments({ ends }: GuestConfig): string[] {
  return [...option('-action', '', { ...endActionsOf(ends) }), ...deviceOption({ driver: 'pvpanic' })];
}

/** Behind all other devices, so that they have the places on the bus that they had before there was a port. */
function agentArguments(files: QemuFiles): string[] {
  return [
    ...deviceOption({ driver: 'virtio-serial-pci', id: 'ports', max_ports: 2 }),
    ...socketArguments('agent', files.agent),
    ...deviceOption({ driver: 'virtserialport', chardev: 'agent', name: GUEST_AGENT_PORT }),
  ];
}

function serialArguments(guest: GuestConfig, files: QemuFiles): string[] {
  const console = guest.serialPorts.indexOf('console');
  return guest.serialPorts.flatMap((port, index) => {
    const id = `serial${index}`;
    const place = index === console ? files.serial : `${files.serial}${index}`;
    return [
      ...(port === 'console' ? socketArguments(id, place) : option('-chardev', 'null', { id })),
      ...deviceOption({ driver: 'isa-serial', chardev: id }),
    ];
  });
}

function displayArguments({ display, keymap, video }: GuestConfig, host: QemuHost): string[] {
  const card = video && {
    driver: video.card === 'standard' ? 'VGA' : 'cirrus-vga',
    ...(video.memoryMib === undefined ? {} : { vgamem_mb: video.memoryMib }),
  };
  const cardArguments = card ? deviceOption(card) : [];
  if (!display) return [...cardArguments, '-display', 'none'];
  const address = display.listen.includes(':') ? `[${display.listen}]` : display.listen;
  const first = display.number ?? host.vncPorts.first - FIRST_VNC_PORT;
  return [
    ...cardArguments,
    ...option('-vnc', `${address}:${first}`, {
      // QEMU itself goes up from the first display until one is free, so that no port is taken between look and use.
      ...(display.number === undefined ? { to: host.vncPorts.last - FIRST_VNC_PORT } : {}),
      ...(display.password === undefined ? {} : { password: true }),
    }),
    ...(keymap === undefined ? [] : ['-k', keymap]),
  ];
}

function usbArguments({ pointers, usb }: GuestConfig): string[] {
  if (!usb && pointers.length === 0) return [];
  return [
    ...deviceOption({ driver: 'piix3-usb-uhci', id: 'usb' }),
    ...pointers.flatMap(pointer => deviceOption({ driver: `usb-${pointer}`, bus: 'usb.0' })),
  ];
}

function diskArguments(guest: GuestConfig): string[] {
  return [
    ...diskControllersOf(guest).flatMap(deviceOption),
    ...guest.disks.flatMap(disk => [
      ...(disk.source === undefined ? [] : option('-blockdev', '', imageOf(disk, disk.source))),
      ...deviceOption(diskDeviceOf(disk, guest)),
    ]),
  ];
}

function networkArguments(guest: GuestConfig, host: QemuHost, files: QemuFiles): string[] {
  return guest.networkInterfaces.flatMap(card => {
    const { type, ...network } = networkOf(card, tapInterfaceName(card, files.interfacePrefix), host.userNetwork);
    return [...option('-netdev', type, network), ...deviceOption(networkCardOf(card, guest.kind))];
  });
}
