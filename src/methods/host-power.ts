import { AgentError } from '../errors.ts';
import { shutdownActions } from '../model/guest-state.ts';
import { defineMethod } from '../rpc/method.ts';
import { guestPath, struct } from '../rpc/params.ts';
import { nothing, pairs, record } from '../rpc/results.ts';
import type { BootPolicy } from '../services/host-power.ts';
import type { XmlRpcStruct, XmlRpcValue } from '../xmlrpc/values.ts';

const area = 'Host power';
const path = guestPath('Directory of the guest, such as /OVS/running_pool/guest');
const examplePolicy = { start: true, order: 10, delay: 5, at_shutdown: 'save' };
const policyForm =
  'start (whether it starts with the server), order (lower ones start first and stop last), delay (seconds after its start), ' +
  'at_shutdown (stop, save, migrate or destroy)';
const results = {
  done: 'names of the guests with which it was done',
  failed: 'names of those with which it could not be; the log says why',
};

export const hostPowerMethods = [
  defineMethod({
    name: 'get_vm_boot',
    area,
    summary:
      'Tell how a guest goes with its server: whether it starts with it, and what becomes of it at its shutdown.',
    access: 'read',
    runsOn: 'this-server',
    params: { vm_path: path },
    returns: record(`a struct: ${policyForm}`, 'struct', examplePolicy),
    errors: ['NO_SUCH_GUEST'],
    run: async ({ hostPower }, { vm_path }) => {
      const { atShutdown, delaySeconds, order, start } = await hostPower.policyOf(vm_path);
      return { start, order, delay: delaySeconds, at_shutdown: atShutdown };
    },
  }),
  defineMethod({
    name: 'set_vm_boot',
    area,
    summary:
      'Set how a guest goes with its server, in place of on_xend_start and on_xend_stop of its vm.cfg and of the settings.',
    access: 'operate',
    runsOn: 'this-server',
    params: { vm_path: path, policy: struct(`Any of ${policyForm}`, examplePolicy) },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'BAD_VALUE'],
    run: ({ hostPower }, { vm_path, policy }, call) => hostPower.setPolicy(call, vm_path, policyFrom(policy)),
  }),
  defineMethod({
    name: 'start_guests',
    area,
    summary:
      'Start the guests that start with this server, in their order and once their storage is there, and let those go on that ' +
      'were saved at its shutdown.',
    access: 'admin',
    runsOn: 'this-server',
    isLong: true,
    params: {},
    returns: pairs(results),
    errors: ['CANCELLED', 'STOPPING'],
    run: ({ hostPower }, _arguments, call) => hostPower.startAll(call),
  }),
  defineMethod({
    name: 'stop_guests',
    area,
    summary:
      'Stop or save all guests of this server, each by its setting, as at its shutdown; what is left after shutdown_time is destroyed.',
    access: 'admin',
    runsOn: 'this-server',
    isLong: true,
    params: {},
    returns: pairs(results),
    errors: ['CANCELLED', 'STOPPING'],
    run: ({ hostPower }, _arguments, call) => hostPower.stopAll(call),
  }),
];

const LONGEST_DELAY_S = 3600;
const MOST_ORDER = 1_000_000;

/** @throws AgentError BAD_VALUE */
function policyFrom(policy: XmlRpcStruct): Partial<BootPolicy> {
  const changes: { -readonly [K in keyof BootPolicy]?: BootPolicy[K] } = {};
  for (const [key, value] of Object.entries(policy)) {
    switch (key) {
      case 'start':
        if (typeof value !== 'boolean') throw wrong(key, 'true or false');
        changes.start = value;
        break;
      case 'order':
        if (!isWithin(value, MOST_ORDER)) throw wrong(key, `a whole number from 0 to ${MOST_ORDER}`);
        changes.order = value;
        break;
      case 'delay':
        if (!isWithin(value, LONGEST_DELAY_S)) throw wrong(key, `seconds from 0 to ${LONGEST_DELAY_S}`);
        changes.delaySeconds = value;
        break;
      case 'at_shutdown': {
        const action = shutdownActions.find(known => known === value);
        if (!action) throw wrong(key, `one of ${shutdownActions.join(', ')}`);
        changes.atShutdown = action;
        break;
      }
      default:
        throw wrong(key, 'left out; there are start, order, delay and at_shutdown');
    }
  }
  return changes;
}

function isWithin(value: XmlRpcValue, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function wrong(key: string, what: string): AgentError {
  return new AgentError('BAD_VALUE', `argument policy: ${key} must be ${what}`);
}
