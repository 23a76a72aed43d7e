import { defineMethod } from '../rpc/method.ts';
import { checksum, integer, optional, poolPath, sourceUrl } from '../rpc/params.ts';
import { nothing, pairs, record } from '../rpc/results.ts';
import type { ImageFacts } from '../services/pool-images.ts';
import type { XmlRpcStruct } from '../xmlrpc/values.ts';

const area = 'ISOs and shared disks';

const MIB = 2 ** 20;

const iso = poolPath(
  'The ISO: its name in the default repository (GROUP/NAME where it is in a group), or its path',
  'iso_pool',
  'oel5.iso',
);
const sharedDisk = poolPath(
  'The shared disk: its name in the default repository, or its path',
  'sharedDisk',
  'quorum.img',
);

const imagesForm =
  'an array of structs: name, path, size_mib, used_by (an array of structs: path of the guest, target, running)';
const exampleImages = [
  {
    name: 'oel5.iso',
    path: '/OVS/iso_pool/oel5.iso',
    size_mib: 3300,
    used_by: [{ path: '/OVS/running_pool/guest', target: 'hdc', running: true }],
  },
];

const deleteErrors = ['BAD_VALUE', 'NO_SUCH_FILE', 'IN_USE', 'BUSY', 'CANCELLED', 'TIMEOUT', 'HOST'] as const;

export const poolImageMethods = [
  defineMethod({
    name: 'list_isos',
    area,
    summary: 'The ISOs of all repositories that answer, and the guests that have them.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record(imagesForm, 'array', exampleImages),
    errors: ['HOST'],
    run: async ({ images }, _, { log }) => (await images.list('iso_pool', log)).map(structOf),
  }),
  defineMethod({
    name: 'import_iso',
    area,
    summary: 'Bring an ISO into an iso_pool.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      url: sourceUrl('http, https or ftp, or a file in a repository', 'http://images.example.com/oel5.iso'),
      name: iso,
      sha256: optional(checksum),
    },
    returns: pairs({ iso: 'its path' }),
    errors: [
      'BAD_VALUE',
      'EXISTS',
      'NO_SUCH_FILE',
      'NO_RESOURCES',
      'STALE',
      'DENIED',
      'BUSY',
      'CANCELLED',
      'TIMEOUT',
      'HOST',
    ],
    run: async ({ images }, { name, sha256, url }, call) => ({ iso: await images.importIso(call, url, name, sha256) }),
  }),
  defineMethod({
    name: 'delete_iso',
    area,
    summary: 'Remove an ISO that no guest has.',
    access: 'operate',
    runsOn: 'this-server',
    params: { iso },
    returns: nothing(),
    errors: deleteErrors,
    run: ({ images }, { iso: name }, call) => images.delete(call, 'iso_pool', name),
  }),
  defineMethod({
    name: 'create_shared_disk',
    area,
    summary:
      'Make an empty disk that several guests can have, with mode w! in each. It takes no space until it is written to.',
    access: 'operate',
    runsOn: 'this-server',
    params: { name: sharedDisk, size: integer('MiB', 1, 64 * 1024 * 1024) },
    returns: pairs({ disk: 'its path' }),
    errors: ['BAD_VALUE', 'BAD_CONFIG', 'EXISTS', 'NO_SUCH_FILE', 'NO_RESOURCES', 'BUSY', 'TIMEOUT', 'HOST'],
    run: async ({ diskCreation }, { name, size }, call) => ({
      disk: await diskCreation.createShared(call, name, size),
    }),
  }),
  defineMethod({
    name: 'list_shared_disks',
    area,
    summary: 'The shared disks of all repositories that answer, and the guests that have them.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record(imagesForm, 'array', exampleImages),
    errors: ['HOST'],
    run: async ({ images }, _, { log }) => (await images.list('sharedDisk', log)).map(structOf),
  }),
  defineMethod({
    name: 'delete_shared_disk',
    area,
    summary: 'Remove a shared disk that no guest has.',
    access: 'operate',
    runsOn: 'this-server',
    params: { disk: sharedDisk },
    returns: nothing(),
    errors: deleteErrors,
    run: ({ images }, { disk }, call) => images.delete(call, 'sharedDisk', disk),
  }),
];

function structOf({ name, path, sizeBytes, users }: ImageFacts): XmlRpcStruct {
  return {
    name,
    path,
    size_mib: Math.ceil(sizeBytes / MIB),
    used_by: users.map(({ isRunning, path: guest, target }) => ({ path: guest, target, running: isRunning })),
  };
}
