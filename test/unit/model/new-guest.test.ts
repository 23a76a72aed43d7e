import { describe, expect, it } from 'vitest';
import { parseNewGuest } from '../../../src/model/new-guest.ts';
import { failureOf } from '../../support/failure-of.ts';

const hvm = {
  type: 'hvm',
  memory: 1024,
  vcpus: 2,
  disks: [{ size: 4096 }],
  vifs: [{ bridge: 'xenbr0' }],
  display: { type: 'vnc' },
  install: { from: 'iso', iso: '/OVS/iso_pool/ol6.iso' },
};
const para = { ...hvm, type: 'para', install: { from: 'tree', location: 'http://server/ol6/', arguments: 'text' } };

describe('the description of a new guest', () => {
  it('is read as it was given', () => {
    const full = {
      ...hvm,
      maxmem: 2048,
      uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
      arch: 'x86_64',
      keys: { acpi: 1, viridian: true, cpus: ['0', 1], OVM_os_type: 'Linux' },
      disks: [
        { size: 4096, preallocate: true, target: 'hda', driver: 'tap:aio' },
        { device: '/dev/vg/data', mode: 'w!', driver: 'phy' },
        { kind: 'cdrom' },
      ],
      vifs: [{ mac: '00:16:3e:00:00:01', bridge: 'xenbr0', type: 'ioemu', model: 'e1000', script: 'vif-bridge' }],
      display: { type: 'vnc', port: 5901, listen: '::1', keymap: 'de', password: 'secret' },
    };
    expect(parseNewGuest(full)).toEqual(full);
  });

  it('is read from a struct without prototype, in which nil stands for nothing', () => {
    const wire = Object.assign(Object.create(null) as object, hvm, { maxmem: null });
    expect(parseNewGuest(wire)).toEqual(hvm);
  });

  it('has a card with its address in lower case', () => {
    expect(parseNewGuest({ ...hvm, vifs: [{ mac: '00:16:3E:AA:BB:CC' }] }).vifs).toEqual([
      { mac: '00:16:3e:aa:bb:cc' },
    ]);
  });

  it('needs no arguments for a tree', () => {
    const install = { from: 'tree', location: 'nfs:server:/ol6' };
    expect(parseNewGuest({ ...para, install }).install).toEqual({ ...install, arguments: '' });
  });

  it.each([
    ['a text', 'guest', 'a struct is needed'],
    ['an array', [hvm], 'a struct is needed'],
    ['a date', new Date(0), 'a struct is needed'],
    ['a member that nobody knows', { ...hvm, memroy: 1 }, '"memroy"'],
    ['no type', { ...hvm, type: undefined }, 'type is not there'],
    ['a type that is none', { ...hvm, type: 'pvh' }, 'type is "pvh"'],
    ['memory of 0', { ...hvm, memory: 0 }, 'memory is 0'],
    ['memory as a text', { ...hvm, memory: '1024' }, 'memory is "1024"'],
    ['memory in fractions', { ...hvm, memory: 1.5 }, 'memory is 1.5'],
    ['memory that shrinks', { ...hvm, maxmem: 512 }, 'maxmem is 512'],
    ['too many processors', { ...hvm, vcpus: 1025 }, 'vcpus is 1025'],
    ['a uuid that is none', { ...hvm, uuid: 'x' }, 'uuid is "x"'],
    ['an architecture that is none', { ...hvm, arch: 'sparc' }, 'arch is "sparc"'],
    ['a key that follows from others', { ...hvm, keys: { memory: 7 } }, 'keys.memory follows'],
    ['a key that would run a program', { ...hvm, keys: { device_model: '/tmp/x' } }, 'keys.device_model follows'],
    ['a key that is a statement', { ...hvm, keys: { 'a = 1\nb': 1 } }, 'is no key of vm.cfg'],
    ['a key with a struct', { ...hvm, keys: { acpi: {} } }, 'keys.acpi is nothing'],
    ['a key with a NUL', { ...hvm, keys: { cpus: '0\0' } }, 'keys.cpus is nothing'],
    ['a key with a fraction', { ...hvm, keys: { acpi: 0.5 } }, 'keys.acpi is nothing'],
    ['too many keys', { ...hvm, keys: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 1])) }, '65'],
    ['disks that are no array', { ...hvm, disks: {} }, 'disks is a struct'],
    ['too many disks', { ...hvm, disks: Array.from({ length: 17 }, () => ({ size: 1 })) }, '17 items'],
    ['a disk from nowhere', { ...hvm, disks: [{}] }, 'disks[0].size is not there'],
    ['a disk with a slip', { ...hvm, disks: [{ szie: 1 }] }, '"szie"'],
    ['a relative path', { ...hvm, disks: [{ file: 'System.img' }] }, 'disks[0].file'],
    ['a path that climbs', { ...hvm, disks: [{ file: '/OVS/../etc/shadow' }] }, 'disks[0].file'],
    ['a path with a comma', { ...hvm, disks: [{ file: '/OVS/a,hdb,w' }] }, 'disks[0].file'],
    ['a path with a line end', { ...hvm, disks: [{ file: '/OVS/a\n' }] }, 'disks[0].file'],
    ['a file and a device', { ...hvm, disks: [{ file: '/a', device: '/dev/b' }] }, 'stands beside file'],
    ['a device that is made', { ...hvm, disks: [{ device: '/dev/b', size: 1 }] }, 'stands beside device'],
    ['space for nothing', { ...hvm, disks: [{ file: '/a', preallocate: true }] }, 'preallocate needs it'],
    ['phy: for a file', { ...hvm, disks: [{ file: '/a', driver: 'phy' }] }, 'driver is phy'],
    ['file: for a device', { ...hvm, disks: [{ device: '/dev/a', driver: 'file' }] }, 'driver is file'],
    ['a CD that is written', { ...hvm, disks: [{ kind: 'cdrom', mode: 'w' }] }, 'is read only'],
    ['a CD that is made', { ...hvm, disks: [{ kind: 'cdrom', size: 1 }] }, 'stands at a CD-ROM'],
    [
      'a place twice',
      {
        ...hvm,
        disks: [
          { size: 1, target: 'hda' },
          { size: 1, target: 'hda' },
        ],
      },
      'disks[1].target',
    ],
    ['a file twice', { ...hvm, disks: [{ file: '/a' }, { file: '/a' }] }, 'disks[1].file stands there twice'],
    ['a group of cards', { ...hvm, vifs: [{ mac: '01:16:3e:00:00:01' }] }, 'address of a group'],
    ['an address that is none', { ...hvm, vifs: [{ mac: '00:16:3e:00:00:0g' }] }, 'is no MAC address'],
    ['an address twice', { ...hvm, vifs: [{ mac: '00:16:3e:00:00:01' }, { mac: '00:16:3E:00:00:01' }] }, 'vifs[1].mac'],
    ['a bridge with a comma', { ...hvm, vifs: [{ bridge: 'a,b=c' }] }, 'vifs[0].bridge'],
    ['a script that is a command', { ...hvm, vifs: [{ script: 'a; reboot' }] }, 'vifs[0].script'],
    ['an emulated card where there is none', { ...para, vifs: [{ type: 'ioemu' }] }, 'vifs[0].type'],
    ['a port below displays', { ...hvm, display: { type: 'vnc', port: 5899 } }, 'display.port is 5899'],
    ['a port without a display', { ...hvm, display: { type: 'none', port: 5900 } }, '"port"'],
    ['a name to listen on', { ...hvm, display: { type: 'vnc', listen: 'localhost' } }, 'display.listen'],
    ['an address that is no IP', { ...hvm, display: { type: 'vnc', listen: '1.2.3' } }, 'display.listen'],
    ['a password with a comma', { ...hvm, display: { type: 'vnc', password: 'a,vncunused=0' } }, 'display.password'],
    ['a password that ends in a blank', { ...hvm, display: { type: 'vnc', password: 'a ' } }, 'display.password'],
    ['a keymap that is a path', { ...hvm, display: { type: 'vnc', keymap: '../x' } }, 'display.keymap'],
    ['no CD for an installation from one', { ...hvm, install: { from: 'iso' } }, 'install.iso is not there'],
    ['a CD that is a disk as well', { ...hvm, disks: [{ file: '/OVS/iso_pool/ol6.iso' }] }, 'is among the disks'],
    ['a CD for the network', { ...hvm, install: { from: 'network', iso: '/a.iso' } }, '"iso"'],
    ['a CD without firmware', { ...para, install: { from: 'iso', iso: '/a.iso' } }, 'has no firmware'],
    ['the network without firmware', { ...para, install: { from: 'network' } }, 'has no firmware'],
    ['a tree with firmware', { ...hvm, install: para.install }, 'boots no kernel of a tree'],
    ['a tree without a disk', { ...para, disks: [{ kind: 'cdrom' }] }, 'holds no disk'],
    ['a system on an empty disk', { ...hvm, install: { from: 'disk' } }, 'begins with one that is made empty'],
    ['a location with a blank', { ...para, install: { from: 'tree', location: 'http://a/ b' } }, 'install.location'],
    [
      'arguments of two lines',
      { ...para, install: { from: 'tree', location: '/a', arguments: 'a\nb' } },
      'install.arguments',
    ],
  ])('is refused with %s', (_what, value, reason) => {
    const failure = failureOf(() => parseNewGuest(value));
    expect(failure.code).toBe('BAD_VALUE');
    expect(failure.message).toMatch(/^new guest: /);
    expect(failure.message).toContain(reason);
  });

  it('is refused by a message that stays short whatever was sent', () => {
    const failure = failureOf(() => parseNewGuest({ ...hvm, keys: { [`${'x'.repeat(100_000)}\u001b[2J`]: 1 } }));
    expect(failure.message.length).toBeLessThan(500);
    expect(failure.message).not.toContain('\u001b');
  });
});
