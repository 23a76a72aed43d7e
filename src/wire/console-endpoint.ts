import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { AgentError, type FailureCode } from '../errors.ts';
import { type Access, mayAccess } from '../rpc/call.ts';
import type { Authenticator } from './authentication.ts';
import type { Origin } from './rpc-endpoint.ts';

/** What a console is asked for with, and how it is left. */
export interface ConsolePort {
  attach(
    request: {
      readonly guest: string;
      readonly mode: 'interactive' | 'view';
      readonly takeOver: boolean;
      readonly historyBytes: number;
      readonly user: string;
      readonly from: string;
    },
    open: () => Duplex,
  ): { type(bytes: Uint8Array): void; close(): void };
}

export interface ConsoleEndpointParts {
  readonly authenticator: Pick<Authenticator, 'authenticate'>;
  readonly consoles: ConsolePort;
}

/** The protocol's name in the Upgrade header (RFC 9110, 7.8): after the answer both sides send what is typed and printed. */
export const CONSOLE_PROTOCOL = 'ovs-console';
const MOST_HISTORY_BYTES = 64 * 1024 * 1024;
const STANDARD_HISTORY_BYTES = 16 * 1024;

const ACCEPTED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${CONSOLE_PROTOCOL}\r\n\r\n`;

const STATUS_OF_FAILURE: Readonly<Partial<Record<FailureCode, string>>> = {
  BAD_VALUE: '400 Bad Request',
  DENIED: '403 Forbidden',
  NO_SUCH_GUEST: '404 Not Found',
  BUSY: '409 Conflict',
};

/** Consoles over HTTP: a GET of /console?guest=… that asks to change the protocol. */
export class ConsoleEndpoint {
  readonly #parts: ConsoleEndpointParts;

  constructor(parts: ConsoleEndpointParts) {
    this.#parts = parts;
  }

  handle(request: IncomingMessage, socket: Duplex, head: Buffer, origin: Origin): void {
    socket.on('error', () => socket.destroy());
    this.#open(request, socket, head, origin).catch((error: unknown) => {
      if (socket.destroyed) return;
      if (error instanceof AgentError)
        refuse(socket, STATUS_OF_FAILURE[error.code] ?? '500 Internal Server Error', error.message);
      else refuse(socket, '500 Internal Server Error', 'the agent failed inside; look into its log');
    });
  }

  async #open(request: IncomingMessage, socket: Duplex, head: Buffer, origin: Origin): Promise<void> {
    const from = origin.kind === 'control' ? 'local' : (request.socket.remoteAddress ?? 'unknown');
    // A page of another site could make a browser, which knows the password, open a console (CVE-2025-54289).
    if (request.headers.origin !== undefined)
      throw new AgentError('DENIED', 'console: pages in browsers may not open one');
    const caller =
      origin.kind === 'control'
        ? { user: 'root', access: 'admin' as const }
        : await this.#authenticate(request.headers.authorization, from, socket);
    if (!caller) return;
    const url = new URL(request.url ?? '/', 'http://agent');
    if (url.pathname !== '/console' || request.headers.upgrade !== CONSOLE_PROTOCOL) {
      throw new AgentError(
        'BAD_VALUE',
        `there is nothing to change the protocol for; /console and ${CONSOLE_PROTOCOL} are`,
      );
    }
    const mode = url.searchParams.get('mode') === 'view' ? 'view' : 'interactive';
    const needed: Access = mode === 'view' ? 'read' : 'operate';
    if (!mayAccess(caller.access, needed)) {
      throw new AgentError(
        'DENIED',
        `console: user ${caller.user} has access "${caller.access}"; it needs "${needed}"`,
      );
    }
    const session = this.#parts.consoles.attach(
      {
        guest: url.searchParams.get('guest') ?? '',
        mode,
        takeOver: url.searchParams.get('force') === '1',
        historyBytes: historyFrom(url.searchParams.get('history')),
        user: caller.user,
        from,
      },
      () => {
        socket.write(ACCEPTED);
        return socket;
      },
    );
    if (head.length > 0) session.type(head);
    socket.on('data', (bytes: Buffer) => session.type(bytes));
    socket.on('end', () => session.close());
  }

  async #authenticate(
    header: string | undefined,
    from: string,
    socket: Duplex,
  ): Promise<{ readonly user: string; readonly access: Access } | undefined> {
    const result = await this.#parts.authenticator.authenticate(header, from);
    if (result.ok) return { user: result.user, access: result.role };
    refuse(socket, '401 Unauthorized', 'a user and a password of the agent are needed');
    return undefined;
  }
}

function historyFrom(text: string | null): number {
  if (text === null) return STANDARD_HISTORY_BYTES;
  if (!/^\d{1,9}$/.test(text)) throw new AgentError('BAD_VALUE', 'console: history must be a number of bytes');
  return Math.min(MOST_HISTORY_BYTES, Number(text));
}

function refuse(socket: Duplex, status: string, reason: string): void {
  const body = `${reason}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
