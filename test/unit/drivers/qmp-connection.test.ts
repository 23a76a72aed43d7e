import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QmpConnection, type QmpEvent } from '../../../src/drivers/qmp-connection.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

interface Monitor {
  readonly connection: QmpConnection;
  readonly events: QmpEvent[];
  readonly isClosed: () => boolean;
}

/** A QEMU of our own, which answers each line as it is told. */
async function monitor(answer: (socket: Socket, command: { execute: string; id: number }) => void): Promise<Monitor> {
  const path = join(temporaryDirectory(), 'qmp');
  const server = createServer(socket => {
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
    socket.on('data', (text: string) => {
      for (const line of text.split('\n').filter(part => part !== '')) {
        const command = JSON.parse(line) as { execute: string; id: number };
        if (command.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${command.id}}\r\n`);
        else answer(socket, command);
      }
    });
  });
  await new Promise<void>(resolve => server.listen(path, resolve));
  const events: QmpEvent[] = [];
  let closed = false;
  const connection = await QmpConnection.connect(path, 1000, systemClock, {
    onEvent: event => events.push(event),
    onClose: () => {
      closed = true;
    },
  });
  onTestFinished(() => {
    connection.close();
    server.close();
  });
  return { connection, events, isClosed: () => closed };
}

describe('a connection to the monitor of QEMU', () => {
  it('gives each command its own answer, whatever comes in between', async () => {
    const { connection, events } = await monitor((socket, { execute, id }) => {
      socket.write('{"event": "STOP", "data": {}}\r\n');
      const text = `{"return": "${execute}", "id": ${id}}\r\n`;
      // In two pieces, as a socket may deliver it.
      socket.write(text.slice(0, 9));
      setImmediate(() => socket.write(text.slice(9)));
    });
    expect(await connection.execute('one', undefined, 1000)).toBe('one');
    expect(await connection.execute('two', undefined, 1000)).toBe('two');
    expect(events.map(({ event }) => event)).toEqual(['STOP', 'STOP']);
  });

  it('passes on why QEMU refuses', async () => {
    const { connection } = await monitor((socket, { id }) => {
      socket.write(`{"error": {"class": "GenericError", "desc": "no such device"}, "id": ${id}}\r\n`);
    });
    await expect(connection.execute('eject', undefined, 1000)).rejects.toThrow('QEMU eject: no such device');
  });

  it('gives up a command that is not answered, and is still of use for the next', async () => {
    const { connection } = await monitor((socket, { execute, id }) => {
      if (execute === 'next') socket.write(`{"return": 1, "id": ${id - 1}}\r\n{"return": 2, "id": ${id}}\r\n`);
    });
    await expect(connection.execute('hang', undefined, 30)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await connection.execute('next', undefined, 1000)).toBe(2);
  });

  it.each([
    ['a line without an end', (socket: Socket) => socket.write('x'.repeat(5 * 1024 * 1024))],
    ['what is no JSON', (socket: Socket) => socket.write('{"return": \r\n')],
    ['the end of QEMU', (socket: Socket) => socket.destroy()],
  ])('is closed by %s, and every command that waits fails', async (_what, misbehave) => {
    const { connection, isClosed } = await monitor(socket => void misbehave(socket));
    const waiting = Promise.allSettled([
      connection.execute('one', undefined, 5000),
      connection.execute('two', undefined, 5000),
    ]);
    expect((await waiting).map(result => result.status)).toEqual(['rejected', 'rejected']);
    await waitUntil('the owner is told', isClosed);
    await expect(connection.execute('three', undefined, 1000)).rejects.toThrow(
      /the connection to its monitor is closed/,
    );
  });

  it.each(['null', '3', '"x"', '[]', '{}', '{"id": "x"}', '{"return": {}, "id": 999}', '{"event": 5}'])(
    'is not harmed by the message %s',
    async message => {
      const { connection } = await monitor((socket, { id }) => {
        socket.write(`${message}\r\n{"return": "fine", "id": ${id}}\r\n`);
      });
      expect(await connection.execute('one', undefined, 1000)).toBe('fine');
    },
  );
});
