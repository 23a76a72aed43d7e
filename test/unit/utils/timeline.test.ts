import { describe, expect, it } from 'vitest';
import { eventLine } from '../../../utils/events.ts';
import { localTime } from '../../../utils/local-time.ts';
import { timelineTable } from '../../../utils/timeline.ts';

const at = '2026-01-31T12:00:00.000Z';
const time = localTime(at);

describe('the table of a timeline', () => {
  it('has a line for each entry: when, who, what', () => {
    const table = timelineTable('/OVS/running_pool/guest', [
      { at, kind: 'guest', user: 'admin', summary: 's', change: 'registered', to: 'DOWN' },
      { at, kind: 'guest', summary: 's', change: 'status', from: 'DOWN', to: 'RUNNING' },
      { at, kind: 'call', user: 'admin', address: '10.1.1.1', summary: 's', method: 'start_vm', outcome: 'done' },
      {
        at,
        kind: 'call',
        user: 'op',
        address: 'local',
        summary: 'op called stop_vm, which failed: x',
        method: 'stop_vm',
        outcome: 'BUSY',
      },
      { at, kind: 'guest', summary: 's', change: 'status', from: 'RUNNING', to: 'ERROR', reason: 'it crashed' },
      { at, kind: 'guest', summary: 's', change: 'status', from: 'ERROR', to: 'ERROR', reason: 'start failed' },
      { at, kind: 'job', user: 'admin', summary: 'job 17 has begun' },
      { at, kind: 'guest', summary: 'its disk failed', change: 'something new' },
      { at, kind: 'guest', user: 'admin', summary: 's', change: 'deleted', from: 'ERROR' },
    ]);
    expect(table.split('\n')).toEqual([
      'TIME                 WHO               WHAT',
      `${time}  admin             registered, DOWN`,
      `${time}  -                 DOWN → RUNNING`,
      `${time}  admin (10.1.1.1)  start_vm: done`,
      `${time}  op (local)        op called stop_vm, which failed: x`,
      `${time}  -                 RUNNING → ERROR: it crashed`,
      `${time}  -                 still ERROR: start failed`,
      `${time}  admin             job 17 has begun`,
      `${time}  -                 its disk failed`,
      `${time}  admin             deleted`,
      '',
    ]);
  });

  it('says when there is nothing', () => {
    expect(timelineTable('/x', [])).toBe('/x: no events of it are kept\n');
  });
});

describe('the line of an event', () => {
  it('has time, kind, sentence and token', () => {
    const event = { token: '0badcafe-1', number: 1, at, kind: 'job', summary: 'job 17 is done', data: {} } as const;
    expect(eventLine(event)).toBe(`${time}  job     job 17 is done  (0badcafe-1)`);
    const resync = { kind: 'resync', reason: 'slow', lost: 3, summary: '3 are gone', token: '0badcafe-9' } as const;
    expect(eventLine(resync)).toBe('-- events were lost: 3 are gone (0badcafe-9)');
  });
});
