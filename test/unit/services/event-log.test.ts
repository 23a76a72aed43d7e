import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { EventLog } from '../../../src/services/event-log.ts';
import type { EventStore } from '../../../src/store/event-store.ts';
import { SqliteEventStore } from '../../../src/store/sqlite-event-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const guest = parseGuestPath('/OVS/running_pool/guest');

function open({ file = join(temporaryDirectory(), 'events.db'), kept = 100, wrap = (s: EventStore) => s } = {}): {
  events: EventLog;
  file: string;
  clock: ManualClock;
} {
  const clock = new ManualClock();
  const store = wrap(SqliteEventStore.open({ file, kept, bootId: 'boot' }));
  const events = new EventLog({ store, clock, log: silentLog });
  onTestFinished(() => events.close());
  return { events, file, clock };
}

/** The store, with something to be done before each use of it. */
function spied(store: EventStore, before: (name: string | symbol) => void): EventStore {
  return new Proxy(store, {
    get(target, name) {
      before(name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function emit(events: EventLog, ...summaries: string[]): Promise<void> {
  for (const summary of summaries) events.emit({ kind: 'server', summary });
  await nextTurn();
}

const summariesOf = (events: EventLog, cursor = 0): string[] =>
  events.read(cursor).events.map(({ summary }) => summary);

describe('the event log', () => {
  it('shows what was emitted, in order, with number, time and token', async () => {
    const { events } = open();
    const before = events.token;
    events.emit({ kind: 'call', guest, user: 'admin', summary: 'start_vm was done', data: { method: 'start_vm' } });
    events.emit({ kind: 'server', summary: 'the agent stops' });
    await nextTurn();
    const { events: found, cursor } = events.read(events.cursorOf(before).cursor);
    expect(found).toEqual([
      {
        token: events.tokenOf(1),
        number: 1,
        at: '2026-01-01T00:00:00.000Z',
        kind: 'call',
        guest,
        user: 'admin',
        summary: 'start_vm was done',
        data: { method: 'start_vm' },
      },
      expect.objectContaining({ number: 2, summary: 'the agent stops', data: {} }),
    ]);
    expect(events.tokenOf(cursor)).toBe(events.token);
  });

  it('stores events that come together in one commit, and tells watchers once', async () => {
    let commits = 0;
    const { events } = open({
      wrap: store =>
        spied(store, name => {
          if (name === 'append') commits++;
        }),
    });
    let told = 0;
    events.watch({ stored: () => told++, closed: () => undefined });
    await emit(events, 'one', 'two', 'three');
    expect([commits, told]).toEqual([1, 1]);
  });

  it('keeps to a guest and to kinds, and moves the cursor over what is not wanted', async () => {
    const { events } = open();
    events.emit({ kind: 'guest', guest, summary: 'mine' });
    events.emit({ kind: 'job', guest, summary: 'my job' });
    events.emit({ kind: 'server', summary: 'all' });
    await nextTurn();
    const page = events.read(0, { guest, kinds: ['guest'] });
    expect(page.events.map(({ summary }) => summary)).toEqual(['mine']);
    expect(page.cursor).toBe(3);
    expect(events.read(0, { kinds: ['server'] }).events).toHaveLength(1);
  });

  it('gives pages that together are everything', async () => {
    const { events } = open({ kept: 5000 });
    await emit(events, ...Array.from({ length: 1234 }, (_, index) => String(index)));
    const all: string[] = [];
    for (let cursor = 0; cursor < events.newest; ) {
      const page = events.read(cursor);
      expect(page.events.length).toBeLessThanOrEqual(1000);
      all.push(...page.events.map(({ summary }) => summary));
      cursor = page.cursor;
    }
    expect(all).toEqual(Array.from({ length: 1234 }, (_, index) => String(index)));
  });

  it('says how many are missing to a reader that is behind what is kept', async () => {
    const { events } = open({ kept: 3 });
    const { token } = events;
    await emit(events, '1', '2', '3', '4', '5');
    expect(events.cursorOf(token).resync).toMatchObject({ reason: 'too-old', lost: 2, token: events.tokenOf(2) });
    const page = events.read(0);
    expect(page.resync?.lost).toBe(2);
    expect(page.events.map(({ summary }) => summary)).toEqual(['3', '4', '5']);
    expect(events.cursorOf(events.tokenOf(2)).resync).toBeUndefined();
  });

  it('tells a token of another log, one ahead of it, and nonsense apart', async () => {
    const { events, file } = open();
    await emit(events, 'one', 'two');
    const { token } = events;
    events.close();
    rmSync(file);
    const { events: rebuilt } = open({ file });
    await emit(rebuilt, 'three');
    expect(rebuilt.cursorOf(token)).toMatchObject({ cursor: 0, resync: { reason: 'other-log' } });
    expect(rebuilt.cursorOf(rebuilt.tokenOf(99))).toMatchObject({ cursor: 1, resync: { reason: 'ahead' } });
    for (const nonsense of ['', 'x', '17', `${rebuilt.token}x`, '../../etc-1', `${token.slice(0, 8)}-01`]) {
      expect(() => rebuilt.cursorOf(nonsense)).toThrow(/it is no token of an event/);
    }
  });

  it('goes on after a restart where it was, and stores what waited when it closes', async () => {
    const { events, file } = open();
    await emit(events, 'one');
    const { token } = events;
    events.emit({ kind: 'server', summary: 'two' });
    const told: string[] = [];
    events.watch({
      stored: () => told.push(...summariesOf(events, 1)),
      closed: () => told.push('closed'),
    });
    events.close();
    expect(told).toEqual(['two', 'closed']);
    const { events: next } = open({ file });
    await emit(next, 'three');
    expect(summariesOf(next, next.cursorOf(token).cursor)).toEqual(['two', 'three']);
  });

  it('holds events while the store cannot be written, and stores them in order when it can', async () => {
    let isFull = true;
    const { events, clock } = open({
      kept: 20_000,
      wrap: store =>
        spied(store, name => {
          if (name === 'append' && isFull) throw new AgentError('STORE', 'write the database: it is full');
        }),
    });
    await emit(events, 'one', 'two');
    await emit(events, ...Array.from({ length: 10_000 }, () => 'more'));
    expect(events.newest).toBe(0);
    isFull = false;
    await clock.advance(1000);
    await nextTurn();
    expect(summariesOf(events).slice(0, 3)).toEqual(['one', 'two', 'more']);
    expect(events.newest).toBe(10_001);
    expect(events.readNewest(1)[0]?.summary).toBe('2 events could not be stored and are lost');
  });

  it('flushes to the disk a moment later, once for many', async () => {
    let flushes = 0;
    const { events, clock } = open({
      wrap: store =>
        spied(store, name => {
          if (name === 'sync') flushes++;
        }),
    });
    for (let round = 0; round < 5; round++) await emit(events, 'x');
    expect(flushes).toBe(0);
    await clock.advance(1000);
    expect(flushes).toBe(1);
    await clock.advance(10_000);
    expect(flushes).toBe(1);
  });

  it('lists what came after a token, or the newest', async () => {
    const { events } = open({ kept: 3 });
    const { token } = events;
    await emit(events, '1', '2', '3', '4');
    expect(events.list(undefined, 2).map(({ summary }) => summary)).toEqual(['3', '4']);
    expect(events.list(events.tokenOf(2), 1).map(({ summary }) => summary)).toEqual(['3']);
    expect(events.list(token, 1)).toEqual([
      expect.objectContaining({ kind: 'resync', reason: 'too-old', lost: 1 }),
      expect.objectContaining({ summary: '2' }),
    ]);
    expect(() => events.list('nonsense', 1)).toThrow(/no token/);
  });

  it('keeps summaries to one bounded line', async () => {
    const { events } = open();
    await emit(events, 'two\r\nlines', 'x'.repeat(5000));
    expect(summariesOf(events)).toEqual(['two lines', `${'x'.repeat(1000)}…`]);
  });

  it('takes nothing more once it is closed', async () => {
    const { events } = open();
    events.close();
    events.emit({ kind: 'server', summary: 'late' });
    await nextTurn();
    events.close();
  });
});
