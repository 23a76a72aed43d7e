import { defineMethod } from '../rpc/method.ts';
import { flag, guestPath, ipAddress, optional } from '../rpc/params.ts';
import { nothing, pairs } from '../rpc/results.ts';

const area = 'Guest lifecycle';
const path = guestPath('Directory of the guest, such as /OVS/running_pool/guest');

export const guestLifecycleMethods = [
  defineMethod({
    name: 'start_vm',
    onHost: 'xen_start_vm',
    area,
    summary:
      'Start a guest that is DOWN, on the given server or on this one. A guest that is not registered is registered first.',
    access: 'operate',
    runsOn: 'vm-server',
    server: 'server_ip',
    params: { vm_path: path, server_ip: optional(ipAddress('Address of the server to start it on')) },
    returns: pairs({ ip: 'address of the server it now runs on' }, '='),
    errors: [
      'NO_SUCH_GUEST',
      'NO_SUCH_FILE',
      'BAD_CONFIG',
      'WRONG_STATE',
      'BUSY',
      'NO_RESOURCES',
      'NOT_SUPPORTED',
      'PEER_DOWN',
      'TIMEOUT',
      'HYPERVISOR',
    ],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.start(call, vm_path),
  }),
  defineMethod({
    name: 'stop_vm',
    onHost: 'xen_stop_vm',
    area,
    summary:
      'Stop a guest: its system is asked to power off, and when it does not within the time of stop_timeout the guest is destroyed. ' +
      'With force it is destroyed at once, and a stop that waits is hurried.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path, force: optional(flag('Whether to destroy it without asking (no)')) },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'STOPPING', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path, force }, call) => guestLifecycle.stop(call, vm_path, force ?? false),
  }),
  defineMethod({
    name: 'reset_vm',
    onHost: 'xen_reset_vm',
    area,
    summary: 'Restart the machine of a guest at once, as its reset button does: data that was not written is lost.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.reset(call, vm_path),
  }),
  defineMethod({
    name: 'reboot_vm',
    onHost: 'xen_reboot_vm',
    area,
    summary:
      'Ask the system of a guest to shut down and start it again; its machine is reset when it does not answer in time.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'STOPPING', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.reboot(call, vm_path),
  }),
  defineMethod({
    name: 'pause_vm',
    onHost: 'xen_pause_vm',
    area,
    summary: 'Halt the processors of a guest; it keeps its memory and is RUNNING again after unpause_vm.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.pause(call, vm_path),
  }),
  defineMethod({
    name: 'unpause_vm',
    onHost: 'xen_unpause_vm',
    area,
    summary: 'Let a paused guest run again.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.unpause(call, vm_path),
  }),
];
