import { describe, expect, it } from 'vitest';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import type { AgentEvent } from '../../../src/services/agent-event.ts';
import { GuestTimeline } from '../../../src/services/guest-timeline.ts';
import { guestPath, guestServices } from '../../support/guest-services.ts';

const common = { token: 't', number: 1, at: '2026-01-01T00:00:00.000Z', guest: guestPath };
const events: readonly AgentEvent[] = [
  {
    ...common,
    kind: 'call',
    user: 'admin',
    summary: 'admin called start_vm',
    // Whatever an event carries, it cannot pass for something else.
    data: { method: 'start_vm', call: 'x-1', outcome: 'done', kind: 'server', at: 'never' },
  },
  {
    ...common,
    kind: 'guest',
    summary: 'guest guest is ERROR, it was RUNNING (it crashed)',
    data: { from: 'RUNNING', to: 'ERROR', reason: 'it crashed' },
  },
];

describe('the timeline of a guest', () => {
  it('is flat: who, what, from which status to which, and why', () => {
    const timeline = new GuestTimeline({ readNewest: () => events }, guestServices().records);
    const { at, token } = common;
    expect(timeline.of(guestPath, 10)).toEqual([
      {
        at,
        token,
        kind: 'call',
        user: 'admin',
        summary: 'admin called start_vm',
        method: 'start_vm',
        call: 'x-1',
        outcome: 'done',
      },
      { at, token, kind: 'guest', summary: events[1]!.summary, from: 'RUNNING', to: 'ERROR', reason: 'it crashed' },
    ]);
  });

  it('is empty for a guest of which nothing is kept, and refused for one that never was', async () => {
    const services = guestServices();
    const timeline = new GuestTimeline({ readNewest: () => [] }, services.records);
    await services.records.add(guestPath, 'DOWN', 'admin');
    expect(timeline.of(guestPath, 10)).toEqual([]);
    expect(() => timeline.of(parseGuestPath('/OVS/running_pool/other'), 10)).toThrow(/it is not registered/);
  });
});
