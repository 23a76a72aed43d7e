import { defineMethod } from '../rpc/method.ts';
import { checksum, guestPath, optional, poolPath, sourceUrl, struct, text } from '../rpc/params.ts';
import { nothing, pairs, record } from '../rpc/results.ts';
import type { XmlRpcStruct } from '../xmlrpc/values.ts';

const area = 'Templates and copies of guests';

const MIB = 2 ** 20;

const template = poolPath(
  'The template: its name in the default repository, or its path',
  'seed_pool',
  '/OVS/seed_pool/oel5',
);

/** What making a copy can answer. */
const copyErrors = [
  'BAD_VALUE',
  'BAD_CONFIG',
  'NO_SUCH_FILE',
  'EXISTS',
  'NOT_SUPPORTED',
  'NO_RESOURCES',
  'BUSY',
  'CANCELLED',
  'TIMEOUT',
  'HOST',
] as const;

export const templateMethods = [
  defineMethod({
    name: 'list_templates',
    area,
    summary: 'All templates of all repositories that answer.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record(
      'an array of structs: name, path, form (directory or archive), size_mib of an archive',
      'array',
      [],
    ),
    errors: ['HOST'],
    run: async ({ templates }) =>
      (await templates.list()).map(
        ({ form, name, path, sizeBytes }): XmlRpcStruct => ({
          name,
          path,
          form,
          ...(sizeBytes === undefined ? {} : { size_mib: Math.ceil(sizeBytes / MIB) }),
        }),
      ),
  }),
  defineMethod({
    name: 'import_template',
    area,
    summary:
      'Bring a template into the seed_pool: an archive (.tgz, .tar, .tar.zst) of a directory with vm.cfg and System.img, unpacked while it comes.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      url: sourceUrl('http, https or ftp, or a file in a repository', 'http://images.example.com/oel5.tgz'),
      name: poolPath('Name of the template, or its path in a seed_pool', 'seed_pool', 'oel5'),
      sha256: optional(checksum),
    },
    returns: pairs({ template: 'its path' }),
    errors: ['STALE', 'DENIED', ...copyErrors],
    run: async ({ templates }, { name, sha256, url }, call) => ({
      template: await templates.import(call, url, name, sha256),
    }),
  }),
  defineMethod({
    name: 'delete_template',
    area,
    summary: 'Remove a template with all its files. Guests that were made from it stay as they are.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: { template },
    returns: nothing(),
    errors: ['BAD_VALUE', 'NO_SUCH_FILE', 'BUSY', 'CANCELLED', 'TIMEOUT', 'HOST'],
    run: ({ templates }, { template: name }, call) => templates.delete(call, name),
  }),
  defineMethod({
    name: 'pack_vm',
    area,
    summary: 'Make a template (.tgz) of a guest that is DOWN. The guest stays.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      vm_path: guestPath('Directory of the guest'),
      template: poolPath("Name of the template in the guest's repository, or its path", 'seed_pool', 'oel5'),
    },
    returns: pairs({ template: 'its path' }),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'IN_USE', 'HYPERVISOR', ...copyErrors],
    run: async ({ templates }, { template: name, vm_path: path }, call) => ({
      template: await templates.pack(call, path, name),
    }),
  }),
  defineMethod({
    name: 'create_vm_from_template',
    area,
    summary: 'Make a guest from a template, with a uuid and network addresses of its own. It is DOWN then.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      template,
      name: text('Name of the guest, or its directory', { example: 'guest' }),
      values: optional(struct('Values of vm.cfg that are to be different, such as memory and vcpus', { memory: 512 })),
    },
    returns: pairs({ path: 'directory of the guest' }),
    errors: copyErrors,
    run: async ({ guestCopies }, { name, template: from, values }, call) => ({
      path: await guestCopies.fromTemplate(call, from, name, values ?? {}),
    }),
  }),
  defineMethod({
    name: 'clone_vm',
    area,
    summary: 'Make a guest like one that is DOWN, with a uuid and network addresses of its own.',
    access: 'operate',
    runsOn: 'this-server',
    isLong: true,
    params: {
      vm_path: guestPath('Directory of the guest that is there'),
      new_path: guestPath('Directory of the new one'),
    },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'HYPERVISOR', ...copyErrors],
    run: ({ guestCopies }, { new_path: path, vm_path: from }, call) => guestCopies.clone(call, from, path),
  }),
];
