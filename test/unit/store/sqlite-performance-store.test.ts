import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { performanceRings, type PerformanceSample, SERVER_SERIES } from '../../../src/store/performance-store.ts';
import { SqlitePerformanceStore } from '../../../src/store/sqlite-performance-store.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const [SAMPLES, MINUTES, QUARTERS] = performanceRings;
const NOW = 1_800_000_000;

function open(file: string, damages: unknown[] = []): SqlitePerformanceStore {
  const store = new SqlitePerformanceStore(file, cause => damages.push(cause));
  onTestFinished(() => store.close());
  return store;
}

const newFile = (): string => join(temporaryDirectory(), 'performance.db');
const samples = (from: number, count: number, cpu: (index: number) => number = () => 10): PerformanceSample[] =>
  Array.from({ length: count }, (_, index) => ({ at: from + index * 5, figures: { cpu: cpu(index), memory: 96 } }));

describe('the store of performance data', () => {
  it('reads what was appended, within the span, in the order of time', () => {
    const store = open(newFile());
    store.append([{ series: '/a', samples: samples(NOW, 10) }]);
    expect(store.read('/a', SAMPLES, NOW + 5, NOW + 15).map(sample => sample.at)).toEqual([
      NOW + 5,
      NOW + 10,
      NOW + 15,
    ]);
    expect(store.read('/b', SAMPLES, 0, NOW * 2)).toEqual([]);
  });

  it('keeps the server and its guests apart, each with figures of its own', () => {
    const store = open(newFile());
    store.append([
      { series: SERVER_SERIES, samples: [{ at: NOW, figures: { cpu: 1, load: 0.25 } }] },
      { series: '/a', samples: [{ at: NOW, figures: { cpu: 2, vcpus: 4 } }] },
    ]);
    expect(store.read(SERVER_SERIES, SAMPLES, NOW, NOW)).toEqual([
      { at: NOW, figures: { cpu: 1, load: 0.25, cpu_max: 1 } },
    ]);
    expect(store.read('/a', SAMPLES, NOW, NOW)).toEqual([{ at: NOW, figures: { cpu: 2, vcpus: 4, cpu_max: 2 } }]);
  });

  it('makes minutes of samples and quarters of minutes, also when they arrive bit by bit', () => {
    const whole = open(newFile());
    const parts = open(newFile());
    const all = samples(NOW, 180, index => (index === 17 ? 100 : 10));
    whole.append([{ series: '/a', samples: all }]);
    for (let index = 0; index < all.length; index += 7) {
      parts.append([{ series: '/a', samples: all.slice(index, index + 7) }]);
    }
    for (const store of [whole, parts]) {
      expect(store.read('/a', MINUTES, NOW, NOW + 900)).toHaveLength(15);
      expect(store.read('/a', MINUTES, NOW + 60, NOW + 60)).toEqual([
        { at: NOW + 60, figures: { cpu: 17.5, memory: 96, cpu_max: 100 } },
      ]);
      expect(store.read('/a', QUARTERS, NOW, NOW)).toEqual([
        { at: NOW, figures: { cpu: 10.5, memory: 96, cpu_max: 100 } },
      ]);
    }
  });

  it('leaves what was not measured out of means, and out of what it reads', () => {
    const store = open(newFile());
    store.append([
      {
        series: '/a',
        samples: [
          { at: NOW, figures: { memory: 96 } },
          { at: NOW + 5, figures: { cpu: 50, memory: 96 } },
        ],
      },
    ]);
    expect(store.read('/a', SAMPLES, NOW, NOW)).toEqual([{ at: NOW, figures: { memory: 96 } }]);
    expect(store.read('/a', MINUTES, NOW, NOW)[0]!.figures['cpu']).toBe(50);
  });

  it('forgets what is too old in each ring, and a series of which nothing is left', () => {
    const file = newFile();
    const store = open(file);
    for (let index = 0; index < 50; index++) store.append([{ series: `/${index}`, samples: samples(NOW, 24) }]);
    const pruneAll = (now: number): void => {
      for (let call = 0; call < 7; call++) store.prune(now);
    };
    const left = (): number[] => performanceRings.map(ring => store.read('/30', ring, 0, NOW * 2).length);
    pruneAll(NOW + 3600);
    expect(left()).toEqual([24, 2, 1]);
    pruneAll(NOW + 3600 + 60);
    expect(left()).toEqual([12, 2, 1]);
    pruneAll(NOW + 86_400 + 60);
    expect(left()).toEqual([0, 1, 1]);
    pruneAll(NOW + 31 * 86_400);
    expect(left()).toEqual([0, 0, 0]);
    const database = new Database(file, { readonly: true });
    onTestFinished(() => void database.close());
    expect(database.prepare('SELECT count(*) FROM series').pluck().get()).toBe(0);
  });

  it('does not grow once its rings are full', () => {
    const file = newFile();
    const store = open(file);
    const sizes: number[] = [];
    for (let hour = 0; hour < 6; hour++) {
      for (let minute = 0; minute < 60; minute++) {
        const at = NOW + hour * 3600 + minute * 60;
        for (const series of ['/a', '/b', SERVER_SERIES]) store.append([{ series, samples: samples(at, 12) }]);
        store.prune(at);
      }
      sizes.push(statSync(file).size);
    }
    expect(sizes.at(-1)! - sizes[2]!).toBeLessThan(100_000);
  });

  it('takes a file of a release that measured less', () => {
    const file = newFile();
    const old = new Database(file);
    old.exec(`CREATE TABLE guest_sample (series INTEGER NOT NULL, ring INTEGER NOT NULL, at INTEGER NOT NULL, cpu REAL,
                PRIMARY KEY (series, ring, at)) WITHOUT ROWID;
              CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
              INSERT INTO series VALUES (1, '/a'); INSERT INTO guest_sample VALUES (1, 0, ${NOW}, 7)`);
    old.close();
    const store = open(file);
    store.append([{ series: '/a', samples: samples(NOW + 5, 1) }]);
    expect(store.read('/a', SAMPLES, 0, NOW * 2).map(sample => sample.figures)).toEqual([
      { cpu: 7 },
      { cpu: 10, memory: 96, cpu_max: 10 },
    ]);
  });

  it('sets a file aside that is damaged when it is opened, and begins anew', () => {
    const file = newFile();
    writeFileSync(file, 'this is no database, and it is long enough to be seen as none at all'.repeat(100));
    const damages: unknown[] = [];
    const store = open(file, damages);
    expect(damages).toHaveLength(1);
    expect(readFileSync(`${file}.damaged-last`, 'utf8')).toMatch(/^this is no database/);
    store.append([{ series: '/a', samples: samples(NOW, 1) }]);
    expect(store.read('/a', SAMPLES, NOW, NOW)).toHaveLength(1);
  });

  it('sets a file aside that is damaged while it is open, and goes on', () => {
    const file = newFile();
    const damages: unknown[] = [];
    const first = open(file);
    for (let index = 0; index < 200; index++) first.append([{ series: `/${index}`, samples: samples(NOW, 20) }]);
    first.close();
    const bytes = readFileSync(file);
    // The first pages hold the layout, without which it would not open.
    writeFileSync(file, Buffer.concat([bytes.subarray(0, 4096 * 6), Buffer.alloc(bytes.length - 4096 * 6, 0xa5)]));
    const store = open(file, damages);
    for (let index = 0; index < 200; index++) store.append([{ series: `/${index}`, samples: samples(NOW + 900, 5) }]);
    expect(damages).toHaveLength(1);
    expect(existsSync(`${file}.damaged-last`)).toBe(true);
    expect(store.read('/199', SAMPLES, 0, NOW * 2)).toHaveLength(5);
  });

  it('says what stands in the way when it cannot be made', () => {
    expect(() => open('/nowhere/at/all/performance.db')).toThrow(
      /^open the performance data: .*; see the directory of the databases/,
    );
  });
});
