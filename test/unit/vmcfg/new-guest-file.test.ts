import { describe, expect, it } from 'vitest';
import type { GuestConfig } from '../../../src/model/guest-config.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { type NewGuest, parseNewGuest } from '../../../src/model/new-guest.ts';
import { GuestReader } from '../../../src/vmcfg/guest-reader.ts';
import { newGuestFile, placeDisks } from '../../../src/vmcfg/new-guest-file.ts';
import { failureOf } from '../../support/failure-of.ts';
import { facts64 } from './guest-files.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const filled = {
  uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
  macs: ['00:16:3e:00:00:01', '00:16:3e:00:00:02'],
};
const hvm: NewGuest = {
  type: 'hvm',
  memory: 1024,
  vcpus: 2,
  disks: [{ size: 4096 }],
  vifs: [{ bridge: 'xenbr0' }],
  display: { type: 'vnc' },
  install: { from: 'iso', iso: '/OVS/iso_pool/ol6.iso' },
};
const para: NewGuest = {
  ...hvm,
  type: 'para',
  install: { from: 'tree', location: 'http://server/ol6/', arguments: 'text' },
};

function read(guest: NewGuest): GuestConfig {
  const text = newGuestFile(path, parseNewGuest(guest), filled);
  return new GuestReader(facts64).readConfig(Buffer.from(text), path);
}

describe('the file of a new guest', () => {
  it('has the layout of the original', () => {
    expect(newGuestFile(path, { ...hvm, vifs: [...hvm.vifs, { bridge: 'xenbr1' }] }, filled)).toBe(
      `acpi = 1
apic = 1
boot = 'cd'
builder = 'hvm'
device_model = '/usr/lib/xen/bin/qemu-dm'
disk = ['file:/OVS/running_pool/guest/System.img,hda,w',
'file:/OVS/iso_pool/ol6.iso,hdc:cdrom,r',
]
kernel = '/usr/lib/xen/boot/hvmloader'
memory = '1024'
name = 'guest'
on_crash = 'restart'
on_poweroff = 'destroy'
on_reboot = 'restart'
pae = 1
sdl = 0
serial = 'pty'
uuid = '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11'
vcpus = 2
vif = ['type=ioemu, mac=00:16:3e:00:00:01, bridge=xenbr0',
'type=ioemu, mac=00:16:3e:00:00:02, bridge=xenbr1',
]
vif_other_config = []
vnc = 1
vncunused = 1
`,
    );
  });

  it('is read back as what was asked for, with firmware', () => {
    expect(
      read({
        ...hvm,
        maxmem: 2048,
        uuid: 'd9ee4cfc-7f1a-4f0e-b7a1-3a6e5fd0a4b2',
        keys: { timer_mode: 2, localtime: true, usbdevice: 'tablet', cpus: ['0', 1], on_reboot: 'destroy', pae: false },
        vifs: [
          { mac: '00:16:3e:00:00:09', type: 'netfront' },
          { bridge: 'xenbr1', model: 'e1000' },
        ],
        display: { type: 'vnc', port: 5907, listen: '0.0.0.0', keymap: 'de', password: 'secret' },
      }),
    ).toMatchObject({
      name: 'guest',
      kind: 'hvm',
      memoryMib: 1024,
      maxMemoryMib: 2048,
      vcpus: 2,
      uuid: 'd9ee4cfc-7f1a-4f0e-b7a1-3a6e5fd0a4b2',
      boot: { from: 'firmware', order: 'cd' },
      machine: { timerMode: 2, acpi: true, pae: false },
      clock: { localTime: true },
      pinning: [[0], [1]],
      ends: { poweroff: 'destroy', reboot: 'destroy', crash: 'restart' },
      networkInterfaces: [
        { mac: '00:16:3e:00:00:09', bridge: undefined, kind: 'paravirtual' },
        { mac: '00:16:3e:00:00:02', bridge: 'xenbr1', kind: 'emulated', model: 'e1000' },
      ],
      display: { listen: '0.0.0.0', number: 7, password: 'secret' },
      keymap: 'de',
      pointers: ['tablet'],
      serialPorts: ['console'],
    });
  });

  it('is read back as what was asked for, paravirtual', () => {
    const display = { type: 'vnc', port: 5903, listen: '127.0.0.1', keymap: 'en-us', password: '' } as const;
    expect(read({ ...para, display, keys: { extra: 'console=hvc0', maxvcpus: 4 } })).toMatchObject({
      kind: 'para',
      boot: { from: 'bootloader', commandLine: 'console=hvc0' },
      disks: [{ source: '/OVS/running_pool/guest/System.img', target: 'xvda', mode: 'w' }],
      maxVcpus: 4,
      display: { listen: '127.0.0.1', number: 3, password: '' },
      keymap: 'en-us',
    });
  });

  it.each(['none', 'sdl'] as const)('gives no display over VNC when it is %s', type => {
    expect(read({ ...hvm, display: { type } }).display).toBeUndefined();
    expect(read({ ...para, display: { type } }).display).toBeUndefined();
  });

  it.each([
    ['network', 'cn'],
    ['disk', 'c'],
  ] as const)('boots from %s in the order %s', (from, order) => {
    expect(read({ ...hvm, disks: [{ file: '/OVS/sharedDisk/a.img' }], install: { from } }).boot).toEqual({
      from: 'firmware',
      order,
    });
  });

  it('boots a live CD for good, and has it before the disks', () => {
    const { boot, disks } = read({ ...hvm, install: { from: 'iso', iso: '/OVS/iso_pool/live.iso', live: true } });
    expect(boot).toEqual({ from: 'firmware', order: 'dc' });
    expect(disks.map(({ target }) => target)).toEqual(['hdc', 'hda']);
  });

  it('has disks beside the CD, and further ones beyond IDE', () => {
    const sizes = Array.from({ length: 5 }, () => ({ size: 1 }));
    expect(read({ ...hvm, disks: sizes }).disks.map(({ source, target }) => `${target} ${source ?? ''}`)).toEqual([
      'hda /OVS/running_pool/guest/System.img',
      'hdb /OVS/running_pool/guest/disk2.img',
      'hdd /OVS/running_pool/guest/disk3.img',
      'xvde /OVS/running_pool/guest/disk4.img',
      'xvdf /OVS/running_pool/guest/disk5.img',
      'hdc /OVS/iso_pool/ol6.iso',
    ]);
  });

  it('passes over places and names that are taken', () => {
    const disks = [
      { size: 1 },
      { file: '/OVS/running_pool/guest/System.img', size: 1, target: 'hda', driver: 'tap:aio' },
      { device: '/dev/vg/data', mode: 'w!', target: 'sda' },
      { kind: 'cdrom' },
    ] as const;
    expect(placeDisks(path, { ...hvm, disks })).toMatchObject([
      { source: '/OVS/running_pool/guest/disk2.img', target: 'hdb', sizeMib: 1 },
      { source: '/OVS/running_pool/guest/System.img', target: 'hda', driver: 'tap:aio' },
      { source: '/dev/vg/data', sourceKind: 'device', target: 'sda', mode: 'w!', driver: 'phy', sizeMib: undefined },
      { source: undefined, target: 'hdd', isCdrom: true, mode: 'r' },
      { source: '/OVS/iso_pool/ol6.iso', target: 'hdc', isCdrom: true },
    ]);
  });

  it('is refused where no place is left for a drive that firmware can boot', () => {
    const disks = ['hda', 'hdb', 'hdc', 'hdd'].map(target => ({ size: 1, target }));
    expect(failureOf(() => newGuestFile(path, { ...hvm, disks }, filled)).message).toContain('are all taken');
  });

  it.each([
    ['a key that is a slip', { keys: { viridain: 1 } }, 'write viridian'],
    ['a key that nobody knows', { keys: { zzzzzzzz: 1 } }, 'leave it out'],
    ['a model that is none', { vifs: [{ model: 'ne1000' }] }, 'is no model'],
    ['more cards than addresses', { vifs: [{}, {}, {}] }, 'has no MAC address'],
  ])('is refused with %s', (_what, changes, reason) => {
    const failure = failureOf(() => newGuestFile(path, { ...hvm, ...changes }, filled));
    expect(failure.code).toBe('BAD_VALUE');
    expect(failure.message).toContain(reason);
  });
});
