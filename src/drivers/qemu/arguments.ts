import type { Disk, GuestConfig, NetworkInterface } from '../../model/guest-config.ts';

/** What of this server shapes a command line. */
export interface QemuHost {
  readonly accelerator: 'kvm' | 'tcg';
  /** Whether guests on the user-mode network reach the world, and so this server's own ports, or DHCP only. */
  readonly userNetwork: 'open' | 'restricted';
  /** TCP ports for the VNC servers of guests that name no display, first and last. */
  readonly vncPorts: { readonly first: number; readonly last: number };
}

/** Where a guest's sockets and the file with its process id lie on this server. */
export interface QemuFiles {
  readonly monitor: string;
  readonly serial: string;
  readonly processId: string;
  /** Prefix of the names of its tap interfaces; 13 characters at most. */
  readonly interfacePrefix: string;
}

/** TCP port of VNC display 0 (RFC 6143 leaves it to custom; all viewers agree). */
export const FIRST_VNC_PORT = 5900;

/**
 * The command line of QEMU for a guest, without the program: a pure function, one option and its value after the other.
 * Formats of images are always given and never probed; nothing comes from QEMU's own configuration files.
 * Source of the options: qemu-system(1) of QEMU 7.2.
 */
export function qemuArguments(guest: GuestConfig, host: QemuHost, files: QemuFiles): string[] {
  return [
    ...option('-name', '', { guest: guest.name, 'debug-threads': 'on' }),
    '-no-user-config',
    '-nodefaults',
    ...option('-machine', 'pc', { acpi: guest.acpi ? 'on' : 'off', 'dump-guest-core': 'off' }),
    ...option('-accel', host.accelerator),
    ...option('-cpu', host.accelerator === 'kvm' ? 'host' : 'max'),
    ...option('-m', '', { size: `${guest.memoryMib}M` }),
    ...option('-smp', '', { cpus: guest.vcpus }),
    ...option('-uuid', guest.uuid),
    ...option('-rtc', '', { base: guest.localTime ? 'localtime' : 'utc' }),
    ...bootArguments(guest),
    ...monitorArguments(files),
    ...endArguments(guest),
    ...(guest.serial ? serialArguments(files) : []),
    ...displayArguments(guest, host),
    ...diskArguments(guest),
    ...networkArguments(guest, host, files),
    // Guests have little entropy of their own, and none at all under emulation.
    ...option('-device', 'virtio-rng-pci'),
    ...option('-sandbox', 'on', {
      obsolete: 'deny',
      elevateprivileges: 'deny',
      spawn: 'deny',
      resourcecontrol: 'deny',
    }),
  ];
}

function bootArguments(guest: GuestConfig): string[] {
  switch (guest.boot.from) {
    case 'kernel':
      return [
        '-kernel',
        guest.boot.kernel,
        ...(guest.boot.ramdisk === undefined ? [] : ['-initrd', guest.boot.ramdisk]),
        ...(guest.boot.commandLine === '' ? [] : ['-append', guest.boot.commandLine]),
      ];
    case 'firmware':
      return option('-boot', '', { order: guest.boot.order, strict: 'on' });
    case 'bootloader':
      return [];
  }
}

function monitorArguments(files: QemuFiles): string[] {
  return [
    ...option('-chardev', 'socket', { id: 'monitor', path: files.monitor, server: 'on', wait: 'off' }),
    ...option('-mon', '', { chardev: 'monitor', mode: 'control' }),
    ...option('-pidfile', files.processId),
  ];
}

/** A crash always leaves the guest in place: what then happens to it is the agent's to do, be it minutes later. */
function endArguments(guest: GuestConfig): string[] {
  return [
    ...option('-action', '', {
      reboot: guest.ends.reboot === 'restart' ? 'reset' : 'shutdown',
      shutdown: guest.ends.poweroff === 'destroy' ? 'poweroff' : 'pause',
      panic: 'pause',
    }),
    ...option('-device', 'pvpanic'),
  ];
}

function serialArguments(files: QemuFiles): string[] {
  return [
    ...option('-chardev', 'socket', { id: 'serial0', path: files.serial, server: 'on', wait: 'off' }),
    ...option('-device', 'isa-serial', { chardev: 'serial0' }),
  ];
}

function displayArguments(guest: GuestConfig, host: QemuHost): string[] {
  const { display } = guest;
  if (!display) return ['-display', 'none'];
  const address = display.listen.includes(':') ? `[${display.listen}]` : display.listen;
  const first = display.number ?? host.vncPorts.first - FIRST_VNC_PORT;
  return [
    ...option('-device', 'VGA'),
    ...option('-vnc', `${address}:${first}`, {
      // QEMU itself goes up from the first display until one is free, so that no port is taken between look and use.
      ...(display.number === undefined ? { to: host.vncPorts.last - FIRST_VNC_PORT } : {}),
      ...(display.password === undefined ? {} : { password: 'on' }),
    }),
    ...(guest.keymap === undefined ? [] : ['-k', guest.keymap]),
    ...(guest.pointer === undefined
      ? []
      : [...option('-device', 'piix3-usb-uhci'), ...option('-device', `usb-${guest.pointer}`)]),
  ];
}

function diskArguments(guest: GuestConfig): string[] {
  const scsi = guest.disks.some(disk => busOf(disk, guest) === 'scsi')
    ? option('-device', 'lsi53c895a', { id: 'scsi' })
    : [];
  return [...scsi, ...guest.disks.flatMap((disk, index) => oneDisk(disk, `disk${index}`, guest))];
}

function oneDisk(disk: Disk, id: string, guest: GuestConfig): string[] {
  const readOnly = disk.isCdrom || disk.mode === 'r';
  const medium =
    disk.source === undefined
      ? []
      : option('-blockdev', '', {
          driver: disk.format,
          'node-name': id,
          'read-only': readOnly ? 'on' : 'off',
          discard: 'unmap',
          'file.driver': disk.sourceKind === 'device' ? 'host_device' : 'file',
          'file.filename': disk.source,
        });
  const drive = {
    ...(disk.source === undefined ? {} : { drive: id }),
    ...(disk.mode === 'w!' && !disk.isCdrom ? { 'share-rw': 'on' } : {}),
  };
  switch (busOf(disk, guest)) {
    case 'virtio':
      return [...medium, ...option('-device', 'virtio-blk-pci', { id: disk.target, ...drive })];
    case 'scsi':
      return [...medium, ...option('-device', 'scsi-hd', { id: disk.target, bus: 'scsi.0', ...drive })];
    case 'ide': {
      const place = disk.target.charCodeAt(2) - 'a'.charCodeAt(0);
      const position = { bus: `ide.${place >> 1}`, unit: place & 1 };
      return [
        ...medium,
        ...option('-device', disk.isCdrom ? 'ide-cd' : 'ide-hd', { id: disk.target, ...position, ...drive }),
      ];
    }
  }
}

/** Guests of the paravirtual kind know virtio; others get what firmware and any system know, as on Xen (xl-disk-configuration(5)). */
function busOf(disk: Disk, guest: GuestConfig): 'virtio' | 'ide' | 'scsi' {
  if (guest.kind === 'para') return 'virtio';
  if (disk.target.startsWith('hd')) return 'ide';
  return disk.target.startsWith('sd') ? 'scsi' : 'virtio';
}

function networkArguments(guest: GuestConfig, host: QemuHost, files: QemuFiles): string[] {
  return guest.networkInterfaces.flatMap((card, index) => [
    ...(card.bridge === undefined
      ? option('-netdev', 'user', { id: `net${index}`, restrict: host.userNetwork === 'restricted' ? 'on' : 'off' })
      : option('-netdev', 'tap', {
          id: `net${index}`,
          ifname: tapInterfaceName(files.interfacePrefix, index),
          script: 'no',
          downscript: 'no',
        })),
    ...option('-device', cardModel(card), {
      netdev: `net${index}`,
      mac: card.mac,
      // The boot code of a card is of use only where firmware boots the guest.
      ...(guest.kind === 'para' ? { romfile: '' } : {}),
    }),
  ]);
}

/** The tap interface of a guest's network card: it lives and dies with its QEMU. */
export function tapInterfaceName(prefix: string, index: number): string {
  return `${prefix}.${index}`;
}

function cardModel(card: NetworkInterface): string {
  return card.kind === 'paravirtual' ? 'virtio-net-pci' : (card.model ?? 'rtl8139');
}

/** An option with its value; a comma inside a value is doubled, as QEMU's option syntax asks. */
function option(name: string, first: string, values: Readonly<Record<string, string | number>> = {}): [string, string] {
  const parts = first === '' ? [] : [escapeCommas(first)];
  for (const [key, value] of Object.entries(values)) parts.push(`${key}=${escapeCommas(String(value))}`);
  return [name, parts.join(',')];
}

function escapeCommas(value: string): string {
  return value.replaceAll(',', ',,');
}
