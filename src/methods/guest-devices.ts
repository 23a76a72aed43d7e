import { diskModes } from '../model/guest-config.ts';
import { defineMethod } from '../rpc/method.ts';
import { choice, formed, guestPath, imagePath, macAddress, matching, optional } from '../rpc/params.ts';
import { nothing, numberedPairs, pairs } from '../rpc/results.ts';

const area = 'Guest configuration';
const path = guestPath('Directory of the guest, such as /OVS/running_pool/guest');

const changeErrors = [
  'NO_SUCH_GUEST',
  'NO_SUCH_RECORD',
  'NO_SUCH_FILE',
  'BAD_VALUE',
  'BAD_CONFIG',
  'EXISTS',
  'IN_USE',
  'STALE',
  'WRONG_STATE',
  'NO_RESOURCES',
  'NOT_SUPPORTED',
  'BUSY',
  'HYPERVISOR',
] as const;

const source = imagePath('File or device, or either with its prefix of vm.cfg', '/OVS/running_pool/guest/data.img', [
  'file',
  'phy',
  'tap:aio',
  'tap:qcow2',
]);

const removedDisk = matching(
  'File or device of the disk, or its name in the guest',
  '/OVS/running_pool/guest/data.img',
  /^(?:(?:[a-z0-9]+:)*\/[^\p{C},;'"`$\\]*[^\p{C},;'"`$\\/]|[a-z]{3,4}\d{0,2})$/u,
  'a path, or a name such as xvdb',
);

const NEW_CARD = /^(?<mac>(?:(?:[0-9a-f]{2}:){5}[0-9a-f]{2})?),(?<bridge>[\w.-]{0,15}),(?<type>(?:netfront|ioemu)?)$/i;

/** A card as old controllers write it. */
const newCard = formed(
  'Address, bridge and type of the card, as mac,bridge,type with the type netfront or ioemu; each may be empty',
  '00:16:3e:12:34:56,xenbr0,netfront',
  value => {
    const { bridge = '', mac = '', type = '' } = NEW_CARD.exec(value.replaceAll(' ', ''))?.groups ?? {};
    if (value.replaceAll(' ', '') !== `${mac},${bridge},${type}`) {
      return 'it is not of the form mac,bridge,type, such as 00:16:3e:12:34:56,xenbr0,netfront';
    }
    const kind = type.toLowerCase();
    return {
      mac: mac === '' ? undefined : mac.toLowerCase(),
      bridge: bridge === '' ? undefined : bridge,
      type: kind === 'netfront' || kind === 'ioemu' ? kind : undefined,
    } as const;
  },
);

export const guestDeviceMethods = [
  defineMethod({
    name: 'xen_add_disk',
    area,
    summary: 'Add a disk, to a running guest too. It gets the first name that is free.',
    access: 'operate',
    runsOn: 'vm-server',
    params: {
      vm_path: path,
      source,
      mode: optional(choice('Who may write: w this guest, r nobody, w! several guests (w)', diskModes)),
    },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { mode, source, vm_path }, call) =>
      guestConfiguration.addDisk(call, vm_path, source, mode ?? 'w'),
  }),
  defineMethod({
    name: 'xen_remove_disk',
    area,
    summary: 'Take a disk away, from a running guest too once the system inside lets go of it. Its file stays.',
    access: 'operate',
    runsOn: 'vm-server',
    params: {
      vm_path: path,
      source: removedDisk,
    },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { source, vm_path }, call) => guestConfiguration.removeDisk(call, vm_path, source),
  }),
  defineMethod({
    name: 'xen_get_vdisks',
    area,
    summary: 'Tell the files and devices of the disks, without those in CD-ROM drives.',
    access: 'read',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: pairs({ vdisks: 'files and devices, joined by commas' }),
    errors: ['NO_SUCH_GUEST', 'BAD_CONFIG'],
    run: async ({ guestConfiguration }, { vm_path }) => ({
      vdisks: (await guestConfiguration.get(vm_path)).disks.flatMap(disk => (disk.isCdrom ? [] : (disk.source ?? []))),
    }),
  }),
  defineMethod({
    name: 'xen_set_vifs',
    area,
    summary: 'Add a network card, to a running guest too. An address is made where none is given.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, vif: newCard },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { vif, vm_path }, call) => guestConfiguration.addCard(call, vm_path, vif),
  }),
  defineMethod({
    name: 'xen_remove_vif',
    area,
    summary: 'Take a network card away, from a running guest too once the system inside lets go of it.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, mac: macAddress('Address of the card') },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { mac, vm_path }, call) => guestConfiguration.removeCard(call, vm_path, mac),
  }),
  defineMethod({
    name: 'xen_get_vifs',
    area,
    summary: 'Tell the network cards.',
    access: 'read',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: numberedPairs(
      '`success:vif0=…;vif1=…`, each mac,bridge,type with the type netfront or ioemu',
      'success:vif0=00:16:3e:12:34:56,xenbr0,netfront',
    ),
    errors: ['NO_SUCH_GUEST', 'BAD_CONFIG'],
    run: async ({ guestConfiguration }, { vm_path }) =>
      Object.fromEntries(
        (await guestConfiguration.get(vm_path)).networkInterfaces.map(({ bridge = '', kind, mac }, index) => [
          `vif${index}`,
          [mac, bridge, kind === 'emulated' ? 'ioemu' : 'netfront'],
        ]),
      ),
  }),
  defineMethod({
    name: 'xen_change_vm_cdrom',
    area,
    summary: 'Put another image into the CD-ROM drive, or none. A guest that is DOWN and has no drive gets one.',
    access: 'operate',
    runsOn: 'vm-server',
    params: {
      vm_path: path,
      iso: optional(imagePath('Image in a repository; empty ejects', '/OVS/iso_pool/cd.iso')),
      where: optional(
        choice('Whether only the guest file is changed (cfg) or the drive of a running guest too (both)', [
          'both',
          'cfg',
        ]),
      ),
    },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { iso, vm_path, where }, call) =>
      guestConfiguration.changeCdrom(call, vm_path, iso, where === 'cfg'),
  }),
];
