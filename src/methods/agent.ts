import { readableLogs } from '../services/agent-log.ts';
import { defineMethod } from '../rpc/method.ts';
import { choice, integer, ipAddress, optional, secret, text } from '../rpc/params.ts';
import { nothing, pairs, record } from '../rpc/results.ts';

const area = 'Agent';

export const agentMethods = [
  defineMethod({
    name: 'echo',
    area,
    summary:
      'Answer with the message that was sent: the way to see that the agent can be reached and the password is right.',
    access: 'read',
    runsOn: 'this-server',
    params: { msg: text('The message; it may not hold ";", which separates values in a reply') },
    returns: pairs({ echo: 'the message' }),
    errors: ['BAD_VALUE'],
    run: (_services, { msg }) => ({ echo: msg }),
  }),
  defineMethod({
    name: 'get_agent_version',
    area,
    summary: 'Tell the version of the agent: the release whose interface it has, and its own.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: pairs({ agent_version: 'release of the interface, a dash, version of this agent' }),
    errors: [],
    run: ({ agentStatus }) => ({ agent_version: `2.2-${agentStatus.identity().version}` }),
  }),
  defineMethod({
    name: 'get_srv_agent_status',
    area,
    summary: 'Tell whether the agent of a server answers.',
    access: 'read',
    runsOn: 'this-server',
    params: { host: ipAddress('Address of the server') },
    returns: nothing(),
    errors: ['BAD_VALUE', 'PEER_DOWN'],
    run: ({ neighbours }, { host }) => neighbours.requireAnswer(host),
  }),
  defineMethod({
    name: 'get_agent_status',
    area,
    summary:
      'Tell what `ovs-agent status` shows: process, version, addresses, hypervisor, and the number of guests by status.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record('a struct of the agent', 'struct', { version: '0.1.0', pid: 4711, hypervisor: 'qemu' }),
    errors: [],
    run({ agentStatus }) {
      const { version, processId, startedAt, addresses, ssl, hypervisor, accelerator, certificateFingerprint } =
        agentStatus.identity();
      return {
        version,
        pid: processId,
        started_at: new Date(startedAt).toISOString(),
        addresses,
        ssl,
        hypervisor,
        accelerator,
        certificate_fingerprint: certificateFingerprint ?? '',
        guests: agentStatus.guestsByStatus() as Readonly<Record<string, number>>,
      };
    },
  }),
  defineMethod({
    name: 'update_agent_password',
    area,
    summary: 'Change the password of a user of the agent. It holds at once.',
    access: 'admin',
    runsOn: 'this-server',
    params: {
      user: text('Name of the user', { longest: 32, example: 'admin' }),
      old: secret(text('The password so far', { longest: 1024 })),
      new: secret(text('The new password', { longest: 1024 })),
    },
    returns: nothing(),
    errors: ['DENIED', 'BAD_VALUE'],
    run: ({ credentials }, args, call) => credentials.update(call, args.user, args.old, args.new),
  }),
  defineMethod({
    name: 'get_log',
    area,
    summary: 'Read the last lines of a log of the agent.',
    access: 'admin',
    runsOn: 'this-server',
    params: {
      name: choice('The log: `ovs_trace` has everything, `audit` who did what', readableLogs),
      lines: optional(integer('How many lines (100)', 1, 10_000)),
    },
    returns: record('an array of lines, oldest first', 'array', ['{"level":"info",…}']),
    errors: ['BAD_VALUE', 'HOST'],
    run: ({ agentLog }, { name, lines }) => agentLog.tail(name, lines ?? 100),
  }),
];
