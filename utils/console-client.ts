import { request } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '../src/errors.ts';
import { CONSOLE_PROTOCOL } from '../src/wire/console-connection.ts';
import { CONSOLE_PATH, type ConsoleRequest } from '../src/wire/console-request.ts';
import { refusalOf } from './refusal.ts';
import { TransportError } from './rpc-client.ts';

const ANSWER_MS = 10_000;

/**
 * Attaches to the console of a guest over the control socket of the agent of this server.
 * @returns the console: bytes in both directions, until it closes
 * @throws TransportError when there is no answer, AgentError when the agent refused
 */
export function attachConsole(socketPath: string, wanted: ConsoleRequest): Promise<Socket> {
  const query = new URLSearchParams({
    guest: wanted.guest,
    mode: wanted.mode,
    ...(wanted.takeOver ? { take_over: 'yes' } : {}),
    history: String(wanted.historyBytes),
  });
  return new Promise((resolve, reject) => {
    const sent = request({
      socketPath,
      path: `${CONSOLE_PATH}?${query.toString()}`,
      headers: { Connection: 'Upgrade', Upgrade: CONSOLE_PROTOCOL },
      agent: false,
      timeout: ANSWER_MS,
    });
    sent.on('upgrade', (_response, socket: Socket, head) => {
      socket.setTimeout(0);
      // Whoever takes the console listens for errors a moment later than one may come.
      socket.on('error', () => socket.destroy());
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    sent.on('response', response => {
      void refusalOf(response).then(reject, reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    sent.on('error', error => reject(new TransportError(messageOf(error), error)));
    sent.end();
  });
}
