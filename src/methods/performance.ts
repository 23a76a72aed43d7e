import { AgentError } from '../errors.ts';
import { guestFigures, PEAK, serverFigures } from '../model/performance-figures.ts';
import { defineMethod } from '../rpc/method.ts';
import { guestPath, integer, moment, optional } from '../rpc/params.ts';
import { pairs, pairsOrHistory, record } from '../rpc/results.ts';
import type { Span } from '../services/performance-history.ts';
import type { XmlRpcStruct } from '../xmlrpc/values.ts';

const area = 'Performance';
const path = guestPath('Directory of the guest, such as /OVS/running_pool/guest');
const MOST_SECONDS = 30 * 86_400;

const span = {
  from: optional(moment('Begin of a span of the past: ISO 8601, UTC without a zone, or seconds since 1970')),
  to: optional(moment('Its end; now when it is left out')),
  resolution: optional(
    integer(
      'Seconds between two values: the nearest of what is kept is taken, and the finest that reaches back to from when it is left out',
      1,
      MOST_SECONDS,
    ),
  ),
};
const history = `an array of structs, each with \`at\` (ISO 8601), those figures as means over the resolution, and \`${PEAK}\`, the greatest \`cpu\` in it`;

export const performanceMethods = [
  defineMethod({
    name: 'get_srv_perf',
    area,
    summary: 'Tell how busy the server is now, or was in a span of the past.',
    access: 'read',
    runsOn: 'this-server',
    params: span,
    returns: pairsOrHistory(serverFigures, history),
    errors: ['BAD_VALUE', 'STORE'],
    async run({ performance }, args) {
      const asked = spanOf(args);
      return asked ? rows(performance.serverHistory(asked)) : rounded((await performance.server()).figures);
    },
  }),
  defineMethod({
    name: 'get_vm_perf',
    area,
    summary: 'Tell how busy a guest is now, or was in a span of the past, also when it does not run any more.',
    access: 'read',
    runsOn: 'vm-server',
    params: { vm_path: path, ...span },
    returns: pairsOrHistory(guestFigures, history),
    errors: ['BAD_VALUE', 'NO_SUCH_GUEST', 'WRONG_STATE', 'STORE'],
    async run({ performance }, { vm_path, ...args }) {
      const asked = spanOf(args);
      if (asked) return rows(performance.guestHistory(vm_path, asked));
      return rounded((await performance.guest(vm_path)).figures);
    },
  }),
  defineMethod({
    name: 'xen_get_vm_perf_metrics',
    area,
    summary: 'Tell what a guest has used since it was started on the server that receives the call.',
    access: 'read',
    runsOn: 'this-server',
    params: { vm_path: path },
    returns: pairs({
      cpu_time: 'seconds of processor time',
      cpu: guestFigures.cpu,
      vcpus: guestFigures.vcpus,
      memory: guestFigures.memory,
      max_memory: guestFigures.max_memory,
      net_received: 'bytes that it received',
      net_sent: 'bytes that it sent',
      block_read: 'bytes that it read from its disks',
      block_written: 'bytes written',
      block_reads: 'reads',
      block_writes: 'writes',
    }),
    errors: ['NO_SUCH_GUEST', 'WRONG_STATE'],
    async run({ performance }, { vm_path }) {
      const { figures, statistics } = await performance.guest(vm_path);
      const { blocks, network } = statistics;
      return rounded({
        cpu_time: statistics.processorTimeMs / 1000,
        ...(figures.cpu === undefined ? {} : { cpu: figures.cpu }),
        vcpus: statistics.vcpus,
        memory: statistics.memoryMib,
        max_memory: statistics.maxMemoryMib,
        net_received: network.receivedBytes,
        net_sent: network.sentBytes,
        block_read: blocks.readBytes,
        block_written: blocks.writtenBytes,
        block_reads: blocks.reads,
        block_writes: blocks.writes,
      });
    },
  }),
  defineMethod({
    name: 'list_domains',
    area,
    summary: 'List what runs on the server, as xm list and xm top do: the server itself first, as Domain-0.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record(
      'an array of structs: name, path, id (process of a QEMU guest), memory and max_memory (MiB), vcpus, state (the letters ' +
        'of `xl list`), status, time (seconds of processor time), cpu_percent (of one processor; left out until it is known), and ' +
        'since its start net_sent, net_received, block_read_bytes, block_written_bytes (bytes), block_reads, block_writes',
      'array',
      [
        {
          name: 'guest',
          path: '/OVS/running_pool/guest',
          id: 4711,
          memory: 256,
          vcpus: 1,
          state: 'r-----',
          time: 12.5,
        },
      ],
    ),
    errors: ['STORE'],
    async run({ domainList }) {
      const all = await domainList.rows();
      return all.map(row => ({
        name: row.name,
        path: row.path,
        id: row.id,
        memory: row.memoryMib,
        max_memory: row.maxMemoryMib,
        vcpus: row.vcpus,
        state: row.state,
        status: row.status,
        time: row.processorTimeMs / 1000,
        ...(row.cpuPercent === undefined ? {} : rounded({ cpu_percent: row.cpuPercent })),
        net_sent: row.sentBytes,
        net_received: row.receivedBytes,
        block_reads: row.reads,
        block_writes: row.writes,
        block_read_bytes: row.readBytes,
        block_written_bytes: row.writtenBytes,
      }));
    },
  }),
];

function spanOf({
  from,
  resolution,
  to,
}: {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly resolution: number | undefined;
}): Span | undefined {
  if (from !== undefined) return { from, to, resolutionSeconds: resolution };
  if (to === undefined && resolution === undefined) return undefined;
  throw new AgentError(
    'BAD_VALUE',
    'argument from: it is not given, and to or resolution is; a span of the past needs it',
  );
}

function rows(
  samples: readonly { readonly at: number; readonly figures: Readonly<Record<string, number>> }[],
): readonly XmlRpcStruct[] {
  return samples.map(({ at, figures }) => ({ at: new Date(at * 1000).toISOString(), ...figures }));
}

/** Two decimals are more than is measured. */
function rounded<K extends string>(figures: Readonly<Partial<Record<K, number>>>): Partial<Record<K, number>> {
  const entries = Object.entries<number>(figures as Readonly<Record<string, number>>);
  return Object.fromEntries(entries.map(([key, value]) => [key, Math.round(value * 100) / 100])) as Record<K, number>;
}
