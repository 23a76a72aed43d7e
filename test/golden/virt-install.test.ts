import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GuestConfig } from '../../src/model/guest-config.ts';
import type { NewGuest } from '../../src/model/new-guest.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { newGuestFile, placeDisks } from '../../src/vmcfg/new-guest-file.ts';
import { describeGuest } from '../../utils/virt-install/description.ts';
import { expectGolden } from '../support/golden.ts';
import { dialogueOf, optionsOf, serverWith } from '../support/virt-install.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const server = serverWith(
  '/OVS/iso_pool/os.iso',
  '/OVS/running_pool/old/System.img',
  '/OVS/sharedDisk/data.img',
  '/dev/vg/guest',
  '/root/here.iso',
);
const filled = {
  uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
  macs: ['00:16:3e:00:00:01', '00:16:3e:00:00:02', '00:16:3e:00:00:03'],
};

const HVM = [
  '-n',
  'guest',
  '-r',
  '1024',
  '-v',
  '-c',
  '/OVS/iso_pool/os.iso',
  '-s',
  '4',
  '-f',
  '/OVS/running_pool/guest/System.img',
];
const PARA = [
  '-n',
  'guest',
  '-r',
  '512',
  '-p',
  '-l',
  'http://server/ol5/',
  '-s',
  '4',
  '-f',
  '/OVS/running_pool/guest/System.img',
];
const hvm = (...more: readonly string[]): readonly string[] => [...HVM, ...more];
const para = (...more: readonly string[]): readonly string[] => [...PARA, ...more];

/** Command lines that need no answer, by the name of the file that comes of them. */
const cases: Readonly<Record<string, readonly string[]>> = {
  'hvm-vnc': hvm('--vnc'),
  'hvm-text': hvm('--nographics'),
  'hvm-sdl': hvm('--sdl'),
  'hvm-vnc-port-keymap': hvm('--vnc', '--vncport', '5905', '-k', 'de'),
  'hvm-linux': hvm('--vnc', '--os-type', 'linux'),
  'hvm-rhel5': hvm('--vnc', '--os-type', 'linux', '--os-variant', 'rhel5'),
  'hvm-ol9': hvm('--vnc', '--os-variant', 'ol9'),
  'hvm-debian-etch': hvm('--vnc', '--os-variant', 'debianEtch'),
  'hvm-windows': hvm('--vnc', '--os-type', 'windows'),
  'hvm-winxp': hvm('--vnc', '--os-variant', 'winxp'),
  'hvm-win2k22': hvm('--vnc', '--os-variant', 'win2k22'),
  'hvm-solaris10': hvm('--vnc', '--os-type', 'unix', '--os-variant', 'solaris10'),
  'hvm-freebsd7': hvm('--vnc', '--os-variant', 'freebsd7'),
  'hvm-openbsd4-bridges': hvm('--vnc', '--os-variant', 'openbsd4', '-b', 'xenbr0', '-b', 'xenbr1'),
  'hvm-msdos': hvm('--vnc', '--os-type', 'other', '--os-variant', 'msdos'),
  'hvm-noacpi-noapic': hvm('--vnc', '--noacpi', '--noapic'),
  'hvm-override-variant': hvm('--vnc', '--os-variant', 'win10', '--noacpi'),
  'hvm-vcpus-cpuset': hvm('--vnc', '--vcpus', '4', '--cpuset', '0-3,^1'),
  'hvm-cpuset-auto': hvm('--vnc', '--cpuset', 'auto'),
  'hvm-uuid': hvm('--vnc', '-u', 'D9EE4CFC7F1A4F0EB7A13A6E5FD0A4B2'),
  'hvm-pxe': ['-n', 'guest', '-r', '1024', '--pxe', '-s', '8', '-f', '/OVS/running_pool/guest/System.img', '--vnc'],
  'hvm-import': ['-n', 'guest', '-r', '1024', '-v', '--import', '-f', '/OVS/running_pool/old/System.img', '--vnc'],
  'hvm-import-device': ['-n', 'guest', '-r', '1024', '-v', '--import', '-f', '/dev/vg/guest', '--vnc'],
  'hvm-live': ['-n', 'guest', '-r', '1024', '--livecd', '-c', '/OVS/iso_pool/os.iso', '--vnc'],
  'hvm-live-disk': hvm('--vnc', '--livecd'),
  'hvm-nodisks': ['-n', 'guest', '-r', '1024', '-v', '-c', '/OVS/iso_pool/os.iso', '--nodisks', '--vnc'],
  'hvm-relative-iso': ['-n', 'guest', '-r', '1024', '-c', 'here.iso', '--nodisks', '--vnc'],
  'hvm-three-disks': hvm(
    '--vnc',
    '-f',
    '/dev/vg/guest',
    '-s',
    '1',
    '-f',
    '/OVS/running_pool/guest/u01.img',
    '-s',
    '0.5',
  ),
  'hvm-nonsparse': hvm('--vnc', '--nonsparse'),
  'hvm-used-file': [
    '-n',
    'guest',
    '-r',
    '1024',
    '-c',
    '/OVS/iso_pool/os.iso',
    '-f',
    '/OVS/sharedDisk/data.img',
    '--vnc',
    '--force',
  ],
  'hvm-size-only': [
    '-n',
    'guest',
    '-r',
    '1024',
    '-c',
    '/OVS/iso_pool/os.iso',
    '-s',
    '2',
    '-s',
    '3',
    '--vnc',
    '--force',
  ],
  'hvm-host-device': hvm('--vnc', '--host-device', 'pci_0000_01_00_0', '--host-device', '02:00.1'),
  'hvm-sound': hvm('--vnc', '--sound', '--soundhw', 'es1370', '--accelerate', '--connect', 'xen:///'),
  'hvm-noreboot': hvm('--vnc', '--noreboot'),
  'hvm-nonetworks': hvm('--vnc', '--nonetworks'),
  'hvm-network-user': hvm('--vnc', '-w', 'user', '-w', 'bridge:xenbr1'),
  'hvm-other-repository': hvm('--vnc', '--repository', '/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF'),
  'para-text': para('--nographics'),
  'para-vnc': para('--vnc'),
  'para-vnc-port-keymap': para('--vncport', '5901', '-k', 'en-us'),
  'para-sdl': para('--sdl'),
  'para-macs-bridges': para('--nographics', '-m', '00:16:3E:AA:BB:CC', '-b', 'xenbr0', '-m', 'RANDOM', '-b', 'xenbr1'),
  'para-mac-alone': para('--nographics', '-m', '00:16:3e:aa:bb:cc'),
  'para-nfs-kickstart': [
    ...['-n', 'guest', '-r', '512', '-l', 'nfs:server:/ol5', '-x', 'ks=nfs:server:/ks.cfg text', '--arch', 'i686'],
    ...['-s', '4', '-f', '/OVS/running_pool/guest/System.img', '--nographics'],
  ],
  'para-import': [
    '-n',
    'guest',
    '-r',
    '512',
    '-p',
    '--import',
    '-f',
    '/OVS/running_pool/old/System.img',
    '--nographics',
  ],
  'para-two-disks': para('--nographics', '-f', '/OVS/running_pool/guest/u01.img', '-s', '1.5'),
  'para-force': ['-n', 'guest', '-r', '512', '-l', '/OVS/iso_pool/tree', '-s', '4', '--force'],
};

/** The file says what was asked for, in every value that a guest can be asked for with. */
function expectAsAsked(guest: NewGuest, config: GuestConfig): void {
  const { display, keys = {} } = guest;
  expect(config).toMatchObject({
    name: 'guest',
    uuid: guest.uuid === undefined ? filled.uuid : 'd9ee4cfc-7f1a-4f0e-b7a1-3a6e5fd0a4b2',
    kind: guest.type,
    memoryMib: guest.memory,
    vcpus: guest.vcpus,
    machine: { acpi: keys['acpi'] !== 0, apic: keys['apic'] !== 0, viridian: keys['viridian'] === 1 },
    clock: { localTime: keys['localtime'] === 1 },
    pointers: keys['usbdevice'] === undefined ? [] : [keys['usbdevice']],
    keymap: display.keymap,
    serialPorts: ['console'],
    ends: { poweroff: 'destroy', reboot: keys['on_reboot'] ?? 'restart', crash: 'restart' },
  });
  expect(config.display !== undefined).toBe(display.type === 'vnc');
  expect(config.display?.number).toBe(display.port === undefined ? undefined : display.port - 5900);
  if (guest.type === 'hvm') expect(config.machine.timerMode).toBe(keys['timer_mode'] ?? 1);
  expect(config.networkInterfaces.map(({ bridge, mac, model }) => ({ bridge, mac, model: model ?? '' }))).toEqual(
    guest.vifs.map(({ bridge, mac, model }, index) => ({ bridge, mac: mac ?? filled.macs[index], model: model ?? '' })),
  );
}

describe('the guest of virt-install', () => {
  it.each(Object.entries(cases))('%s', async (name, args) => {
    const options = optionsOf(args);
    const { answers, shown } = await dialogueOf(args, [], server);
    expect(shown).toEqual([]);
    const { guest, notes } = describeGuest(options, answers);
    const text = newGuestFile(answers.path, guest, filled);
    const disks = placeDisks(answers.path, guest);
    const made = disks.filter(disk => disk.sizeMib !== undefined);
    const lines = [
      `# virt-install ${args.join(' ')}`,
      ...made.map(disk => `# make ${disk.source ?? ''} ${disk.sizeMib ?? ''} MiB${disk.preallocate ? ' at once' : ''}`),
      ...(guest.install.from === 'tree' ? [`# boot ${guest.install.location} ${guest.install.arguments}`.trim()] : []),
      ...notes.map(note => `# ${note}`),
    ];
    expectGolden(`test/golden/files/virt-install/${name}.cfg`, `${lines.join('\n')}\n${text}`);
    const config = new GuestReader(facts64).readConfig(Buffer.from(text), answers.path);
    expectAsAsked(guest, config);
    expect(disks).toMatchObject(config.disks);
  });

  it('has a file for each command line, and no others', () => {
    const files = readdirSync(join(import.meta.dirname, 'files/virt-install'));
    expect(files.sort()).toEqual(
      Object.keys(cases)
        .map(name => `${name}.cfg`)
        .sort(),
    );
  });
});
