import type { Disk, GuestConfig, NetworkInterface } from '../model/guest-config.ts';

const MIB = 1024 * 1024;

/** What xm calls the actions (xen/xm/xenapi_create.py). */
function actionOf(action: string): string {
  return action.replaceAll('-', '_');
}

/**
 * A guest's configuration as `xm create --xmldryrun` of Xen 3.4 prints it: the document from which its xenapi_create makes a
 * guest. Passwords are left out.
 */
export function guestXml(config: GuestConfig): string {
  const { disks, ends, maxMemoryMib, maxVcpus, memoryMib, name, networkInterfaces, uuid, vcpus } = config;
  const crash = ends.dumpsCore ? `coredump_and_${ends.crash}` : ends.crash;
  const networks = [...new Set(networkInterfaces.flatMap(card => card.bridge ?? []))];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE xm SYSTEM "create.dtd">',
    '<xm>',
    '  <version>0.9</version>',
    `  <vm${attributes({
      id: name,
      is_a_template: 'false',
      auto_power_on: String(config.hostBoot),
      security_label: '',
      vcpus_max: maxVcpus,
      vcpus_at_startup: vcpus,
      pci_bus: config.pciDevices.join(','),
      actions_after_shutdown: actionOf(ends.poweroff),
      actions_after_reboot: actionOf(ends.reboot),
      actions_after_crash: actionOf(crash),
    })}>`,
    '    <name>',
    `      <label>${escaped(name)}</label>`,
    '      <description/>',
    '    </name>',
    `    <uuid>${escaped(uuid)}</uuid>`,
    `    <memory${attributes({
      static_min: 0,
      static_max: maxMemoryMib * MIB,
      dynamic_min: memoryMib * MIB,
      dynamic_max: memoryMib * MIB,
    })}/>`,
    bootOf(config),
    ...disks.map((disk, index) => diskOf(disk, index)),
    ...networkInterfaces.map(cardOf),
    ...(config.display
      ? [
          `    <console${attributes({ protocol: 'rfb', listen: config.display.listen, port: portOf(config.display.number) })}/>`,
        ]
      : []),
    ...platformOf(config),
    '  </vm>',
    ...disks.map((disk, index) => imageOf(disk, index)),
    ...networks.map(bridge => `  <network${attributes({ name: bridge, bridge })}/>`),
    '</xm>',
    '',
  ].join('\n');
}

function bootOf({ boot, kind }: GuestConfig): string {
  switch (boot.from) {
    case 'kernel':
      return `    <pv${attributes({ kernel: boot.kernel, ramdisk: boot.ramdisk ?? '', args: boot.commandLine })}/>`;
    case 'bootloader':
      return `    <pv${attributes({ bootloader: '/usr/bin/pygrub', bootloader_args: boot.entry ?? '', args: boot.commandLine })}/>`;
    case 'firmware':
      return `    <hvm${attributes({ kind, boot_policy: 'BIOS order', boot_params: boot.order })}/>`;
  }
}

function diskOf({ isCdrom, mode, target }: Disk, index: number): string {
  const facts = {
    name: `vdi${index}`,
    vdi: `vdi${index}`,
    device: target,
    bootable: index === 0 ? '1' : '0',
    mode: mode === 'r' ? 'RO' : 'RW',
    type: isCdrom ? 'CD' : 'disk',
  };
  return `    <vbd${attributes(facts)}/>`;
}

function imageOf({ format, mode, source, sourceKind }: Disk, index: number): string {
  const prefix = sourceKind === 'device' ? 'phy' : format === 'qcow2' ? 'tap:qcow2' : 'file';
  const facts = {
    name: `vdi${index}`,
    src: source === undefined ? '' : `${prefix}:${source}`,
    read_only: String(mode === 'r'),
    sharable: String(mode === 'w!'),
  };
  return `  <vdi${attributes(facts)}/>`;
}

function cardOf({ bridge, hostName, kind, mac, model }: NetworkInterface, index: number): string {
  const facts = {
    name: `vif${index}`,
    mac,
    network: bridge ?? '',
    device: hostName ?? '',
    type: kind === 'emulated' ? 'ioemu' : 'netfront',
    model: model ?? '',
  };
  return `    <vif${attributes(facts)}/>`;
}

function platformOf({ clock, keymap, machine, pointers, usb }: GuestConfig): string[] {
  const values: Readonly<Record<string, string | number | boolean | undefined>> = {
    acpi: machine.acpi,
    apic: machine.apic,
    pae: machine.pae,
    hpet: machine.hpet,
    viridian: machine.viridian,
    timer_mode: machine.timerMode,
    localtime: clock.localTime,
    rtc_timeoffset: clock.offsetSeconds,
    usb,
    usbdevice: pointers.join(',') || undefined,
    keymap,
  };
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        `    <platform${attributes({ key, value: String(typeof value === 'boolean' ? Number(value) : value) })}/>`,
    );
}

/** QEMU and Xen alike count displays from this port. */
function portOf(display: number | undefined): string {
  return display === undefined ? '' : String(5900 + display);
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

/** XML 1.0: what is markup is escaped, and what no document may hold is left out. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/[<>&"\t\n\r]/g, character => `&#${character.charCodeAt(0)};`);
}
