import type { Disk, Display, GuestConfig, NetworkInterface } from '../model/guest-config.ts';

/** A word, or a list that begins with one. */
type Sxp = string | readonly Sxp[];

const INDENT = '    ';
/** What stands for a password: what is printed is passed on. */
const HIDDEN = 'XXXXXXXX';

/**
 * A guest's configuration as `xm create --dryrun` of Xen 3.4 prints it: an S-expression (xen/xend/sxp.py) of what xend would
 * be given. Passwords are left out.
 */
export function guestSxp(config: GuestConfig): string {
  const { ends, maxMemoryMib, maxVcpus, memoryMib, name, pinning, share, uuid, vcpus } = config;
  const vm: Sxp[] = [
    'vm',
    ['name', name],
    ['memory', String(memoryMib)],
    ['maxmem', String(maxMemoryMib)],
    ['vcpus', String(maxVcpus)],
    ...(maxVcpus > vcpus ? [['vcpu_avail', String(2n ** BigInt(vcpus) - 1n)]] : []),
    ...(pinning.length > 0 ? [['cpus', ...pinning.map(set => set.join(','))]] : []),
    ...(share.weight === undefined ? [] : [['cpu_weight', String(share.weight)]]),
    ...(share.capPercent === undefined ? [] : [['cpu_cap', String(share.capPercent)]]),
    ['uuid', uuid],
    ['on_poweroff', ends.poweroff],
    ['on_reboot', ends.reboot],
    ['on_crash', ends.dumpsCore ? `coredump-${ends.crash}` : ends.crash],
    ...(config.boot.from === 'bootloader' ? [['bootloader', '/usr/bin/pygrub']] : []),
    ['image', imageOf(config)],
    ...config.disks.map(disk => ['device', diskOf(disk)]),
    ...config.networkInterfaces.map(card => ['device', cardOf(card)]),
    ...(config.display && config.kind === 'para' ? [['device', ['vfb', ...displayOf(config.display)]]] : []),
    ...config.pciDevices.map(address => ['device', ['pci', ['dev', address]]]),
  ];
  return `${printed(vm, '')}\n`;
}

function imageOf(config: GuestConfig): Sxp {
  const { boot, clock, display, keymap, kind, machine } = config;
  switch (boot.from) {
    case 'kernel': {
      const ramdisk = boot.ramdisk === undefined ? [] : [['ramdisk', boot.ramdisk]];
      const args = boot.commandLine === '' ? [] : [['args', boot.commandLine]];
      return ['linux', ['kernel', boot.kernel], ...ramdisk, ...args];
    }
    case 'bootloader':
      return ['linux', ...(boot.commandLine === '' ? [] : [['args', boot.commandLine]])];
    case 'firmware':
      return [
        kind === 'hvm' ? 'hvm' : 'linux',
        ['loader', '/usr/lib/xen/boot/hvmloader'],
        ['boot', boot.order],
        ['acpi', flag(machine.acpi)],
        ['apic', flag(machine.apic)],
        ['pae', flag(machine.pae)],
        ['hpet', flag(machine.hpet)],
        ['viridian', flag(machine.viridian)],
        ...(machine.timerMode === undefined ? [] : [['timer_mode', String(machine.timerMode)]]),
        ['localtime', flag(clock.localTime)],
        ['rtc_timeoffset', String(clock.offsetSeconds)],
        ['usb', flag(config.usb)],
        ...config.pointers.map(pointer => ['usbdevice', pointer]),
        ...config.serialPorts.map(port => ['serial', port === 'console' ? 'pty' : 'none']),
        ...(keymap === undefined ? [] : [['keymap', keymap]]),
        ...(config.video ? [['stdvga', flag(config.video.card === 'standard')]] : []),
        ...(display ? displayOf(display) : [['vnc', '0']]),
      ];
  }
}

function diskOf({ format, isCdrom, mode, source, sourceKind, target }: Disk): Sxp {
  const prefix = sourceKind === 'device' ? 'phy' : format === 'qcow2' ? 'tap:qcow2' : 'file';
  return [
    'vbd',
    ['uname', source === undefined ? '' : `${prefix}:${source}`],
    ['dev', `${target}:${isCdrom ? 'cdrom' : 'disk'}`],
    ['mode', mode],
  ];
}

function cardOf({ bridge, hostName, kind, mac, model, rateLimit }: NetworkInterface): Sxp {
  return [
    'vif',
    ...(bridge === undefined ? [] : [['bridge', bridge]]),
    ['mac', mac],
    ['type', kind === 'emulated' ? 'ioemu' : 'netfront'],
    ...(model === undefined ? [] : [['model', model]]),
    ...(hostName === undefined ? [] : [['vifname', hostName]]),
    ...(rateLimit === undefined ? [] : [['rate', `${rateLimit}b/s`]]),
  ];
}

function displayOf({ listen, number, password }: Display): Sxp[] {
  return [
    ['vnc', '1'],
    ['vnclisten', listen],
    ...(number === undefined ? [['vncunused', '1']] : [['vncdisplay', String(number)]]),
    ...(password === undefined ? [] : [['vncpasswd', HIDDEN]]),
  ];
}

function flag(isSet: boolean): string {
  return isSet ? '1' : '0';
}

/** Lists that hold lists have those on lines of their own. */
function printed(item: Sxp, indent: string): string {
  if (typeof item === 'string') return atom(item);
  const [head = '', ...rest] = item;
  if (!rest.some(part => typeof part !== 'string')) return `(${item.map(part => printed(part, indent)).join(' ')})`;
  const deeper = indent + INDENT;
  const lines = rest.map(part => `\n${deeper}${printed(part, deeper)}`).join('');
  return `(${printed(head, indent)}${lines}\n${indent})`;
}

/** Quoted where it would not be read as one word. */
function atom(text: string): string {
  if (/^[^\s()#'"\\\p{C}]+$/u.test(text)) return text;
  const escaped = text.replace(/[\\']/g, '\\$&').replace(/[\p{Cc}]/gu, character => {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return `\\x${code.slice(-2)}`;
  });
  return `'${escaped}'`;
}
