import { defineMethod } from '../rpc/method.ts';
import {
  flag,
  formed,
  guestFile,
  guestPath,
  integer,
  matching,
  optional,
  secret,
  struct,
  text,
} from '../rpc/params.ts';
import { nothing, pairs, record } from '../rpc/results.ts';

const area = 'Guest configuration';
const path = guestPath('Directory of the guest, such as /OVS/running_pool/guest');

/** What every change of a guest file can answer. */
const changeErrors = [
  'NO_SUCH_GUEST',
  'BAD_VALUE',
  'BAD_CONFIG',
  'STALE',
  'WRONG_STATE',
  'NOT_SUPPORTED',
  'BUSY',
  'HYPERVISOR',
] as const;

const exampleFinding = {
  code: 'NO_CONSOLE',
  severity: 'warning',
  key: 'vnc',
  line: 7,
  message: 'it has neither a display nor a serial port: nobody can see what it does',
  mend: "write vnc = 1 and vncunused = 1, or serial = 'pty'",
  fixable: true,
};

export const guestConfigurationMethods = [
  defineMethod({
    name: 'xen_get_vcpus',
    area,
    summary: 'Tell how many processors the guest file gives.',
    access: 'read',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: pairs({ vcpus: 'number of processors' }),
    errors: ['NO_SUCH_GUEST', 'BAD_CONFIG'],
    run: async ({ guestConfiguration }, { vm_path }) => ({ vcpus: (await guestConfiguration.get(vm_path)).vcpus }),
  }),
  defineMethod({
    name: 'xen_set_vcpus',
    area,
    summary:
      'Change the number of processors, of a running guest too: up to maxvcpus, and not below what it was started with.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, vcpus: integer('Number of processors', 1, 1024) },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { vm_path, vcpus }, call) => guestConfiguration.setVcpus(call, vm_path, vcpus),
  }),
  defineMethod({
    name: 'xen_get_memory',
    area,
    summary: 'Tell how much memory the guest file gives.',
    access: 'read',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: pairs({ memory: 'MiB' }),
    errors: ['NO_SUCH_GUEST', 'BAD_CONFIG'],
    run: async ({ guestConfiguration }, { vm_path }) => ({ memory: (await guestConfiguration.get(vm_path)).memoryMib }),
  }),
  defineMethod({
    name: 'xen_set_memory',
    area,
    summary:
      'Change the memory, of a running guest too: up to maxmem, and down as far as the system inside gives it back.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, memory: integer('MiB', 1, 2 ** 26) },
    returns: nothing(),
    errors: [...changeErrors, 'NO_RESOURCES'],
    run: ({ guestConfiguration }, { vm_path, memory }, call) => guestConfiguration.setMemory(call, vm_path, memory),
  }),
  defineMethod({
    name: 'xen_config_boot_sequence',
    area,
    summary:
      'Set from what a guest with firmware boots, from its next start. With d it gets an empty CD-ROM drive if it has none.',
    access: 'operate',
    runsOn: 'vm-server',
    params: {
      vm_path: path,
      sequence: formed('Letters in the order of trial: c disk, d CD-ROM, n network', 'dc', letters =>
        /^[cdn]{1,3}$/.test(letters) ? { letters } : 'it holds more than the letters c, d and n',
      ),
    },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { vm_path, sequence }, call) =>
      guestConfiguration.setBootSequence(call, vm_path, sequence.letters),
  }),
  defineMethod({
    name: 'xen_set_vm_vnc_password',
    area,
    summary: 'Change the password of the display, of a running guest too. An empty one lets nobody in.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, password: secret(text('The password, of which eight characters count', { longest: 64 })) },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { vm_path, password }, call) =>
      guestConfiguration.setVncPassword(call, vm_path, password),
  }),
  defineMethod({
    name: 'xen_correct_cfg',
    area,
    summary: 'Point the disks of a copied guest to the copies: files of the same name in its own directory.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { cfg_path: guestFile('Guest file, such as /OVS/running_pool/guest/vm.cfg'), vm_path: path },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { cfg_path, vm_path }, call) =>
      guestConfiguration.correctPaths(call, cfg_path, vm_path),
  }),
  defineMethod({
    name: 'xen_correct_qos_cfg',
    area,
    summary: 'Remove what vif_other_config and disk_other_config say of cards and disks that the guest no longer has.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { cfg_path: guestFile('Guest file, such as /OVS/running_pool/guest/vm.cfg') },
    returns: nothing(),
    errors: changeErrors,
    run: ({ guestConfiguration }, { cfg_path }, call) => guestConfiguration.correctQualityOfService(call, cfg_path),
  }),
  defineMethod({
    name: 'get_vm_config',
    area,
    summary: 'Tell everything that the guest file says, and its digest.',
    access: 'admin',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: record('a struct of digest, and config: the values by key', 'struct', {
      digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      config: { name: 'guest', memory: 256, disk: ['file:/OVS/running_pool/guest/System.img,xvda,w'] },
    }),
    errors: ['NO_SUCH_GUEST', 'BAD_CONFIG'],
    run: ({ guestConfiguration }, { vm_path }) => guestConfiguration.read(vm_path),
  }),
  defineMethod({
    name: 'set_vm_config',
    area,
    summary:
      'Change keys of the guest file, and of the guest that runs with it what can be changed while it runs. ' +
      'Other keys stay; nil removes one. With the digest of get_vm_config a change of somebody else in between is not lost.',
    access: 'admin',
    runsOn: 'vm-server',
    params: {
      vm_path: path,
      config: secret(struct('The values by key', { memory: 512 })),
      digest: optional(
        matching(
          'Digest of the file that was read',
          '0'.repeat(64),
          /^[0-9a-f]{64}$/,
          'a digest of 64 hexadecimal digits',
        ),
      ),
    },
    returns: pairs({ digest: 'digest of the file as it is now' }),
    errors: [...changeErrors, 'NO_RESOURCES', 'NO_SUCH_FILE', 'IN_USE'],
    run: async ({ guestConfiguration }, { config, digest, vm_path }, call) => ({
      digest: await guestConfiguration.write(call, vm_path, config, digest),
    }),
  }),
  defineMethod({
    name: 'check_vm',
    area,
    summary:
      'Find what in a guest file will keep the guest from running, or will surprise its owner. With fix the safe changes are made.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, fix: optional(flag('Whether to make the safe changes (no)')) },
    returns: record('an array of structs: code, severity, key, line, message, mend, fixable', 'array', [
      exampleFinding,
    ]),
    errors: changeErrors,
    run: async ({ guestChecks }, { fix, vm_path }, call) =>
      (await (fix ? guestChecks.fix(call, vm_path) : guestChecks.check(vm_path))).map(
        ({ isFixable, line, ...finding }) => ({
          ...finding,
          line: line ?? 0,
          fixable: isFixable,
        }),
      ),
  }),
];
