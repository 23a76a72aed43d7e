import { AgentError } from '../errors.ts';
import { type GuestPath, isGuestName } from '../model/guest-path.ts';
import { type NewGuest, type NewGuestDisplay, type NewGuestInstall, parseNewGuest } from '../model/new-guest.ts';
import { newDisksOf, type OldDisk, parseOldCards, parseOldDisks } from '../model/old-new-guest.ts';
import { defineMethod } from '../rpc/method.ts';
import {
  checksum,
  formed,
  guestPath,
  imagePath,
  integer,
  ipAddress,
  optional,
  refined,
  secret,
  sourceUrl,
  struct,
  text,
} from '../rpc/params.ts';
import { nothing, record } from '../rpc/results.ts';
import type { NewGuestCard } from '../model/new-guest.ts';

const area = 'New guests';

const newPath = guestPath('Directory of the new guest');
const description = struct(
  'What it is to be: type (hvm or para), memory (MiB), vcpus, disks, vifs, display, install, and maxmem, uuid, arch, keys; see docs/virt-install.md',
  {
    type: 'hvm',
    memory: 1024,
    vcpus: 1,
    disks: [{ size: 8192 }],
    vifs: [],
    display: { type: 'vnc' },
    install: { from: 'iso', iso: '/OVS/iso_pool/oel5.iso' },
  },
);
const memory = integer('MiB of memory', 4, 16_777_216);
const vcpus = integer('Virtual processors', 1, 1024);
const cards = optional(
  formed('Network cards as mac,bridge,type, several parted by ;', '00:16:3e:12:34:56,xenbr0,ioemu', parseOldCards),
);
const disks = formed(
  'Disks as disk:GiB:True, several parted by a comma; with False the image is there already',
  'System.img:8:True',
  parseOldDisks,
);
const mostMib = 64 * 1024 * 1024;

const createErrors = [
  'BAD_VALUE',
  'BAD_CONFIG',
  'EXISTS',
  'NO_SUCH_FILE',
  'NO_RESOURCES',
  'NOT_SUPPORTED',
  'IN_USE',
  'BUSY',
  'CANCELLED',
  'TIMEOUT',
  'HOST',
] as const;
const installErrors = ['NO_SUCH_GUEST', 'WRONG_STATE', 'HYPERVISOR', 'STALE', 'DENIED', ...createErrors] as const;

/** What old controllers tell of a guest. */
interface OldNewGuest {
  readonly path: GuestPath;
  readonly memory: number;
  readonly vcpus: number;
  readonly cards: readonly NewGuestCard[] | undefined;
  readonly disks: readonly OldDisk[];
}

export const guestCreationMethods = [
  defineMethod({
    name: 'create_vm',
    area,
    summary: 'Make a guest with empty disks and a vm.cfg of its own. It is DOWN then.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: { vm_path: newPath, guest: description },
    returns: nothing(),
    errors: createErrors,
    run: ({ guestCreation }, { guest, vm_path: path }, call) => guestCreation.create(call, path, parseNewGuest(guest)),
  }),
  defineMethod({
    name: 'install_vm',
    area,
    summary: 'Make a guest and start it with the installer of its system.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: { vm_path: newPath, guest: description },
    returns: nothing(),
    errors: installErrors,
    run: ({ guestInstallation }, { guest, vm_path: path }, call) =>
      guestInstallation.install(call, path, parseNewGuest(guest)),
  }),
  defineMethod({
    name: 'install_vm_hvm',
    area,
    summary: 'Make a guest with firmware and start it from the image of an installation CD.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      vm_path: newPath,
      memory,
      vcpus,
      vif: cards,
      disks,
      iso: imagePath('The CD image, in a repository', '/OVS/iso_pool/oel5.iso'),
      vnc_password: optional(
        secret(text('Password of its VNC console; without one it has none', { example: 'oracle' })),
      ),
      server: optional(ipAddress('Server on which a pool would run it; without a pool that is this one')),
    },
    returns: nothing(),
    errors: installErrors,
    run: ({ guestInstallation }, { iso, vif, vm_path: path, vnc_password: password, ...sizes }, call) => {
      const display: NewGuestDisplay = { type: 'vnc', ...(password !== undefined && { password }) };
      const guest = newGuest('hvm', { ...sizes, path, cards: vif }, display, { from: 'iso', iso });
      return guestInstallation.install(call, path, guest);
    },
  }),
  defineMethod({
    name: 'install_vm_para',
    area,
    summary: 'Make a paravirtual guest and start it with the kernel of an installation tree.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      vm_path: newPath,
      memory,
      vcpus,
      vif: cards,
      disks,
      location: sourceUrl('Directory of the tree: http, https or ftp, or a directory in a repository'),
      arguments: optional(text('Further arguments of its kernel, such as ks=', { example: 'ks=http://server/ks.cfg' })),
    },
    returns: nothing(),
    errors: installErrors,
    run: ({ guestInstallation }, { arguments: args = '', location, vif, vm_path: path, ...sizes }, call) => {
      const install = { from: 'tree', location, arguments: args } as const;
      const guest = newGuest('para', { ...sizes, path, cards: vif }, { type: 'none' }, install);
      return guestInstallation.install(call, path, guest);
    },
  }),
  defineMethod({
    name: 'xen_create_disk',
    area,
    summary: 'Make the image of an empty disk, which takes no space until it is written to.',
    access: 'operate',
    runsOn: 'this-server',
    params: {
      file: imagePath('Where nothing is yet, in a directory of a repository', '/OVS/running_pool/guest/disk2.img'),
      size: integer('MiB', 1, mostMib),
    },
    returns: nothing(),
    errors: ['BAD_VALUE', 'BAD_CONFIG', 'EXISTS', 'NO_SUCH_FILE', 'NO_RESOURCES', 'BUSY', 'TIMEOUT', 'HOST'],
    run: ({ diskCreation }, { file, size }, call) => diskCreation.create(call, file, size),
  }),
  defineMethod({
    name: 'grow_disk',
    area,
    summary: 'Make a raw disk image larger while no guest runs with it.',
    access: 'operate',
    runsOn: 'this-server',
    params: {
      file: imagePath('The image, in a repository', '/OVS/running_pool/guest/System.img'),
      size: integer('MiB that it is to have', 1, mostMib),
    },
    returns: nothing(),
    errors: [
      'BAD_VALUE',
      'BAD_CONFIG',
      'NO_SUCH_FILE',
      'NOT_SUPPORTED',
      'IN_USE',
      'NO_RESOURCES',
      'BUSY',
      'TIMEOUT',
      'HOST',
    ],
    run: ({ diskCreation }, { file, size }, call) => diskCreation.grow(call, file, size),
  }),
  defineMethod({
    name: 'import_image',
    area,
    summary:
      'Bring the disk of another hypervisor into a repository, as a raw image: raw, qcow2, vmdk, vdi, vhdx or vhd, whole in one file.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      url: sourceUrl('http, https or ftp, or a file in a repository', 'http://images.example.com/disk.vmdk'),
      file: imagePath('Where nothing is yet, in a directory of a repository', '/OVS/running_pool/guest/System.img'),
      sha256: optional(checksum),
    },
    returns: nothing(),
    errors: ['STALE', 'DENIED', ...createErrors],
    run: ({ imageImports }, { file, sha256, url }, call) => imageImports.import(call, url, file, sha256),
  }),
  defineMethod({
    name: 'utl_test_url',
    area,
    summary:
      'Tell whether a URL, and the name under which its file is to be kept, have the form that imports take. Nothing is fetched.',
    access: 'read',
    runsOn: 'this-server',
    params: {
      url: sourceUrl('http, https, ftp or nfs URL'),
      name: refined(text('Name of the file', { example: 'oel5.iso' }), value => {
        if (isGuestName(value)) return value;
        throw new AgentError('BAD_VALUE', 'argument name: letters, digits and _ . + - are needed');
      }),
    },
    returns: nothing(),
    errors: ['BAD_VALUE'],
    run: () => undefined,
  }),
  defineMethod({
    name: 'list_unregistered_vms',
    area,
    summary:
      'Guests that were made by hand and are not registered: directories with a vm.cfg in the running_pool of a repository.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record('an array of paths', 'array', ['/OVS/running_pool/guest']),
    errors: ['HOST'],
    run: async ({ unregisteredGuests }) => [...(await unregisteredGuests.list())],
  }),
];

function newGuest(
  type: NewGuest['type'],
  { cards: vifs = [], disks: old, memory: memoryMib, path, vcpus: processors }: OldNewGuest,
  display: NewGuestDisplay,
  install: NewGuestInstall,
): NewGuest {
  const plain = { type, memory: memoryMib, vcpus: processors, disks: newDisksOf(path, old), vifs, display, install };
  return parseNewGuest(plain);
}
