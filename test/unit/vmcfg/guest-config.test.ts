import { describe, expect, it } from 'vitest';
import { type EndPolicy, endOf, type GuestConfig, saferEnd } from '../../../src/model/guest-config.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { GuestReader } from '../../../src/vmcfg/guest-reader.ts';
import { facts64 } from './guest-files.ts';

const path = parseGuestPath('/OVS/running_pool/guest');

function read(...lines: string[]): GuestConfig {
  return new GuestReader(facts64).readConfig(Buffer.from(lines.join('\n')), path);
}

const para = "kernel = '/boot/vmlinuz'";
const hvm = "builder = 'hvm'";

describe('the configuration of a guest', () => {
  it('of one line has sensible values for the rest', () => {
    expect(read(para)).toMatchObject({
      name: 'guest',
      kind: 'para',
      memoryMib: 128,
      vcpus: 1,
      boot: { from: 'kernel', kernel: '/boot/vmlinuz', ramdisk: undefined, commandLine: '' },
      disks: [],
      networkInterfaces: [],
      display: undefined,
      serialPorts: ['console'],
      machine: { acpi: true },
      ends: { poweroff: 'destroy', reboot: 'restart', crash: 'restart', dumpsCore: false },
    });
  });

  it.each<[string, keyof EndPolicy & ('poweroff' | 'reboot' | 'crash'), ReturnType<typeof endOf>]>([
    ["on_poweroff = 'rename-restart'", 'poweroff', { action: 'restart', dumpsCore: true }],
    ["on_reboot = 'rename-restart'", 'reboot', { action: 'restart', dumpsCore: true }],
    ["on_crash = 'rename-restart'", 'crash', { action: 'restart', dumpsCore: true }],
    ["on_crash = 'rename-restart'", 'poweroff', { action: 'destroy', dumpsCore: false }],
    ["on_poweroff = 'rename-restart'", 'crash', { action: 'restart', dumpsCore: false }],
    ["on_crash = 'coredump-destroy'", 'crash', { action: 'destroy', dumpsCore: true }],
    ["on_reboot = 'preserve'", 'reboot', { action: 'preserve', dumpsCore: false }],
  ])('%s: what is done after a %s', (line, how, end) => {
    expect(endOf(read(para, line).ends, how)).toEqual(end);
  });

  it.each<[string, string, string]>([
    ['preserve', 'destroy', 'poweroff'],
    ['destroy', 'preserve', 'reboot'],
    ['restart', 'destroy', 'reboot'],
    ['restart', 'rename-restart', 'reboot'],
    ['destroy', 'restart', 'poweroff'],
    ['destroy', 'destroy', 'poweroff'],
  ])('on_poweroff %s and on_reboot %s: an unseen end is taken for a %s', (poweroff, reboot, end) => {
    expect(saferEnd(read(para, `on_poweroff = '${poweroff}'`, `on_reboot = '${reboot}'`).ends)).toBe(end);
  });

  it.each<[string, boolean, string | undefined]>([
    ['', false, undefined],
    ["on_xend_start = 'start'", true, undefined],
    ["on_xend_start = 'ignore'; on_xend_stop = 'shutdown'", false, 'shutdown'],
    ["on_xend_start = 'start'; on_xend_stop = 'suspend'", true, 'suspend'],
    ["on_xend_stop = 'ignore'", false, 'ignore'],
  ])('with the server, %s', (line, hostBoot, hostShutdown) => {
    expect(read(para, line)).toMatchObject({ hostBoot, hostShutdown });
  });

  it('has the same uuid and card addresses each time, others than another guest', () => {
    const lines = [para, "vif = ['', ' ']"];
    const [once, again] = [read(...lines), read(...lines)];
    expect(again).toEqual(once);
    expect(once.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    const macs = once.networkInterfaces.map(card => card.mac);
    expect(new Set(macs).size).toBe(2);
    for (const mac of macs) expect(mac).toMatch(/^00:16:3e:[0-7][0-9a-f]:[0-9a-f]{2}:[0-9a-f]{2}$/);
    const other = new GuestReader(facts64).readConfig(
      Buffer.from(lines.join('\n')),
      parseGuestPath('/OVS/running_pool/other'),
    );
    expect(other.uuid).not.toBe(once.uuid);
    expect(other.networkInterfaces[0]?.mac).not.toBe(macs[0]);
  });

  it('takes numbers in quotes and empty ones, as real controllers write them', () => {
    expect(read(para, "memory = '512'", "vcpus = ''", "acpi = '0'")).toMatchObject({
      memoryMib: 512,
      vcpus: 1,
      machine: { acpi: false },
    });
  });

  it('puts root before extra on the command line', () => {
    expect(read(para, "root = '/dev/sda1 ro'", "extra = '3'").boot).toMatchObject({
      commandLine: 'root=/dev/sda1 ro 3',
    });
  });

  it('leaves out what later releases write', () => {
    expect(read(para, "OVM_simple_name = 'x'", "guest_os_type = 'linux'").name).toBe('guest');
  });

  it.each([
    [
      "'file:/OVS/a.img,hda,w'",
      { source: '/OVS/a.img', sourceKind: 'file', format: 'raw', target: 'hda', mode: 'w', isCdrom: false },
    ],
    ["'file:/OVS/a.iso,hdc:cdrom,r'", { target: 'hdc', isCdrom: true, mode: 'r' }],
    ["',hdc:cdrom,r'", { source: undefined, isCdrom: true }],
    ["'phy:/dev/sdb,xvdb,w!'", { source: '/dev/sdb', sourceKind: 'device', mode: 'w!' }],
    ["'phy:sdb1,xvdb,r'", { source: '/dev/sdb1' }],
    ["'tap:aio:/OVS/a.img,sda,w'", { source: '/OVS/a.img', format: 'raw' }],
    ["'tap:qcow2:/OVS/a.img,xvda,w'", { format: 'qcow2' }],
    ["'file:/OVS/a.img,/dev/xvda,rw'", { target: 'xvda', mode: 'w' }],
  ])('reads the disk %s', (item, disk) => {
    expect(read(hvm, `disk = [${item}]`).disks).toMatchObject([disk]);
  });

  it.each([
    [hvm, "disk = ['/OVS/a.img,hda,w']", /line 2, column 1: disk: "\/OVS\/a\.img" in .* must begin with file:, phy:/],
    [hvm, "disk = ['file:a.img,hda,w']", /"a\.img" in .* is not an absolute path/],
    [hvm, "disk = ['file:/OVS/a.img,hda']", /cannot be read; it must be 'PREFIX:SOURCE,TARGET,MODE'/],
    [hvm, "disk = ['file:/OVS/a.img,vda,w']", /"vda" .* is no disk of a guest/],
    [hvm, "disk = ['file:/OVS/a.img,hde,w']", /hde is not there; a machine has hda to hdd/],
    [hvm, "disk = ['file:/OVS/a.img,hda,x']", /"x" .* is no mode; r, w and w! are/],
    [hvm, "disk = ['file:/OVS/a,hda,w', 'file:/OVS/b,hda,w']", /two disks are hda; each needs a name of its own/],
    [hvm, "disk = 'file:/OVS/a,hda,w'", /disk: it must be a list/],
    [hvm, "vif = ['mac=00:16:3e:00:00']", /is no MAC address/],
    [hvm, "vif = ['mac=01:16:3e:00:00:00']", /is the address of a group/],
    [hvm, "vif = ['bridge=a;reboot']", /is no name of a bridge/],
    [hvm, "vif = ['model=wlan0']", /is no model; rtl8139/],
    [hvm, "vif = ['colour=red']", /"colour" .* is no key of a vif/],
    [hvm, "boot = 'x'", /boot: "x" is no order of trial/],
    [hvm, "memory = 'lots'", /memory: "lots" is no whole number from 1/],
    [hvm, 'memory = 0', /is no whole number from 1/],
    [hvm, "name = '../x'", /name: "\.\.\/x" is no name of a guest/],
    [hvm, "uuid = 'x'", /is no UUID/],
    [hvm, "keymap = '../../etc'", /is no keyboard layout/],
    [hvm, "vnc = 1\nvnclisten = 'x;y'", /vnclisten: "x;y" is no IP address/],
    [
      para,
      "on_crash = 'explode'",
      /on_crash: "explode" cannot be done here; write one of destroy, restart, preserve, rename-restart, coredump-destroy, coredump-restart/,
    ],
    [para, "on_crash = 'coredump-rename-restart'", /on_crash: "coredump-rename-restart" cannot be done here/],
    [para, "on_reboot = 'rename'", /on_reboot: "rename" cannot be done here/],
    [para, "on_xend_start = 'yes'", /on_xend_start: "yes" cannot be done here; write one of ignore, start$/],
    [para, "on_xend_stop = 'destroy'", /on_xend_stop: .* write one of ignore, shutdown, suspend$/],
    ["kernel = 'vmlinuz'", '', /kernel: "vmlinuz" is not an absolute path/],
    ['memory = 1', '', /it says nothing of how to boot/],
    [para, "extra = 'a\\x00b'", /it holds a NUL character/],
  ])('refuses %s with %s', (first, second, message) => {
    expect(() => read(first, second)).toThrow(message);
    expect(() => read(first, second)).toThrow(/^vm\.cfg of \/OVS\/running_pool\/guest: /);
  });

  it('reads a display from the keys of an HVM guest and from the vfb of a paravirtual one', () => {
    expect(read(hvm, 'vnc = 1', "vncpasswd = 'p'", 'vncdisplay = 3').display).toEqual({
      listen: '127.0.0.1',
      number: 3,
      password: 'p',
    });
    expect(read(hvm, 'vnc = 1', 'vncunused = 1', 'vncdisplay = 3').display).toMatchObject({ number: undefined });
    expect(read(hvm, 'vnc = 0').display).toBeUndefined();
    expect(read(para, "vfb = ['type=vnc, vncunused=1, vnclisten=0.0.0.0, vncpasswd=']").display).toEqual({
      listen: '0.0.0.0',
      number: undefined,
      password: '',
    });
    expect(read(para, "vfb = ['type=sdl']").display).toBeUndefined();
  });
});
