import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { createLog } from '../../../src/host/log.ts';
import type { Access } from '../../../src/rpc/call.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import type { AttachOptions, ConsoleReader, ConsoleSession } from '../../../src/services/guest-console.ts';
import { ConsoleEndpoint } from '../../../src/wire/console-endpoint.ts';
import { Listeners } from '../../../src/wire/listeners.ts';
import type { User } from '../../../src/wire/password-file.ts';
import { RpcEndpoint } from '../../../src/wire/rpc-endpoint.ts';
import { cheapHash } from '../../support/cheap-hash.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';
import { Authenticator } from '../../../src/wire/authentication.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { writeMethodCall } from '../../../src/xmlrpc/writer.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const limits = {
  headerTimeMs: 5_000,
  bodyTimeMs: 5_000,
  keepAliveTimeMs: 5_000,
  headerBytes: 16_384,
  bodyBytes: 1_000_000,
  connections: 100,
  connectionsPerAddress: 100,
  requestsPerConnection: 1_000,
  document: { depth: 32, values: 10_000 },
};

interface AttachedOne {
  readonly options: AttachOptions;
  readonly reader: ConsoleReader;
  typed: string;
  isClosed: boolean;
  takesInput: boolean;
}

/** An endpoint whose one guest answers a session with `history` and takes what is typed. */
async function serve({ refusal, patienceMs = 5_000 }: { refusal?: AgentError; patienceMs?: number } = {}): Promise<{
  port: number;
  control: string;
  endpoint: ConsoleEndpoint;
  attached: AttachedOne[];
  audit: string[];
  users: Map<string, User>;
}> {
  const attached: AttachedOne[] = [];
  const audit: string[] = [];
  const user = (name: string, role: Access): [string, User] => [name, { name, role, hash: cheapHash('secret') }];
  const users = new Map([user('reader', 'read'), user('operator', 'operate')]);
  const authenticator = new Authenticator({
    users: () => users,
    clock: systemClock,
    failureDelayMs: 1,
    failureDelayLimitMs: 1,
    cacheEntries: 10,
    cacheTimeMs: 60_000,
  });
  const endpoint = new ConsoleEndpoint({
    consoles: {
      find: guest => {
        if (guest !== 'guest')
          throw new AgentError('NO_SUCH_GUEST', `guest "${guest}": no guest of that name is registered`);
        return path;
      },
      attach: (_path, options, reader): ConsoleSession => {
        if (refusal) throw refusal;
        const one: AttachedOne = { options, reader, typed: '', isClosed: false, takesInput: true };
        attached.push(one);
        reader.write(Buffer.from('history\n'));
        return {
          write: data => {
            one.typed += Buffer.from(data).toString();
            return one.takesInput;
          },
          close: () => {
            one.isClosed = true;
          },
        };
      },
    },
    authenticator,
    users: () => users,
    patienceMs,
    audit: createLog('info', [{ write: line => void audit.push(line) }]),
    log: silentLog,
  });
  const rpc = new RpcEndpoint(
    {
      dispatch: (_call, _method, params) => params[0] ?? '',
      authenticator,
      limits,
      events: { handle: () => undefined },
      page: () => 'page',
      log: silentLog,
    },
    'test',
  );
  const listeners = new Listeners({
    endpoint: rpc,
    consoles: endpoint,
    guard: { decide: () => true },
    limits,
    tls: undefined,
    portOwner: () => undefined,
    log: silentLog,
  });
  const [bound] = await listeners.listen(['127.0.0.1'], 0);
  const control = join(temporaryDirectory(), 'control');
  await listeners.listenLocally(control);
  onTestFinished(() => {
    listeners.stopAccepting();
    endpoint.closeAll();
    listeners.closeAll();
  });
  return { port: bound!.port, control, endpoint, attached, audit, users };
}

class Client {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(to: { port: number } | { path: string }) {
    this.socket = createConnection('path' in to ? to : { ...to, host: '127.0.0.1' });
    this.socket.setEncoding('utf8');
    this.socket.on('data', (text: string) => (this.received += text));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.isClosed = true));
    onTestFinished(() => void this.socket.destroy());
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  async until(pattern: RegExp): Promise<string> {
    await waitUntil(`${String(pattern)} in ${JSON.stringify(this.received)}`, () => pattern.test(this.received), 4_000);
    return this.received;
  }

  async untilClosed(): Promise<string> {
    await waitUntil('the connection is closed', () => this.isClosed, 4_000);
    return this.received;
  }
}

function ask(query: string, { user = '', headers = '', method = 'GET', path: place = '/console' } = {}): string {
  const login = user === '' ? '' : `Authorization: Basic ${Buffer.from(`${user}:secret`).toString('base64')}\r\n`;
  return (
    `${method} ${place}?${query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ovs-console\r\n` +
    `${login}${headers}\r\n`
  );
}

describe('the endpoint of consoles', () => {
  it('makes a connection a console: history first, then bytes in both directions', async () => {
    const { control, attached, audit } = await serve();
    const client = new Client({ path: control }).send(`${ask('guest=guest')}early`);
    expect(await client.until(/history\n/)).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ovs-console\r\n\r\nhistory\n',
    );
    const [one] = attached;
    expect(one?.options).toEqual({ mode: 'interactive', takeOver: false, historyBytes: 16_384, who: 'root (local)' });
    client.send(' and late');
    await waitUntil('it was typed', () => one?.typed === 'early and late');
    one?.reader.write(Buffer.from('printed'));
    await client.until(/history\nprinted$/);
    client.socket.end();
    await client.untilClosed();
    await waitUntil('the session is closed', () => one?.isClosed === true);
    const lines = audit.map(line => JSON.parse(line) as Record<string, unknown>);
    const facts = { method: 'console', mode: 'interactive', user: 'root', from: 'local', guest: path };
    expect(lines).toEqual([
      expect.objectContaining({ ...facts, outcome: 'attached' }),
      expect.objectContaining({ ...facts, outcome: 'detached' }),
    ]);
  });

  it('passes on what is asked for', async () => {
    const { control, attached } = await serve();
    const force = new Client({ path: control }).send(ask('guest=guest&take_over=yes&history=0'));
    const view = new Client({ path: control }).send(ask('guest=guest&mode=view&history=99'));
    await Promise.all([force.until(/history/), view.until(/history/)]);
    expect(attached.map(({ options }) => options).sort((one, other) => one.historyBytes - other.historyBytes)).toEqual([
      { mode: 'interactive', takeOver: true, historyBytes: 0, who: 'root (local)' },
      { mode: 'view', takeOver: false, historyBytes: 99, who: 'root (local)' },
    ]);
  });

  it('over the network asks for a login that may operate, or read for a view', async () => {
    const { port, attached } = await serve();
    const open = async (query: string, user: string): Promise<string> =>
      new Client({ port }).send(ask(query, { user })).until(/\n\n?$/);
    expect(await open('guest=guest', '')).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\nWWW-Authenticate: Basic /);
    expect(await open('guest=guest', 'nobody')).toMatch(/^HTTP\/1\.1 401 /);
    expect(await open('guest=guest', 'reader')).toMatch(
      /^HTTP\/1\.1 403 [^]*user reader has access "read"; it needs "operate"\n$/,
    );
    expect(attached).toEqual([]);
    expect(await open('guest=guest&mode=view', 'reader')).toMatch(/^HTTP\/1\.1 101 /);
    expect(await open('guest=guest', 'operator')).toMatch(/^HTTP\/1\.1 101 /);
    expect(attached.map(({ options }) => options.who)).toEqual(['reader (127.0.0.1)', 'operator (127.0.0.1)']);
  });

  it.each([
    [
      'a guest that is not there',
      ask('guest=other'),
      /^HTTP\/1\.1 404 [^]*Ovs-Failure: NO_SUCH_GUEST\r\n[^]*\r\n\r\nguest "other": no guest of that name is registered\n$/,
    ],
    ['no guest', ask('mode=view'), /^HTTP\/1\.1 400 [^]*guest is missing/],
    ['an unknown parameter', ask('guest=guest&shell=yes'), /^HTTP\/1\.1 400 [^]*parameter "shell" is unknown/],
    ['a parameter given twice', ask('guest=guest&guest=other'), /^HTTP\/1\.1 400 [^]*given twice/],
    ['an unknown mode', ask('guest=guest&mode=root'), /^HTTP\/1\.1 400 [^]*mode must be interactive or view/],
    ['a view that takes over', ask('guest=guest&mode=view&take_over=yes'), /^HTTP\/1\.1 400 [^]*leave out mode=view/],
    ['a history that is no number', ask('guest=guest&history=-1'), /^HTTP\/1\.1 400 [^]*number of bytes/],
    ['another method', ask('guest=guest', { method: 'POST' }), /^HTTP\/1\.1 400 [^]*asked for by GET/],
    ['another place', ask('guest=guest', { path: '/RPC2' }), /^HTTP\/1\.1 400 [^]*asked for by GET \/console/],
    [
      'a page of a browser',
      ask('guest=guest', { headers: 'Origin: https://evil.example\r\n' }),
      /^HTTP\/1\.1 403 [^]*pages of a browser/,
    ],
  ])('refuses %s', async (_what, request, answer) => {
    const { control, attached } = await serve();
    const client = new Client({ path: control }).send(request);
    expect(await client.untilClosed()).toMatch(answer);
    expect(attached).toEqual([]);
  });

  it('refuses with the sentence of the failure, before anything else was sent', async () => {
    const { control, audit } = await serve({
      refusal: new AgentError('BUSY', 'console of x: admin (10.1.1.1) holds it'),
    });
    const answer = await new Client({ path: control }).send(ask('guest=guest')).untilClosed();
    expect(answer).toMatch(/^HTTP\/1\.1 409 Conflict\r\n[^]*\r\n\r\nconsole of x: admin \(10\.1\.1\.1\) holds it\n$/);
    expect(JSON.parse(audit[0]!)).toMatchObject({ code: 'BUSY', outcome: 'console of x: admin (10.1.1.1) holds it' });
  });

  it('sends the last words, and ends the connection of a client that does not hang up', async () => {
    const { control, attached } = await serve({ patienceMs: 100 });
    const client = new Client({ path: control }).send(ask('guest=guest'));
    await client.until(/history/);
    const half = createConnection({ path: control, allowHalfOpen: true });
    onTestFinished(() => void half.destroy());
    half.on('error', () => undefined);
    half.resume().write(ask('guest=guest'));
    await waitUntil('both are attached', () => attached.length === 2);
    for (const { reader } of attached) reader.end('[console closed: x]\r\n');
    expect(await client.untilClosed()).toMatch(/history\n\[console closed: x\]\r\n$/);
    await waitUntil('both are gone', () => attached.every(one => one.isClosed));
  });

  it('does not read on from a client while its guest takes nothing, until it does', async () => {
    const { control, attached } = await serve();
    const client = new Client({ path: control }).send(ask('guest=guest'));
    await client.until(/history/);
    const one = attached[0]!;
    one.takesInput = false;
    client.send('first');
    await waitUntil('it was typed', () => one.typed === 'first');
    client.send('second');
    // What is sent later on another connection is answered: by then the first would have been read.
    await new Client({ path: control }).send(ask('guest=other')).untilClosed();
    expect(one.typed).toBe('first');
    one.takesInput = true;
    one.reader.drained();
    await waitUntil('the rest was typed', () => one.typed === 'firstsecond');
  });

  it('notices that a client hangs up whose guest takes nothing, and drops what it typed meanwhile', async () => {
    const { control, attached } = await serve({ patienceMs: 100 });
    const client = new Client({ path: control }).send(ask('guest=guest'));
    await client.until(/history/);
    const one = attached[0]!;
    one.takesInput = false;
    client.send('first');
    await waitUntil('it was typed', () => one.typed === 'first');
    client.send('second');
    client.socket.end();
    await waitUntil('the session is closed', () => one.isClosed);
    expect(one.typed).toBe('first');
  });

  it('detaches a user whose password or role was changed, and only that one', async () => {
    const { port, endpoint, users, attached } = await serve();
    const [operator, reader] = ['operator', 'reader'].map(user =>
      new Client({ port }).send(ask(user === 'reader' ? 'guest=guest&mode=view' : 'guest=guest', { user })),
    );
    await Promise.all([operator!.until(/history/), reader!.until(/history/)]);
    endpoint.checkUsers();
    users.set('operator', { ...users.get('operator')!, role: 'read' });
    endpoint.checkUsers();
    expect(await operator!.untilClosed()).toMatch(/\[console closed: the user or its password was changed\]\r\n$/);
    expect(reader!.isClosed).toBe(false);
    users.set('reader', { ...users.get('reader')!, hash: cheapHash('other') });
    endpoint.checkUsers();
    await reader!.untilClosed();
    await waitUntil('both sessions are closed', () => attached.every(one => one.isClosed));
  });

  it('leaves a call that offers another protocol beside HTTP what it is', async () => {
    const { port } = await serve();
    const login = `Authorization: Basic ${Buffer.from('operator:secret').toString('base64')}\r\n`;
    const post = (body: string, offer: string): string =>
      `POST /RPC2 HTTP/1.1\r\nHost: x\r\n${login}${offer}Content-Type: text/xml\r\nContent-Length: ${body.length}\r\n\r\n`;
    const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
    const [one, two, three] = ['one', 'two', 'three'].map(text => writeMethodCall('echo', [text])) as [
      string,
      string,
      string,
    ];
    const client = new Client({ port }).send(post(one, offer) + one);
    await client.until(/<string>one<\/string>/);
    // Its body may come later than its head, and more calls may follow on the connection.
    client.send(post(two, offer));
    await new Client({ port }).send(ask('guest=other', { user: 'operator' })).untilClosed();
    client.send(two);
    await client.until(/<string>two<\/string>/);
    client.send(post(three, '') + three);
    await client.until(/<string>three<\/string>/);
  });
});
