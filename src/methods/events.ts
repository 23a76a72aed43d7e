import { EVENT_TOKEN } from '../model/event-token.ts';
import { defineMethod } from '../rpc/method.ts';
import { guestPath, integer, matching, optional } from '../rpc/params.ts';
import { record } from '../rpc/results.ts';

const area = 'Events';
const MOST = 1000;
const USUAL = 100;
const limit = optional(integer(`Most of them (${USUAL})`, 1, MOST));

const exampleEntry = {
  at: '2026-01-31T12:00:00.000Z',
  kind: 'guest',
  summary: 'guest guest is RUNNING, it was DOWN',
  change: 'status',
  from: 'DOWN',
  to: 'RUNNING',
};

export const eventMethods = [
  defineMethod({
    name: 'list_events',
    area,
    summary:
      'List events, oldest first: those behind a token, or the newest. `GET /events` streams them as they happen, see docs/events.md.',
    access: 'read',
    runsOn: 'this-server',
    params: {
      after: optional(
        matching('Token of the last event that the caller has', '0badcafe-4711', EVENT_TOKEN, 'a token of an event'),
      ),
      limit,
      vm_path: optional(guestPath('Only those of this guest')),
    },
    returns: record(
      'an array of structs: token, number, at, kind, summary, data, and guest and user where there is one; the first has the kind `resync` and says how many are `lost` when events behind the token are kept no more',
      'array',
      [
        {
          token: '0badcafe-4712',
          number: 4712,
          at: exampleEntry.at,
          kind: 'guest',
          guest: '/OVS/running_pool/guest',
          summary: exampleEntry.summary,
          data: { change: 'status', from: 'DOWN', to: 'RUNNING' },
        },
      ],
    ),
    errors: ['BAD_VALUE', 'STORE', 'STOPPING'],
    run: ({ eventLog }, { after, limit: most = USUAL, vm_path }) =>
      eventLog.list(after, most, vm_path).map(event => ({ ...event })),
  }),
  defineMethod({
    name: 'get_timeline',
    area,
    summary: 'Tell what happened to a guest and who did it: the newest entries, oldest first.',
    access: 'read',
    runsOn: 'this-server',
    params: { vm_path: guestPath('Directory of the guest, such as /OVS/running_pool/guest'), limit },
    returns: record(
      'an array of structs: token, at, kind, summary, and where known user, change, from and to (statuses), reason, method, call, address, outcome, job',
      'array',
      [exampleEntry],
    ),
    errors: ['NO_SUCH_GUEST', 'STORE'],
    run: ({ guestTimeline }, { vm_path, limit: most = USUAL }) => [...guestTimeline.of(vm_path, most)],
  }),
];
