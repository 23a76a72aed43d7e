import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { GuestAgent } from '../../../src/drivers/qemu/guest-agent.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

interface Asked {
  readonly execute: string;
  readonly arguments: { readonly id?: number; readonly mode?: string };
}

/** What an agent inside does with each command. */
type Manner = (command: Asked, socket: Socket) => void;

const delimiter = Buffer.of(0xff);
const say = (socket: Socket, message: unknown): void => {
  socket.write(Buffer.concat([delimiter, Buffer.from(`${JSON.stringify(message)}\n`)]));
};
const synchronizes: Manner = ({ arguments: { id }, execute }, socket) => {
  if (execute === 'guest-sync-delimited') say(socket, { return: id });
};

describe('the guest agent', () => {
  let server: Server | undefined;
  let asked: Asked[] = [];

  afterEach(() => {
    server?.close();
    server = undefined;
  });

  async function agentThat(manner: Manner): Promise<GuestAgent> {
    asked = [];
    const socketPath = join(temporaryDirectory(), 'agent');
    server = createServer(socket => {
      socket.on('error', () => undefined);
      let partial = '';
      socket.on('data', data => {
        // The delimiter is no UTF-8: a reader of text sees it as a sign of its own, which JSON does not begin with.
        const lines = (partial + data.toString('latin1').replaceAll('\xff', '')).split('\n');
        partial = lines.pop() ?? '';
        for (const line of lines) {
          const command = JSON.parse(line) as Asked;
          asked.push(command);
          manner(command, socket);
        }
      });
    });
    await new Promise<void>(resolve => server!.listen(socketPath, resolve));
    return new GuestAgent({ path: '/OVS/running_pool/g', socketPath, clock: systemClock });
  }

  const refusal = async (agent: GuestAgent): Promise<{ code: string | undefined; message: string; ms: number }> => {
    const before = Date.now();
    const error = await agent.shutDown().then(
      () => new Error('it was done'),
      (failure: unknown) => failure as Error,
    );
    return { code: (error as { code?: string }).code, message: error.message, ms: Date.now() - before };
  };

  it('is synchronized with, then asked to power off; that it says nothing is its consent', async () => {
    const agent = await agentThat(synchronizes);
    await agent.shutDown();
    expect(asked.map(command => command.execute)).toEqual(['guest-sync-delimited', 'guest-shutdown']);
    expect(asked[1]?.arguments).toEqual({ mode: 'powerdown' });
  });

  it('may end in the middle of it, as its system does', async () => {
    const agent = await agentThat((command, socket) => {
      synchronizes(command, socket);
      if (command.execute === 'guest-shutdown') socket.destroy();
    });
    await expect(agent.shutDown()).resolves.toBeUndefined();
  });

  it('may refuse; what it says of it is not repeated', async () => {
    const agent = await agentThat((command, socket) => {
      synchronizes(command, socket);
      if (command.execute === 'guest-shutdown') say(socket, { error: { class: 'X', desc: 'success=1\u001b[2J' } });
    });
    const { code, message } = await refusal(agent);
    expect(code).toBe('NOT_SUPPORTED');
    expect(message).toBe('stop /OVS/running_pool/g: the guest agent inside refuses; use the power button');
  });

  it('is not there where there is no port', async () => {
    const agent = new GuestAgent({ path: '/g', socketPath: join(temporaryDirectory(), 'no'), clock: systemClock });
    expect(await refusal(agent)).toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringContaining('no port') as string,
    });
  });

  it('is asked for its own answer: old ones, those of others and those without the delimiter do not count', async () => {
    const agent = await agentThat(({ arguments: { id }, execute }, socket) => {
      if (execute !== 'guest-sync-delimited') return;
      socket.write(`{"return": ${id}}\n{"return": {}}\nnonsense\n[[[\n`);
      say(socket, { return: id! + 1 });
      say(socket, null);
      say(socket, [id]);
    });
    expect(await refusal(agent)).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(asked).toHaveLength(1);
  });

  it('may have been in the middle of an answer to somebody else', async () => {
    const agent = await agentThat(({ arguments: { id }, execute }, socket) => {
      if (execute === 'guest-sync-delimited') {
        socket.write(Buffer.concat([Buffer.from('{"return": {"half'), delimiter, Buffer.from(`{"return": ${id}}\n`)]));
      }
    });
    await agent.shutDown();
    expect(asked).toHaveLength(2);
  });

  it.each<[string, Manner]>([
    ['says nothing', () => undefined],
    ['talks without end on one line', (_command, socket) => void socket.write(Buffer.alloc(1_000_000, 'x'))],
    ['talks without end on many lines', (_command, socket) => void socket.write('{"return": 1}\n'.repeat(100_000))],
    ['nests without end', (_command, socket) => void socket.write(`${'['.repeat(60_000)}\n`)],
    ['closes the port', (_command, socket) => socket.destroy()],
  ])('that %s is taken for none, soon', async (_what, manner) => {
    const { code, ms } = await refusal(await agentThat(manner));
    expect(code).toBe('NOT_SUPPORTED');
    expect(ms).toBeLessThan(1_500);
  });

  it('has one client at a time', async () => {
    const agent = await agentThat(synchronizes);
    await Promise.all([agent.shutDown(), agent.shutDown(), agent.shutDown()]);
    const one = ['guest-sync-delimited', 'guest-shutdown'];
    expect(asked.map(command => command.execute)).toEqual([...one, ...one, ...one]);
  });
});
