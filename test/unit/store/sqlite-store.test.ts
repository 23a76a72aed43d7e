import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DamagedDatabaseError, setDatabaseAside } from '../../../src/store/sqlite-file.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

function open(file: string): SqliteStore {
  const store = SqliteStore.open(file);
  onTestFinished(() => store.close());
  return store;
}

const newFile = (): string => join(temporaryDirectory(), 'agent.db');

describe('the SQLite store', () => {
  it('finds what was merged, field by field', async () => {
    const store = open(newFile());
    await store.merge('vm', '/a', { status: 'DOWN', memory: 256 });
    await store.merge('vm', '/a', { status: 'RUNNING', managed: true });
    expect(store.find('vm', '/a')).toEqual({ status: 'RUNNING', memory: 256, managed: true });
  });

  it('removes a field that is set to null, in new records too', async () => {
    const store = open(newFile());
    await store.merge('vm', '/a', { status: 'DOWN', reason: null });
    expect(store.find('vm', '/a')).toEqual({ status: 'DOWN' });
    await store.merge('vm', '/a', { status: null });
    expect(store.find('vm', '/a')).toEqual({});
  });

  it('lists a database in the order of its keys, and names the databases that hold records', async () => {
    const store = open(newFile());
    await Promise.all([
      store.merge('vm', '/b', { n: 2 }),
      store.merge('vm', '/a', { n: 1 }),
      store.merge('sr', 'x', { n: 3 }),
    ]);
    expect(store.list('vm')).toEqual([
      { key: '/a', fields: { n: 1 } },
      { key: '/b', fields: { n: 2 } },
    ]);
    expect(store.databases()).toEqual(['sr', 'vm']);
  });

  it('forgets a record', async () => {
    const store = open(newFile());
    await store.merge('vm', '/a', { n: 1 });
    await store.delete('vm', '/a');
    expect(store.find('vm', '/a')).toBeUndefined();
  });

  it('has written what it acknowledged: another program reads it at once', async () => {
    const file = newFile();
    const one = open(file);
    const two = open(file);
    await one.merge('vm', '/a', { status: 'RUNNING' });
    expect(two.find('vm', '/a')).toEqual({ status: 'RUNNING' });
  });

  it('loses no field when two programs write different fields of one record at once', async () => {
    const file = newFile();
    const [one, two] = [open(file), open(file)];
    const writes: Promise<void>[] = [];
    for (let index = 0; index < 50; index++) {
      writes.push(one.merge('vm', '/a', { [`one${index}`]: index }), two.merge('vm', '/a', { [`two${index}`]: index }));
    }
    await Promise.all(writes);
    expect(Object.keys(one.find('vm', '/a') ?? {})).toHaveLength(100);
  });

  it('flushes each commit to the disk', () => {
    const file = newFile();
    open(file);
    const database = new Database(file);
    onTestFinished(() => void database.close());
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(readFileSync(new URL('../../../src/store/sqlite-file.ts', import.meta.url), 'utf8')).toContain(
      'synchronous = FULL',
    );
  });

  it('keeps keys apart that differ only in what SQL or LIKE would read', async () => {
    const store = open(newFile());
    const keys = ["/a'; DROP TABLE record; --", '/a%', '/a_', '/A'];
    for (const key of keys) await store.merge('vm', key, { key });
    expect(keys.map(key => store.find('vm', key)?.['key'])).toEqual(keys);
  });

  it('refuses a file that a newer version wrote, and leaves it alone', () => {
    const file = newFile();
    const database = new Database(file);
    database.pragma('user_version = 99');
    database.close();
    const before = readFileSync(file);
    expect(() => SqliteStore.open(file)).toThrow(
      /a newer version of ovs-agent wrote it \(layout 99, this version knows \d+\)/,
    );
    expect(readFileSync(file)).toEqual(before);
  });

  it('tells a damaged file from one that cannot be opened', async () => {
    const file = newFile();
    const store = SqliteStore.open(file);
    for (let index = 0; index < 200; index++) await store.merge('vm', `/guest${index}`, { text: 'x'.repeat(200) });
    await store.close();
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 4096);
    writeFileSync(file, bytes);
    expect(() => SqliteStore.open(file)).toThrow(DamagedDatabaseError);
    expect(() => SqliteStore.open(join(temporaryDirectory(), 'missing', 'agent.db'))).not.toThrow(DamagedDatabaseError);
    expect(() => SqliteStore.open(join(temporaryDirectory(), 'missing', 'agent.db'))).toThrow(/^open /);
  });

  it('takes a file that is no database for damaged, and a new one can be made in its place', async () => {
    const file = newFile();
    writeFileSync(file, 'this is no database, and it is long enough to be looked at\n'.repeat(20));
    expect(() => SqliteStore.open(file)).toThrow(DamagedDatabaseError);
    const aside = setDatabaseAside(file, 'now');
    expect(existsSync(aside)).toBe(true);
    const store = open(file);
    await store.merge('vm', '/a', { n: 1 });
    expect(store.find('vm', '/a')).toEqual({ n: 1 });
  });
});
