import { AgentError } from '../errors.ts';
import { defineMethod } from '../rpc/method.ts';
import { flag, guestPath, imagePath, ipAddress, optional, secret, struct } from '../rpc/params.ts';
import { nothing, pairs, record } from '../rpc/results.ts';
import type { StopWaits } from '../services/guest-stops.ts';
import type { XmlRpcStruct } from '../xmlrpc/values.ts';

const area = 'Guest lifecycle';
const path = guestPath('Directory of the guest, such as /OVS/running_pool/guest');
const stateFile = imagePath(
  'The file, in a repository or a directory of state_directories',
  '/var/ovs/saved/guest.state',
);

const LONGEST_WAIT_S = 86_400;

/** What putting a guest aside can answer. */
const putErrors = [
  'NO_SUCH_GUEST',
  'WRONG_STATE',
  'BAD_CONFIG',
  'BUSY',
  'NO_RESOURCES',
  'NOT_SUPPORTED',
  'CANCELLED',
  'STOPPING',
  'HYPERVISOR',
  'HOST',
] as const;

/** What bringing one back can answer. */
const bringErrors = [...putErrors, 'BAD_VALUE', 'NO_SUCH_FILE', 'IN_USE', 'TIMEOUT'] as const;

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
    leaves: 'RUNNING',
    params: {
      vm_path: path,
      server_ip: optional(ipAddress('Address of the server to start it on')),
      overrides: secret(
        optional(
          struct('Values in place of those of vm.cfg, for this start only; nil leaves one out', { memory: 512 }),
        ),
      ),
    },
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
    run: ({ guestLifecycle }, { overrides, vm_path }, call) => guestLifecycle.start(call, vm_path, overrides),
  }),
  defineMethod({
    name: 'stop_vm',
    onHost: 'xen_stop_vm',
    area,
    summary:
      'Stop a guest: the guest agent inside is asked where one answers, then its power button is pressed, and when it has not ' +
      'powered off by then the guest is destroyed. With force it is destroyed at once, and a stop that waits is hurried. Of a ' +
      'suspended guest force throws the saved state away. The record of the guest says by which step it stopped.',
    access: 'operate',
    runsOn: 'vm-server',
    isLong: true,
    leaves: 'DOWN',
    params: {
      vm_path: path,
      force: optional(flag('Whether to destroy it without asking (no)')),
      waits: optional(
        struct(
          'Seconds to wait for each step, agent and acpi, in place of stop_agent_timeout and stop_timeout; 0 leaves it out. With it the reply says the step',
          { agent: 0, acpi: 60 },
        ),
      ),
    },
    returns: pairs({ step: 'guest agent, power button or destroyed; only where waits was given' }),
    errors: ['NO_SUCH_GUEST', 'BAD_VALUE', 'WRONG_STATE', 'BUSY', 'CANCELLED', 'STOPPING', 'HYPERVISOR'],
    run: async ({ guestStops }, { vm_path, force, waits }, call) => {
      const step = await guestStops.stop(call, vm_path, force ?? false, waits && stopWaitsFrom(waits));
      return waits ? { step } : {};
    },
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
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'CANCELLED', 'STOPPING', 'HYPERVISOR'],
    isLong: true,
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.reboot(call, vm_path),
  }),
  defineMethod({
    name: 'pause_vm',
    onHost: 'xen_pause_vm',
    area,
    summary: 'Halt the processors of a guest; it keeps its memory and is RUNNING again after unpause_vm.',
    access: 'operate',
    runsOn: 'vm-server',
    leaves: 'PAUSED',
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
    leaves: 'RUNNING',
    params: { vm_path: path },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.unpause(call, vm_path),
  }),
  defineMethod({
    name: 'suspend_vm',
    onHost: 'xen_suspend_vm',
    area,
    summary: 'Put a guest aside: its memory is written into its directory, and it is SUSPEND until resume_vm.',
    access: 'operate',
    runsOn: 'vm-server',
    isLong: true,
    leaves: 'SUSPEND',
    params: { vm_path: path },
    returns: nothing(),
    errors: putErrors,
    run: ({ guestSuspension }, { vm_path }, call) => guestSuspension.suspend(call, vm_path),
  }),
  defineMethod({
    name: 'resume_vm',
    onHost: 'xen_resume_vm',
    area,
    summary: 'Bring a suspended guest back to where it was.',
    access: 'operate',
    runsOn: 'vm-server',
    isLong: true,
    params: { vm_path: path },
    returns: nothing(),
    errors: bringErrors,
    run: ({ guestSuspension }, { vm_path }, call) => guestSuspension.resume(call, vm_path),
  }),
  defineMethod({
    name: 'save_vm',
    onHost: 'xen_save_vm',
    area,
    summary: 'Write the state of a guest to a new file and end it: it is DOWN, and restore_vm brings it back.',
    access: 'operate',
    runsOn: 'vm-server',
    isLong: true,
    params: { vm_path: path, state_file: stateFile },
    returns: nothing(),
    errors: [...putErrors, 'EXISTS', 'BAD_VALUE'],
    run: ({ guestSuspension }, { vm_path, state_file }, call) => guestSuspension.save(call, vm_path, state_file),
  }),
  defineMethod({
    name: 'restore_vm',
    onHost: 'xen_restore_vm',
    area,
    summary:
      'Bring a guest that is DOWN back to where it was when save_vm wrote the file. A file that is damaged, of another guest, or ' +
      'older than the last run of the guest is refused. The file stays.',
    access: 'operate',
    runsOn: 'vm-server',
    isLong: true,
    params: { vm_path: path, state_file: stateFile },
    returns: nothing(),
    errors: bringErrors,
    run: ({ guestSuspension }, { vm_path, state_file }, call) => guestSuspension.restore(call, vm_path, state_file),
  }),
  defineMethod({
    name: 'get_state_info',
    area,
    summary: 'Tell what a file that save_vm wrote says of itself.',
    access: 'read',
    runsOn: 'this-server',
    params: { state_file: stateFile },
    returns: record('a struct: path, name, uuid, saved_at, memory (MiB), size (bytes), hypervisor, paused', 'struct', {
      path: '/OVS/running_pool/guest',
      name: 'guest',
      uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
      saved_at: '2026-01-01T00:00:00.000Z',
      memory: 256,
      size: 104857600,
      hypervisor: 'qemu 7.2.22',
      paused: false,
    }),
    errors: ['BAD_VALUE', 'NO_SUCH_FILE'],
    run: async ({ guestSuspension }, { state_file }) => {
      const header = await guestSuspension.describe(state_file);
      return {
        path: header.path,
        name: header.name,
        uuid: header.uuid,
        saved_at: header.savedAt,
        memory: header.memoryMib,
        size: header.payloadBytes,
        hypervisor: `${header.hypervisor} ${header.hypervisorVersion}`,
        paused: header.wasPaused,
      };
    },
  }),
  defineMethod({
    name: 'crash_vm',
    onHost: 'xen_crash_vm',
    area,
    summary:
      'Send a guest a non-maskable interrupt, by which a system that hangs is made to crash for its dump; what becomes of it is ' +
      'its on_crash. A system may pass over it.',
    access: 'operate',
    runsOn: 'vm-server',
    params: { vm_path: path },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'HYPERVISOR'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.crash(call, vm_path),
  }),
  defineMethod({
    name: 'dump_vm',
    onHost: 'xen_dump_vm',
    area,
    summary: 'Write the memory of a guest to a file for a debugger; the guest goes on.',
    access: 'operate',
    runsOn: 'vm-server',
    isLong: true,
    params: { vm_path: path },
    returns: pairs({ file: 'the file' }),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE', 'BUSY', 'NO_RESOURCES', 'CANCELLED', 'HYPERVISOR', 'HOST'],
    run: ({ guestLifecycle }, { vm_path }, call) => guestLifecycle.dump(call, vm_path),
  }),
];

/** @throws AgentError BAD_VALUE */
function stopWaitsFrom(waits: XmlRpcStruct): Partial<StopWaits> {
  const known = { agent: 'agentMs', acpi: 'buttonMs' } as const;
  return Object.fromEntries(
    Object.entries(waits).map(([step, seconds]) => {
      const name = known[step as keyof typeof known] as string | undefined;
      if (name === undefined || typeof seconds !== 'number' || !(seconds >= 0 && seconds <= LONGEST_WAIT_S)) {
        const value = typeof seconds === 'number' ? seconds : 'what it is';
        throw new AgentError(
          'BAD_VALUE',
          `argument waits: ${step} cannot be ${value}; agent and acpi take 0 to ${LONGEST_WAIT_S} seconds`,
        );
      }
      return [name, seconds * 1000];
    }),
  );
}
