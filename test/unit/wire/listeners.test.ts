import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { XmlRpcValue } from '../../../src/xmlrpc/values.ts';
import { writeMethodCall } from '../../../src/xmlrpc/writer.ts';
import type { WireLimits } from '../../../src/wire/limits.ts';
import { type AddressGuard, Listeners } from '../../../src/wire/listeners.ts';
import { RpcEndpoint } from '../../../src/wire/rpc-endpoint.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';
import { fixedLogin } from '../../support/fixed-login.ts';

const generous: WireLimits = {
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

interface Server {
  readonly port: number;
  readonly listeners: Listeners;
  readonly endpoint: RpcEndpoint;
  /** Names of the methods that were called. */
  readonly calls: string[];
}

async function serve(
  limits: Partial<WireLimits> = {},
  guard: AddressGuard = { decide: () => true },
  dispatch: (method: string, params: readonly XmlRpcValue[]) => XmlRpcValue | Promise<XmlRpcValue> = (
    _method,
    params,
  ) => params[0] ?? '',
): Promise<Server> {
  const calls: string[] = [];
  const all = { ...generous, ...limits };
  const endpoint = new RpcEndpoint(
    {
      dispatch: (_call, method, params) => {
        calls.push(method);
        return dispatch(method, params);
      },
      authenticator: fixedLogin('admin', 'secret'),
      limits: all,
      events: { handle: () => undefined },
      page: () => '<title>page</title>',
      log: silentLog,
    },
    'test',
  );
  const listeners = new Listeners({
    endpoint,
    consoles: { isFor: () => false, handle: () => undefined },
    guard,
    limits: all,
    tls: undefined,
    portOwner: () => 'somebody',
    log: silentLog,
  });
  const [bound] = await listeners.listen(['127.0.0.1'], 0);
  onTestFinished(() => {
    listeners.stopAccepting();
    listeners.closeAll();
  });
  return { port: bound!.port, listeners, endpoint, calls };
}

/** A bare connection: what a client may do that no library does. */
class Wire {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(port: number) {
    this.socket = createConnection({ port, host: '127.0.0.1' });
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
    await waitUntil(
      `${String(pattern)} in ${JSON.stringify(this.received.slice(0, 300))}`,
      () => pattern.test(this.received),
      4_000,
    );
    return this.received;
  }

  async untilClosed(timeoutMs = 4_000): Promise<string> {
    await waitUntil('the connection is closed', () => this.isClosed, timeoutMs);
    return this.received;
  }
}

const login = `Authorization: Basic ${Buffer.from('admin:secret').toString('base64')}\r\n`;

function post(body: string, { headers = login, length = Buffer.byteLength(body), path = '/' } = {}): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}Content-Type: text/xml\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

const echo = (text: string): string => writeMethodCall('echo', [text]);

describe('the wire', () => {
  it('answers several calls on one connection', async () => {
    const { port } = await serve();
    const wire = new Wire(port).send(post(echo('one')));
    await wire.until(/<string>one<\/string>/);
    wire.send(post(echo('two'), { path: '/RPC2' }));
    expect(await wire.until(/<string>two<\/string>/)).toMatch(/HTTP\/1\.1 200 OK\r\nContent-Type: text\/xml\r\n/);
  });

  it('answers a malformed document with a fault that says where', async () => {
    const { port, calls } = await serve();
    const reply = await new Wire(port)
      .send(post('<methodCall><methodName>echo</methodName><params><param>'))
      .until(/<\/methodResponse>/);
    expect(reply).toMatch(/-32700/);
    expect(reply).toMatch(/line 1, column \d+/);
    expect(calls).toEqual([]);
  });

  it('asks who it is before the body is read', async () => {
    const { port, calls } = await serve();
    const wire = new Wire(port).send(post('', { headers: '', length: 900_000 }));
    expect(await wire.until(/\r\n\r\n/)).toMatch(
      /^HTTP\/1\.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="OVSAgentServer"/,
    );
    await wire.untilClosed();
    expect(calls).toEqual([]);
  });

  it('refuses a wrong login', async () => {
    const { port } = await serve();
    const headers = `Authorization: Basic ${Buffer.from('admin:wrong').toString('base64')}\r\n`;
    expect(await new Wire(port).send(post(echo('x'), { headers })).until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 401/);
  });

  it('does not believe X-Forwarded-For', async () => {
    const asked: string[] = [];
    const { port } = await serve({}, { decide: address => asked.push(address) > 0 });
    await new Wire(port).send(post(echo('x'), { headers: `${login}X-Forwarded-For: 10.9.9.9\r\n` })).until(/<string>x/);
    expect(asked).toEqual(['127.0.0.1']);
  });

  it('ends the connection of an address without leave at once, before a word is said', async () => {
    const { port } = await serve({}, { decide: () => false });
    expect(await new Wire(port).untilClosed()).toBe('');
  });

  it('waits for a decision that takes time, and loses nothing that was sent meanwhile', async () => {
    const { port } = await serve({}, { decide: () => new Promise(resolve => setTimeout(resolve, 50, true)) });
    await new Wire(port).send(post(echo('patient'))).until(/<string>patient/);
  });

  it('shows the page to a browser', async () => {
    const { port } = await serve();
    const reply = await new Wire(port).send(`GET / HTTP/1.1\r\nHost: x\r\n${login}\r\n`).until(/<title>page<\/title>/);
    expect(reply).toMatch(/Content-Security-Policy: default-src 'none'/);
  });

  it.each([
    ['GET /etc/passwd', 404],
    ['GET /../../etc/passwd', 404],
    ['DELETE /', 405],
    ['PUT /RPC2', 405],
  ])('answers %s with %d', async (line, status) => {
    const { port } = await serve();
    const reply = await new Wire(port).send(`${line} HTTP/1.1\r\nHost: x\r\n${login}\r\n`).until(/\r\n\r\n/);
    expect(reply).toContain(`HTTP/1.1 ${status}`);
  });

  it('refuses a compressed body', async () => {
    const { port } = await serve();
    const wire = new Wire(port).send(post('x', { headers: `${login}Content-Encoding: gzip\r\n` }));
    expect(await wire.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 415/);
  });

  it('refuses two lengths', async () => {
    const { port, calls } = await serve();
    const wire = new Wire(port).send(post(echo('x'), { headers: `${login}Content-Length: 3\r\n` }));
    expect(await wire.untilClosed()).toMatch(/^HTTP\/1\.1 400/);
    expect(calls).toEqual([]);
  });

  it('takes a call in pieces of one byte', async () => {
    const { port } = await serve();
    const wire = new Wire(port);
    for (const byte of post(echo('slow'))) wire.send(byte);
    await wire.until(/<string>slow/);
  });

  it('forgets a call whose caller goes away in the middle of the body', async () => {
    const { port, calls } = await serve();
    const wire = new Wire(port).send(post('<methodCall>', { length: 500 }));
    wire.socket.end();
    await wire.untilClosed();
    await new Wire(port).send(post(echo('next'))).until(/<string>next/);
    expect(calls).toEqual(['echo']);
  });
});

describe('the limits of the wire', () => {
  it('header_time: headers that do not come', async () => {
    const { port } = await serve({ headerTimeMs: 300 });
    expect(await new Wire(port).send('POST / HTTP/1.1\r\nHost: x\r\nX-').untilClosed()).toMatch(/^HTTP\/1\.1 408/);
  });

  it('body_time: a body that comes too slowly', async () => {
    const { port, calls } = await serve({ headerTimeMs: 300, bodyTimeMs: 400 });
    const reply = await new Wire(port).send(post('<methodCall>', { length: 500 })).untilClosed();
    expect(reply).toMatch(/^HTTP\/1\.1 408/);
    expect(calls).toEqual([]);
  });

  it('header_size', async () => {
    const { port } = await serve({ headerBytes: 2_048 });
    const wire = new Wire(port).send(`POST / HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(4_000)}\r\n\r\n`);
    expect(await wire.untilClosed()).toMatch(/^HTTP\/1\.1 431/);
  });

  it('body_size, by the length that is announced', async () => {
    const { port, calls } = await serve({ bodyBytes: 1_000 });
    expect(await new Wire(port).send(post('', { length: 1_001 })).until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 413/);
    expect(calls).toEqual([]);
  });

  it('body_size, of a body without a length', async () => {
    const { port, calls } = await serve({ bodyBytes: 1_000 });
    const wire = new Wire(port).send(`POST / HTTP/1.1\r\nHost: x\r\n${login}Transfer-Encoding: chunked\r\n\r\n`);
    for (let chunk = 0; chunk < 3; chunk++) wire.send(`1f4\r\n${'x'.repeat(500)}\r\n`);
    expect(await wire.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 413/);
    expect(calls).toEqual([]);
  });

  it('xml_depth', async () => {
    const { port, calls } = await serve({ document: { depth: 4, values: 1_000 } });
    const deep = '<value><array><data>'.repeat(5) + '</data></array></value>'.repeat(5);
    const reply = await new Wire(port)
      .send(post(`<methodCall><methodName>echo</methodName><params><param>${deep}</param></params></methodCall>`))
      .until(/<\/methodResponse>/);
    expect(reply).toMatch(/-32700/);
    expect(calls).toEqual([]);
  });

  it('xml_values', async () => {
    const { port, calls } = await serve({ document: { depth: 8, values: 10 } });
    const reply = await new Wire(port)
      .send(post(writeMethodCall('echo', [Array.from({ length: 11 }, () => 'x')])))
      .until(/<\/methodResponse>/);
    expect(reply).toMatch(/-32700/);
    expect(calls).toEqual([]);
  });

  it('connections: more than allowed are closed, and there is room again afterwards', async () => {
    const { port } = await serve({ connections: 2 });
    const [one, two] = [new Wire(port), new Wire(port)];
    await one.send(post(echo('one'))).until(/<string>one/);
    await two.send(post(echo('two'))).until(/<string>two/);
    expect(await new Wire(port).untilClosed()).toBe('');
    one.socket.destroy();
    await waitUntil('there is room', async () => {
      const wire = new Wire(port).send(post(echo('three')));
      await waitUntil('an answer', () => wire.isClosed || wire.received.includes('three'));
      return wire.received.includes('three');
    });
  });

  it('connections_per_address', async () => {
    const { port } = await serve({ connectionsPerAddress: 1 });
    const one = new Wire(port);
    await one.send(post(echo('one'))).until(/<string>one/);
    expect(await new Wire(port).untilClosed()).toBe('');
    one.socket.destroy();
    await waitUntil('there is room', async () => {
      const wire = new Wire(port).send(post(echo('two')));
      await waitUntil('an answer', () => wire.isClosed || wire.received.includes('two'));
      return wire.received.includes('two');
    });
  });

  it('requests_per_connection', async () => {
    const { port } = await serve({ requestsPerConnection: 2 });
    const wire = new Wire(port);
    await wire.send(post(echo('one'))).until(/<string>one/);
    await wire.send(post(echo('two'))).until(/<string>two/);
    expect(wire.received).toMatch(/Connection: close/i);
    await wire.untilClosed();
  });

  it('keep_alive_time: a connection that waits for nothing', async () => {
    const { port } = await serve({ keepAliveTimeMs: 200 });
    const wire = new Wire(port);
    await wire.send(post(echo('one'))).until(/<string>one/);
    await wire.untilClosed();
  });
});

describe('an agent that stops', () => {
  it('answers the call that runs, ends its connection, and takes no new one', async () => {
    let answer: (value: string) => void = () => undefined;
    const { port, listeners, endpoint, calls } = await serve(
      {},
      undefined,
      () => new Promise<string>(resolve => (answer = resolve)),
    );
    const wire = new Wire(port).send(post(echo('x')));
    await waitUntil('the call runs', () => calls.length === 1);
    endpoint.close();
    listeners.stopAccepting();
    await new Wire(port).untilClosed();
    answer('late');
    await wire.until(/<string>late/);
    await wire.untilClosed();
  });
});

describe('the control socket', () => {
  it('is open to its owner only, and asks for no password', async () => {
    const { listeners, calls } = await serve();
    const path = join(temporaryDirectory(), 'control');
    await listeners.listenLocally(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const socket = createConnection({ path });
    onTestFinished(() => void socket.destroy());
    socket.write(post(echo('local'), { headers: '' }));
    await new Promise(resolve => socket.once('data', resolve));
    expect(calls).toEqual(['echo']);
  });

  it('takes the place of one that a killed agent left', async () => {
    const path = join(temporaryDirectory(), 'control');
    const first = await serve();
    await first.listeners.listenLocally(path);
    const second = await serve();
    await expect(second.listeners.listenLocally(path)).resolves.toBeUndefined();
  });
});

describe('a port that is in use', () => {
  it('is named, with the program that has it', async () => {
    const { port } = await serve();
    const { listeners } = await serve();
    await expect(listeners.listen(['127.0.0.1'], port)).rejects.toThrow(
      `listen on 127.0.0.1: port ${port} is in use by somebody; stop that, or set another port`,
    );
  });
});
