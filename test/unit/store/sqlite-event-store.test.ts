import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { SqliteEventStore } from '../../../src/store/sqlite-event-store.ts';
import { DamagedDatabaseError } from '../../../src/store/sqlite-file.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const event = (summary: string, guest?: string): Parameters<SqliteEventStore['append']>[0][number] => ({
  at: 1000,
  kind: 'guest',
  guest,
  user: undefined,
  summary,
  data: { n: 1 },
});

const newFile = (): string => join(temporaryDirectory(), 'events.db');
const open = (file: string, kept = 100, bootId = 'boot-1'): SqliteEventStore =>
  SqliteEventStore.open({ file, kept, bootId });
const summaries = (store: SqliteEventStore, after = 0, guest?: string): string[] =>
  store.read({ after, limit: 1000, guest }).map(({ summary }) => summary);

describe('the store of events', () => {
  it('numbers events in their order and gives them back as they were', () => {
    const store = open(newFile());
    store.append([event('one'), event('two', '/a')]);
    store.append([event('three')]);
    expect(store.read({ after: 1, limit: 10 })).toEqual([
      { ...event('two', '/a'), number: 2 },
      { ...event('three'), number: 3 },
    ]);
    expect([store.oldest, store.newest]).toEqual([1, 3]);
    store.close();
  });

  it('keeps the newest and no more', () => {
    const store = open(newFile(), 3);
    for (let number = 1; number <= 10; number++) store.append([event(`${number}`)]);
    expect(summaries(store)).toEqual(['8', '9', '10']);
    expect([store.oldest, store.newest]).toEqual([8, 10]);
    store.append(['a', 'b', 'c', 'd'].map(summary => event(summary)));
    expect(summaries(store)).toEqual(['b', 'c', 'd']);
    store.close();
  });

  it('keeps fewer from the next start on when it is told so', () => {
    const file = newFile();
    const store = open(file, 10);
    store.append(['1', '2', '3', '4'].map(summary => event(summary)));
    store.close();
    const again = open(file, 2);
    expect(summaries(again)).toEqual(['3', '4']);
    expect(again.oldest).toBe(3);
    again.close();
  });

  it('finds those of one guest, and the newest', () => {
    const store = open(newFile());
    store.append([event('1', '/a'), event('2', '/b'), event('3', '/a'), event('4'), event('5', '/a')]);
    expect(summaries(store, 1, '/a')).toEqual(['3', '5']);
    expect(store.readNewest({ limit: 2, guest: '/a' }).map(({ number }) => number)).toEqual([3, 5]);
    expect(store.readNewest({ limit: 2 }).map(({ number }) => number)).toEqual([4, 5]);
    store.append([{ ...event('6', '/a'), data: {} }]);
    expect(store.newestWith('n').map(({ number }) => number)).toEqual([2, 5]);
    store.close();
  });

  it('goes on with its numbers and its epoch, whether it was closed or not', () => {
    const file = newFile();
    const killed = open(file);
    killed.append([event('1'), event('2')]);
    const next = open(file);
    expect([next.newest, next.epoch, next.wasClosed]).toEqual([2, killed.epoch, false]);
    next.append([event('3')]);
    next.close();
    const last = open(file, 100, 'boot-2');
    expect([last.newest, last.epoch, last.wasClosed]).toEqual([3, killed.epoch, true]);
    last.close();
    killed.close();
  });

  it('gives no number out twice after a power failure that took events nobody flushed', () => {
    const file = newFile();
    const lost = open(file);
    lost.append([event('1'), event('2')]);
    // What the disk has not got is not there after the failure.
    const eraser = new Database(file);
    eraser.exec('DELETE FROM event WHERE number = 2');
    eraser.close();
    const next = open(file, 100, 'boot-2');
    next.append([event('3')]);
    const [first, second, ...others] = next.read({ after: 0, limit: 9 });
    expect([first?.summary, second?.summary, others.length]).toEqual(['1', '3', 0]);
    expect(second?.number).toBeGreaterThan(2);
    next.close();
    lost.close();
  });

  it('reserves more numbers before it runs out of them', () => {
    const file = newFile();
    const store = open(file, 10);
    store.append(Array.from({ length: 25_000 }, (_, index) => event(String(index))));
    const next = open(file, 10, 'boot-2');
    expect(next.newest).toBeGreaterThanOrEqual(25_000);
    next.close();
    store.close();
  });

  it('has another epoch in a new file', () => {
    const [one, other] = [open(newFile()), open(newFile())];
    expect(one.epoch).toMatch(/^[0-9a-f]{8}$/);
    expect(other.epoch).not.toBe(one.epoch);
    one.close();
    other.close();
  });

  it('refuses a file that is damaged', () => {
    const file = newFile();
    writeFileSync(file, 'no database at all, but long enough to be one '.repeat(100));
    expect(() => open(file)).toThrow(DamagedDatabaseError);
  });

  it('leaves everything as it was when events cannot be written', () => {
    const file = newFile();
    const store = open(file);
    store.append([event('1')]);
    const wrong = { ...event('2'), at: 'never' as unknown as number };
    expect(() => store.append([event('2'), wrong])).toThrow(/^write the database: /);
    expect([summaries(store), store.newest]).toEqual([['1'], 1]);
    store.append([event('2')]);
    expect(store.newest).toBe(2);
    store.close();
  });
});
