import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/host/clock.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { Authenticator } from '../../src/wire/authentication.ts';
import { hashPassword } from '../../src/wire/password-file.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { median, type Row } from './measure.ts';

const COMMITS = 300;

/** A durable commit of the store, against an append that is flushed; and a login that was verified before. */
export async function benchRecords(): Promise<Row[]> {
  const directory = makeTemporaryDirectory();
  const store = SqliteStore.open(join(directory, 'agent.db'));
  const file = openSync(join(directory, 'log'), 'a');
  try {
    const floor: number[] = [];
    const product: number[] = [];
    for (let index = 0; index < COMMITS; index++) {
      floor.push(
        await microseconds(() => {
          writeSync(file, 'x'.repeat(200));
          fdatasyncSync(file);
        }),
      );
      product.push(
        await microseconds(() => store.merge('vm', `/OVS/running_pool/g${index % 20}`, { status: 'RUNNING', index })),
      );
    }
    const login = await cachedLogin();
    return [
      {
        work: 'durable commit of one record',
        floor: `append and fdatasync: ${median(floor).toFixed(0)} µs`,
        product: `${median(product).toFixed(0)} µs`,
        ratio: median(product) / median(floor),
        target: '≤ 2',
        isMet: median(product) / median(floor) <= 2,
      },
      {
        work: 'login that was verified before',
        floor: '',
        product: `${login.toFixed(1)} µs`,
        ratio: undefined,
        target: '≤ 5 µs',
        isMet: login <= 5,
      },
    ];
  } finally {
    closeSync(file);
    await store.close();
    rmSync(directory, { recursive: true });
  }
}

async function cachedLogin(): Promise<number> {
  const hash = await hashPassword('secret');
  const authenticator = new Authenticator({
    users: () => new Map([['admin', { name: 'admin', role: 'admin', hash }]]),
    clock: systemClock,
    failureDelayMs: 0,
    failureDelayLimitMs: 0,
    cacheEntries: 16,
    cacheTimeMs: 600_000,
  });
  const header = `Basic ${Buffer.from('admin:secret').toString('base64')}`;
  await authenticator.authenticate(header, '127.0.0.1');
  const rounds = 100_000;
  for (let index = 0; index < rounds; index++) void authenticator.authenticate(header, '127.0.0.1');
  return (
    (await microseconds(() => {
      for (let index = 0; index < rounds; index++) void authenticator.authenticate(header, '127.0.0.1');
    })) / rounds
  );
}

async function microseconds(work: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) * 1000;
}
