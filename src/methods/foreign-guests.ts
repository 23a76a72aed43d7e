import { defineMethod } from '../rpc/method.ts';
import { matching } from '../rpc/params.ts';
import { nothing, record } from '../rpc/results.ts';

const area = 'Foreign guests';
const id = matching(
  'Its id in list_foreign_vms: a path, or the number that its hypervisor has for it',
  '/OVS/running_pool/guest',
  /^(?:\d{1,10}|(?:\/[\w+-][\w.+-]*)+)$/,
  'a path or a number; see list_foreign_vms',
);

export const foreignGuestMethods = [
  defineMethod({
    name: 'list_foreign_vms',
    area,
    summary:
      'List the guests that run on this server and that the agent has no record of. It never acts on them unasked.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record('an array of structs: id, name, adoptable, reason, ignored, and path where known', 'array', [
      { id: '4711', name: 'guest', adoptable: false, reason: 'another program started it', ignored: false },
    ]),
    errors: ['HYPERVISOR'],
    run: async ({ foreignGuests }) =>
      (await foreignGuests.list()).map(({ path, ...guest }) => (path === undefined ? guest : { ...guest, path })),
  }),
  defineMethod({
    name: 'adopt_vm',
    area,
    summary: 'Make a record of a guest that runs without one. The guest notices nothing of it.',
    access: 'operate',
    runsOn: 'this-server',
    params: { id },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST', 'EXISTS', 'NOT_SUPPORTED', 'BUSY'],
    run: ({ foreignGuests }, { id: foreign }, call) => foreignGuests.adopt(call, foreign),
  }),
  defineMethod({
    name: 'ignore_vm',
    area,
    summary: 'Mark a foreign guest as one that is to be left alone.',
    access: 'operate',
    runsOn: 'this-server',
    params: { id },
    returns: nothing(),
    errors: ['NO_SUCH_GUEST'],
    run: ({ foreignGuests }, { id: foreign }, call) => foreignGuests.ignore(call, foreign),
  }),
];
