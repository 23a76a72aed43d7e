import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import type { Access } from '../../../src/rpc/call.ts';
import { EventLog } from '../../../src/services/event-log.ts';
import { SqliteEventStore } from '../../../src/store/sqlite-event-store.ts';
import { Authenticator } from '../../../src/wire/authentication.ts';
import { EventEndpoint } from '../../../src/wire/event-endpoint.ts';
import { Listeners } from '../../../src/wire/listeners.ts';
import type { User } from '../../../src/wire/password-file.ts';
import { RpcEndpoint } from '../../../src/wire/rpc-endpoint.ts';
import { cheapHash } from '../../support/cheap-hash.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const guest = parseGuestPath('/OVS/running_pool/guest');
const PATIENCE_MS = 60_000;

interface Served {
  readonly port: number;
  readonly control: string;
  readonly log: EventLog;
  readonly endpoint: EventEndpoint;
  readonly clock: ManualClock;
  readonly users: Map<string, User>;
}

/** A wire with an event log behind it; its clock stands still. */
async function serve({ kept = 1000, streams = 10, timeLimitsMs = 5000 } = {}): Promise<Served> {
  const directory = temporaryDirectory();
  const clock = new ManualClock();
  const store = SqliteEventStore.open({ file: join(directory, 'events.db'), kept, bootId: 'boot' });
  const log = new EventLog({ store, clock, log: silentLog });
  const user = (name: string, role: Access): [string, User] => [name, { name, role, hash: cheapHash('secret') }];
  const users = new Map([user('reader', 'read'), user('admin', 'admin')]);
  const authenticator = new Authenticator({
    users: () => users,
    clock: systemClock,
    failureDelayMs: 1,
    failureDelayLimitMs: 1,
    cacheEntries: 10,
    cacheTimeMs: 60_000,
  });
  const endpoint = new EventEndpoint({
    events: log,
    users: () => users,
    streams,
    patienceMs: PATIENCE_MS,
    clock,
    log: silentLog,
  });
  const limits = {
    headerTimeMs: timeLimitsMs,
    bodyTimeMs: timeLimitsMs,
    keepAliveTimeMs: timeLimitsMs,
    headerBytes: 16_384,
    bodyBytes: 1_000_000,
    connections: 100,
    connectionsPerAddress: 100,
    requestsPerConnection: 1000,
    document: { depth: 32, values: 10_000 },
  };
  const rpc = new RpcEndpoint(
    {
      dispatch: (_call, _method, params) => params[0] ?? '',
      authenticator,
      events: endpoint,
      limits,
      page: () => 'page',
      log: silentLog,
    },
    'test',
  );
  const listeners = new Listeners({
    endpoint: rpc,
    consoles: { isFor: () => false, handle: () => undefined },
    guard: { decide: () => true },
    limits,
    tls: undefined,
    portOwner: () => undefined,
    log: silentLog,
  });
  const [bound] = await listeners.listen(['127.0.0.1'], 0);
  const control = join(directory, 'control');
  await listeners.listenLocally(control);
  onTestFinished(() => {
    listeners.stopAccepting();
    log.close();
    listeners.closeAll();
  });
  return { port: bound!.port, control, log, endpoint, clock, users };
}

interface SentEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
}

class Client {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(to: { port: number } | { path: string }) {
    this.socket = createConnection('path' in to ? to : { ...to, host: '127.0.0.1' });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => (this.received += text));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.isClosed = true));
    onTestFinished(() => void this.socket.destroy());
  }

  get(query = '', { user = '', headers = '', method = 'GET' } = {}): this {
    const login = user === '' ? '' : `Authorization: Basic ${Buffer.from(`${user}:secret`).toString('base64')}\r\n`;
    this.socket.write(`${method} /events${query} HTTP/1.1\r\nHost: x\r\n${login}${headers}\r\n`);
    return this;
  }

  /** What came, without the chunks of HTTP. All that is sent here has one byte per character. */
  get body(): string {
    let rest = this.received.slice(this.received.indexOf('\r\n\r\n') + 4);
    let body = '';
    for (;;) {
      const [line = ''] = rest.split('\r\n', 1);
      const size = Number.parseInt(line, 16);
      if (!(size > 0)) return body;
      body += rest.slice(line.length + 2, line.length + 2 + size);
      rest = rest.slice(line.length + 4 + size);
    }
  }

  /** The events that came whole, read as the standard says. */
  get events(): SentEvent[] {
    const blocks = this.body.split('\n\n').slice(0, -1);
    return blocks
      .map(block =>
        Object.fromEntries(
          block
            .split('\n')
            .filter(line => !line.startsWith(':'))
            .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        ),
      )
      .filter(event => 'data' in event);
  }

  get summaries(): string[] {
    return this.events.map(({ data }) => (JSON.parse(data!) as { summary: string }).summary);
  }

  async until(what: string, isTrue: () => boolean): Promise<this> {
    await waitUntil(`${what} in ${this.received.slice(-500)}`, isTrue, 5000);
    return this;
  }

  untilBegun(): Promise<this> {
    return this.until('the stream has begun', () => this.received.includes('retry: 2000'));
  }

  untilEvents(count: number): Promise<this> {
    return this.until(`${count} events`, () => this.events.length >= count);
  }

  untilClosed(): Promise<this> {
    return this.until('the end of the connection', () => this.isClosed);
  }
}

async function emit(log: EventLog, ...summaries: string[]): Promise<void> {
  for (const summary of summaries) log.emit({ kind: 'server', summary });
  await nextTurn();
}

describe('the stream of events', () => {
  it('has the framing of server-sent events: an id, the kind, and one line of JSON', async () => {
    const { control, log } = await serve();
    const client = await new Client({ path: control }).get().untilBegun();
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Type: text\/event-stream; charset=utf-8\r\n/);
    expect(client.received).toContain('Cache-Control: no-store\r\n');
    log.emit({ kind: 'guest', guest, user: 'admin', summary: 'two\nlines', data: { text: 'a\nb\r\nc' } });
    await client.untilEvents(1);
    const token = log.tokenOf(1);
    const data = JSON.stringify({
      token,
      number: 1,
      at: '2026-01-01T00:00:00.000Z',
      kind: 'guest',
      guest,
      user: 'admin',
      summary: 'two lines',
      data: { text: 'a\nb\r\nc' },
    });
    expect(client.body).toBe(`retry: 2000\nid: ${log.tokenOf(0)}\n\nid: ${token}\nevent: guest\ndata: ${data}\n\n`);
  });

  it('begins with now, or behind a token, of which the header counts first', async () => {
    const { port, log } = await serve();
    await emit(log, 'one', 'two', 'three');
    const [second, first] = [log.tokenOf(2), log.tokenOf(1)];
    const ask = (query: string, headers = ''): Client => new Client({ port }).get(query, { user: 'reader', headers });
    const [now, after, again] = [
      ask(''),
      ask(`?after=${second}`),
      ask(`?after=${first}`, `Last-Event-ID: ${second}\r\n`),
    ];
    await Promise.all([now.untilBegun(), after.untilEvents(1), again.untilEvents(1)]);
    await emit(log, 'four');
    await Promise.all([now.untilEvents(1), after.untilEvents(2), again.untilEvents(2)]);
    expect([now.summaries, after.summaries, again.summaries]).toEqual([['four'], ['three', 'four'], ['three', 'four']]);
  });

  it('keeps to one guest and to kinds', async () => {
    const { control, log } = await serve();
    const mine = await new Client({ path: control }).get(`?guest=${encodeURIComponent(guest)}`).untilBegun();
    const calls = await new Client({ path: control }).get('?kind=call,job').untilBegun();
    log.emit({ kind: 'call', guest, summary: 'call' });
    log.emit({ kind: 'guest', guest, summary: 'guest' });
    log.emit({ kind: 'server', summary: 'server' });
    log.emit({ kind: 'job', summary: 'job' });
    await Promise.all([mine.untilEvents(2), calls.untilEvents(2)]);
    expect([mine.summaries, calls.summaries]).toEqual([
      ['call', 'guest'],
      ['call', 'job'],
    ]);
  });

  it('asks for a login over the network', async () => {
    const { port } = await serve();
    for (const user of ['', 'nobody']) {
      const client = await new Client({ port }).get('', { user }).untilClosed();
      expect(client.received).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\nWWW-Authenticate: Basic /);
    }
    await new Client({ port }).get('', { user: 'reader' }).untilBegun();
  });

  it.each([
    ['a token that is none', '?after=nonsense', {}, /^HTTP\/1\.1 400 [^]*"nonsense": it is no token of an event/],
    ['a header that is none', '', { headers: 'Last-Event-ID: 17\r\n' }, /^HTTP\/1\.1 400 [^]*no token of an event/],
    ['an unknown kind', '?kind=guest,all', {}, /^HTTP\/1\.1 400 [^]*kind "all": there is no such kind/],
    ['what is no guest', '?guest=/etc', {}, /^HTTP\/1\.1 400 [^]*is not the directory of a guest/],
    ['an unknown parameter', '?since=1', {}, /^HTTP\/1\.1 400 [^]*parameter "since" is unknown/],
    ['a parameter given twice', '?kind=job&kind=call', {}, /^HTTP\/1\.1 400 [^]*given twice/],
    ['another method', '', { method: 'POST' }, /^HTTP\/1\.1 405 [^]*Allow: GET\r\n/],
    ['a page of a browser', '', { headers: 'Origin: https://evil.example\r\n' }, /^HTTP\/1\.1 403 /],
  ])('refuses %s', async (_what, query, options, answer) => {
    const { control } = await serve();
    const client = await new Client({ path: control }).get(query, options).untilClosed();
    expect(client.received).toMatch(answer);
  });

  it('says first what it cannot give any more', async () => {
    const { control, log } = await serve({ kept: 2 });
    const old = log.token;
    await emit(log, '1', '2', '3', '4', '5');
    const late = await new Client({ path: control }).get(`?after=${old}`).untilEvents(3);
    expect(late.events[0]).toMatchObject({ id: log.tokenOf(3), event: 'resync' });
    expect(JSON.parse(late.events[0]!.data!)).toMatchObject({ reason: 'too-old', lost: 3 });
    expect(late.summaries.slice(1)).toEqual(['4', '5']);
    const other = await new Client({ path: control }).get(`?after=00000000-3`).untilEvents(3);
    expect(JSON.parse(other.events[0]!.data!)).toMatchObject({ reason: 'other-log', token: log.tokenOf(3) });
    expect(other.summaries.slice(1)).toEqual(['4', '5']);
  });

  it('shows every 15 seconds that it lives, and moves the token over events that were not wanted', async () => {
    const { control, log, clock } = await serve();
    const client = await new Client({ path: control }).get('?kind=job').untilBegun();
    await clock.advance(15_000);
    await client.until('a heartbeat', () => client.body.endsWith('\n\n: \n\n'));
    await emit(log, 'one');
    await nextTurn();
    await clock.advance(15_000);
    await client.until('a token', () => client.body.endsWith(`: \n\n: \nid: ${log.tokenOf(1)}\n\n`));
    expect(client.events).toEqual([]);
  });

  it('is not cut by the time limits of requests', async () => {
    const { port, log } = await serve({ timeLimitsMs: 100 });
    const stream = await new Client({ port }).get('', { user: 'reader' }).untilBegun();
    const unfinished = new Client({ port });
    unfinished.socket.write('GET /events HTTP/1.1\r\n');
    const idle = new Client({ port }).get('?after=nonsense', { user: 'reader' });
    await Promise.all([unfinished.untilClosed(), idle.untilClosed()]);
    await emit(log, 'still here');
    await stream.untilEvents(1);
    expect(stream.isClosed).toBe(false);
  });

  it('gives more than one page to who asks for the past, all of it in order', async () => {
    const { control, log } = await serve({ kept: 5000 });
    const all = Array.from({ length: 3000 }, (_, index) => `event ${index}`);
    const { token } = log;
    await emit(log, ...all);
    const client = await new Client({ path: control }).get(`?after=${token}`).untilEvents(3000);
    expect(client.summaries).toEqual(all);
  });
});

describe('a slow reader', () => {
  const long = 'x'.repeat(900);
  /** Events of 8 MB, of which the log keeps 10 KB. */
  const flood = async (log: EventLog): Promise<void> => {
    for (let round = 0; round < 80; round++) await emit(log, ...Array<string>(100).fill(long));
  };

  it('makes the agent hold nothing for it, is told how many it missed, and goes on', async () => {
    const { control, log } = await serve({ kept: 10 });
    const client = await new Client({ path: control }).get().untilBegun();
    client.socket.pause();
    await flood(log);
    client.socket.resume();
    await client.until('a resync', () => client.events.some(({ event }) => event === 'resync'));
    await emit(log, 'and on');
    await client.until('the next event', () => client.summaries.at(-1) === 'and on');
    // What the system holds for a Unix socket, and one page.
    expect(client.received.length).toBeLessThan(1_000_000);
    const losses = client.events
      .filter(({ event }) => event === 'resync')
      .map(({ data }) => JSON.parse(data!) as object);
    expect(losses[0]).toMatchObject({ reason: 'slow' });
    const lost = losses.reduce((sum, { lost: count }: { lost?: number }) => sum + (count ?? 0), 0);
    expect(lost + client.events.length - losses.length).toBe(8001);
  });

  it('is sent away when it takes nothing for long', async () => {
    const { control, log, clock } = await serve({ kept: 10 });
    const client = await new Client({ path: control }).get().untilBegun();
    client.socket.pause();
    await flood(log);
    await clock.advance(PATIENCE_MS);
    client.socket.resume();
    await client.untilClosed();
    expect(client.events.at(-1)?.id).not.toBe(log.token);
    expect(clock.waiting).toBeLessThanOrEqual(1);
  });
});

describe('streams', () => {
  it('are bounded, those of the control socket apart', async () => {
    const { port, control } = await serve({ streams: 2 });
    const open = (): Client => new Client({ port }).get('', { user: 'reader' });
    const [first] = [await open().untilBegun(), await open().untilBegun()];
    const third = await open().untilClosed();
    expect(third.received).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After: 5\r\n[^]*2 streams are open/);
    await new Client({ path: control }).get().untilBegun();
    first.socket.destroy();
    await waitUntil('there is room again', async () => {
      const client = open();
      await client.until('an answer', () => client.received.includes('\r\n\r\n'));
      return client.received.startsWith('HTTP/1.1 200');
    });
  });

  it('end when the password or the role of their user was changed, and only those', async () => {
    const { port, control, endpoint, users, log } = await serve();
    const [reader, admin] = ['reader', 'admin'].map(user => new Client({ port }).get('', { user }));
    const local = new Client({ path: control }).get();
    await Promise.all([reader!.untilBegun(), admin!.untilBegun(), local.untilBegun()]);
    endpoint.checkUsers();
    users.set('reader', { ...users.get('reader')!, hash: cheapHash('other') });
    endpoint.checkUsers();
    await reader!.until('the end', () => reader!.received.endsWith('\r\n0\r\n\r\n'));
    expect(reader!.body).toContain(': the user or its password was changed\n\n');
    await emit(log, 'later');
    await Promise.all([admin!.untilEvents(1), local.untilEvents(1)]);
    expect(reader!.events).toEqual([]);
  });

  it('get the last events and an end when the agent stops', async () => {
    const { control, endpoint, log } = await serve();
    const client = await new Client({ path: control }).get().untilBegun();
    log.emit({ kind: 'server', summary: 'the agent stops' });
    log.close();
    await endpoint.drained(1000);
    await client.until('the end', () => client.received.endsWith('\r\n0\r\n\r\n'));
    expect(client.summaries).toEqual(['the agent stops']);
    const late = await new Client({ path: control }).get().untilClosed();
    expect(late.received).toMatch(/^HTTP\/1\.1 503 [^]*Ovs-Failure: STOPPING/);
  });
});
