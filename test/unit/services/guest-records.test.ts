import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import type { AgentEvent } from '../../../src/services/agent-event.ts';
import type { NewEvent } from '../../../src/services/event-log.ts';
import { GuestRecords } from '../../../src/services/guest-records.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import { caller, guestPath, guestServices } from '../../support/guest-services.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

function open(): { records: GuestRecords; events: NewEvent[] } {
  const store = SqliteStore.open(join(temporaryDirectory(), 'agent.db'));
  onTestFinished(() => store.close());
  const events: NewEvent[] = [];
  return { records: new GuestRecords(store, new ManualClock(), { emit: event => events.push(event) }), events };
}

describe('the events of a record', () => {
  it('tell old status, new status and reason', async () => {
    const { events, records } = open();
    await records.add(guestPath, 'DOWN', 'admin');
    await records.setStatus(guestPath, 'RUNNING');
    await records.setStatus(guestPath, 'ERROR', 'its system crashed');
    await records.remove(guestPath, { change: 'deleted', user: 'admin' });
    const guest = guestPath;
    expect(events).toEqual([
      {
        kind: 'guest',
        guest,
        user: 'admin',
        summary: 'guest guest was registered and is DOWN',
        data: { change: 'registered', to: 'DOWN' },
      },
      {
        kind: 'guest',
        guest,
        summary: 'guest guest is RUNNING, it was DOWN',
        data: { change: 'status', from: 'DOWN', to: 'RUNNING' },
      },
      {
        kind: 'guest',
        guest,
        summary: 'guest guest is ERROR, it was RUNNING (its system crashed)',
        data: { change: 'status', from: 'RUNNING', to: 'ERROR', reason: 'its system crashed' },
      },
      {
        kind: 'guest',
        guest,
        user: 'admin',
        summary: 'guest guest was deleted by admin',
        data: { change: 'deleted', from: 'ERROR' },
      },
    ]);
  });

  it('come when something changed, a new reason among it, and not else', async () => {
    const { events, records } = open();
    await records.setStatus(guestPath, 'DOWN');
    await records.setStatus(guestPath, 'DOWN', undefined, { vnc_port: 5900 });
    await records.setFields(guestPath, { memory: 64 });
    expect(events).toHaveLength(1);
    await records.setStatus(guestPath, 'DOWN', 'start failed: no memory');
    await records.setStatus(guestPath, 'DOWN', 'start failed: no memory');
    expect(events.slice(1).map(({ summary }) => summary)).toEqual([
      'guest guest is still DOWN (start failed: no memory)',
    ]);
  });

  it('that an agent which was killed could not tell are told by the next one', async () => {
    const { events, records } = open();
    const [same, changed, gone, anew, unknown] = ['same', 'changed', 'gone', 'anew', 'unknown'].map(name =>
      parseGuestPath(`/OVS/running_pool/${name}`),
    ) as [typeof guestPath, typeof guestPath, typeof guestPath, typeof guestPath, typeof guestPath];
    for (const path of [same, anew, unknown]) await records.setStatus(path, 'DOWN');
    await records.setStatus(changed, 'ERROR', 'it crashed');
    events.length = 0;
    const told = (guest: string, data: AgentEvent['data']): AgentEvent => ({
      token: '',
      number: 1,
      at: '',
      kind: 'guest',
      guest,
      summary: '',
      data,
    });
    records.tellMissed([
      told(same, { change: 'status', from: 'RUNNING', to: 'DOWN' }),
      told(changed, { change: 'status', from: 'DOWN', to: 'RUNNING' }),
      told(gone, { change: 'registered', to: 'DOWN' }),
      told(anew, { change: 'deleted', from: 'DOWN' }),
      told('/OVS/running_pool/both', { change: 'deleted', from: 'DOWN' }),
    ]);
    expect(events.map(({ data, guest }) => [guest, data])).toEqual([
      [changed, { change: 'status', from: 'RUNNING', to: 'ERROR', reason: 'it crashed' }],
      [gone, { change: 'unregistered', from: 'DOWN' }],
      [anew, { change: 'registered', to: 'DOWN' }],
    ]);
  });
});

describe('the life of a guest', () => {
  it('is told from its registration to its end, in order', async () => {
    const { events, lifecycle, membership, stops } = guestServices();
    await lifecycle.start(caller, guestPath);
    await stops.stop(caller, guestPath, true);
    await membership.unregister(caller, guestPath);
    expect(events.map(({ data, user }) => [data?.['change'], data?.['from'], data?.['to'], user])).toEqual([
      ['registered', undefined, 'DOWN', 'tester'],
      ['status', 'DOWN', 'RUNNING', undefined],
      ['status', 'RUNNING', 'DOWN', undefined],
      ['unregistered', 'DOWN', undefined, 'tester'],
    ]);
  });
});
