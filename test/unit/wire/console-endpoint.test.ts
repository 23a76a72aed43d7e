import { createServer } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import type { Access } from '../../../src/rpc/call.ts';
import { ConsoleEndpoint, type ConsolePort } from '../../../src/wire/console-endpoint.ts';
import type { Origin } from '../../../src/wire/rpc-endpoint.ts';

type Request = Parameters<ConsolePort['attach']>[0];

const network: Origin = { kind: 'network' };

/** An endpoint whose console says back what is typed; what it was asked for is kept. */
async function serve({
  origin = network,
  access = 'operate',
  failure,
}: {
  readonly origin?: Origin;
  readonly access?: Access;
  readonly failure?: AgentError;
} = {}) {
  const requests: Request[] = [];
  const endpoint = new ConsoleEndpoint({
    authenticator: {
      authenticate: header =>
        header === 'Basic good'
          ? { ok: true, user: 'ann', role: access }
          : { ok: false, reason: header ? 'wrong' : 'missing' },
    },
    consoles: {
      attach(request, open) {
        requests.push(request);
        if (failure) throw failure;
        const sink = open();
        sink.write('history;');
        return { type: bytes => void sink.write(bytes), close: () => void sink.end() };
      },
    },
  });
  const server = createServer().on('upgrade', (request, socket, head) =>
    endpoint.handle(request, socket, head, origin),
  );
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { port, requests };
}

/** Sends a request and what is typed behind it, and collects everything until the other side ends. */
function send(port: number, path: string, headers: readonly string[], typed = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    let received = '';
    socket.on('data', data => {
      received += String(data);
      if (typed !== '' && received.endsWith(typed)) socket.end();
    });
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
    socket.write([`GET ${path} HTTP/1.1`, 'Host: agent', ...headers, '', typed].join('\r\n'));
  });
}

const upgrade = ['Connection: Upgrade', 'Upgrade: ovs-console'];
const login = 'Authorization: Basic good';

describe('a console over HTTP', () => {
  it('changes the protocol and passes both ways', async () => {
    const { port, requests } = await serve();
    const answer = await send(port, '/console?guest=web&force=1&history=9', [...upgrade, login], 'typed');
    expect(answer).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ovs-console\r\n\r\nhistory;typed',
    );
    expect(requests).toEqual([
      { guest: 'web', mode: 'interactive', takeOver: true, historyBytes: 9, user: 'ann', from: '127.0.0.1' },
    ]);
  });

  it('needs no login where only the owner can connect', async () => {
    const { port, requests } = await serve({ origin: { kind: 'control' } });
    expect(await send(port, '/console?guest=web&mode=view', upgrade, 'x')).toContain('101');
    expect(requests[0]).toMatchObject({ mode: 'view', user: 'root', from: 'local', takeOver: false });
  });

  it.each([
    ['without a login', upgrade, '401 Unauthorized'],
    ['with a wrong login', [...upgrade, 'Authorization: Basic bad'], '401 Unauthorized'],
    ['from a page in a browser', [...upgrade, login, 'Origin: https://evil.example'], '403 Forbidden'],
    ['for another protocol', ['Connection: Upgrade', 'Upgrade: websocket', login], '400 Bad Request'],
  ])('is refused %s', async (_what, headers, status) => {
    const { port, requests } = await serve();
    expect(await send(port, '/console?guest=web', headers)).toContain(`HTTP/1.1 ${status}`);
    expect(requests).toEqual([]);
  });

  it('is refused at other places, and with a history that is no number', async () => {
    const { port } = await serve();
    expect(await send(port, '/RPC2', [...upgrade, login])).toContain('400 Bad Request');
    expect(await send(port, '/console?guest=web&history=all', [...upgrade, login])).toContain('400 Bad Request');
  });

  it('lets a reader look and not type', async () => {
    const { port } = await serve({ access: 'read' });
    expect(await send(port, '/console?guest=web', [...upgrade, login])).toContain('403 Forbidden');
    expect(await send(port, '/console?guest=web&mode=view', [...upgrade, login], 'x')).toContain('101');
  });

  it('says why it cannot be had', async () => {
    const { port } = await serve({ failure: new AgentError('BUSY', 'console of web: ann types there') });
    const answer = await send(port, '/console?guest=web', [...upgrade, login]);
    expect(answer).toContain('HTTP/1.1 409 Conflict');
    expect(answer).toContain('console of web: ann types there\n');
  });
});
