import type { Display, GuestConfig } from '../../model/guest-config.ts';
import { cardSpecification, diskSpecification, isThere } from './devices.ts';

type Value = number | string | readonly string[];

/**
 * The domain file from which xl makes a guest: a pure function of the guest's configuration, in which every path is one of this
 * server's disk. What xl would do of its own at an end is to keep the domain: ends are the agent's to serve, be it minutes later.
 * @returns the text of a file as of xl.cfg(5)
 */
export function domainFile(config: GuestConfig): string {
  return Object.entries(keysOf(config))
    .filter((pair): pair is [string, Value] => pair[1] !== undefined)
    .map(([key, value]) => `${key} = ${printed(value)}\n`)
    .join('');
}

function keysOf(config: GuestConfig): Readonly<Record<string, Value | undefined>> {
  const { kind, maxMemoryMib, maxVcpus, memoryMib, name, pinning, share, uuid, vcpus, xen } = config;
  return {
    name,
    uuid,
    type: typeOf(config),
    memory: memoryMib,
    maxmem: maxMemoryMib,
    vcpus,
    maxvcpus: maxVcpus,
    cpus: pinning.length === 0 ? undefined : cpusOf(pinning),
    cpu_weight: share.weight,
    cap: share.capPercent,
    ...bootOf(config),
    disk: config.disks.filter(disk => isThere(disk, kind)).map(disk => diskSpecification(disk, kind)),
    vif: config.networkInterfaces.map(card => cardSpecification(card, kind)),
    ...(kind === 'hvm' ? machineOf(config) : paravirtualDisplayOf(config)),
    pci: config.pciDevices.length === 0 ? undefined : config.pciDevices,
    on_poweroff: 'preserve',
    on_reboot: 'preserve',
    on_crash: 'preserve',
    on_watchdog: 'preserve',
    on_soft_reset: 'preserve',
    ...xen.keys,
  };
}

export function typeOf({ kind, xen }: GuestConfig): 'pv' | 'pvh' | 'hvm' {
  if (kind === 'hvm') return 'hvm';
  return xen.isPvh ? 'pvh' : 'pv';
}

function cpusOf(pinning: GuestConfig['pinning']): Value {
  const sets = pinning.map(set => set.join(','));
  return sets.length === 1 ? sets[0]! : sets;
}

function bootOf({ boot }: GuestConfig): Readonly<Record<string, Value | undefined>> {
  switch (boot.from) {
    case 'firmware':
      return { boot: boot.order };
    case 'kernel':
      return { kernel: boot.kernel, ramdisk: boot.ramdisk, cmdline: boot.commandLine };
    case 'bootloader':
      // What boots was looked up in the image before.
      throw new Error('a domain file needs the kernel that the boot loader found');
  }
}

/** What only a machine with firmware has. */
function machineOf(config: GuestConfig): Readonly<Record<string, Value | undefined>> {
  const { clock, display, machine, pointers, serialPorts, usb, video } = config;
  return {
    acpi: Number(machine.acpi),
    apic: Number(machine.apic),
    pae: Number(machine.pae),
    hpet: Number(machine.hpet),
    viridian: Number(machine.viridian),
    timer_mode: machine.timerMode,
    localtime: Number(clock.localTime),
    rtc_timeoffset: clock.offsetSeconds === 0 ? undefined : clock.offsetSeconds,
    serial: serialPorts.length === 0 ? undefined : serialPorts.map(port => (port === 'console' ? 'pty' : 'null')),
    usb: usb || pointers.length > 0 ? 1 : undefined,
    usbdevice: pointers.length === 0 ? undefined : pointers,
    vga: video && (video.card === 'standard' ? 'stdvga' : 'cirrus'),
    videoram: video?.memoryMib,
    sdl: 0,
    vnc: 0,
    ...(display && vncOf(display)),
    keymap: config.keymap,
  };
}

function paravirtualDisplayOf({ display, keymap }: GuestConfig): Readonly<Record<string, Value | undefined>> {
  if (!display) return {};
  const parts = { ...vncOf(display), keymap };
  const items = Object.entries(parts).filter(([, value]) => value !== undefined);
  return { vfb: [items.map(([key, value]) => `${key}=${value}`).join(',')] };
}

function vncOf({ listen, number, password }: Display): Readonly<Record<string, number | string | undefined>> {
  // To libxl an empty password is none, and lets everybody in, where it is to let in nobody: nothing is offered then.
  if (password === '') return { vnc: 0 };
  return {
    vnc: 1,
    vnclisten: listen,
    vncdisplay: number,
    vncunused: Number(number === undefined),
    vncpasswd: password,
  };
}

function printed(value: Value): string {
  // A sign before a number is a fault of syntax to xl, and a text is read as a number where one is wanted.
  if (typeof value === 'number') return value >= 0 ? String(value) : quoted(String(value));
  return typeof value === 'string' ? quoted(value) : `[${value.map(quoted).join(', ')}]`;
}

/** By numbers xl cannot be told of a letter: its \x is refused wherever it stands. */
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
};

/** Texts as libxlu reads them (libxlu_cfg_l.l; libxlu_cfg.c, xlu__cfgl_dequote): all but these stand for themselves. */
function quoted(text: string): string {
  if (text.includes('\0')) throw new Error('a text with a NUL has no place in a domain file');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: some of them would end the value
  return `"${text.replace(/["\\\u0007-\r]/g, character => ESCAPES[character]!)}"`;
}
