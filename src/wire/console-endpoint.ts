import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { AgentError, asAgentError } from '../errors.ts';
import type { Log } from '../host/log.ts';
import { type Access, mayAccess } from '../rpc/call.ts';
import type { Services } from '../rpc/services.ts';
import type { Authenticator } from './authentication.ts';
import { CONSOLE_PROTOCOL, ConsoleConnection } from './console-connection.ts';
import { consoleRequestOf } from './console-request.ts';
import { loginRefusal, type Refusal } from './login-refusal.ts';
import type { User } from './password-file.ts';
import { failureRefusal } from './refuse.ts';
import type { Origin } from './rpc-endpoint.ts';

type GuestConsoles = Pick<Services['guestConsoles'], 'attach' | 'find'>;

export interface ConsoleEndpointParts {
  readonly consoles: GuestConsoles;
  readonly authenticator: Pick<Authenticator, 'authenticate'>;
  /** The users as they are now. */
  readonly users: () => ReadonlyMap<string, User>;
  /** Time for clients and guests to take what is sent to them, in milliseconds. */
  readonly patienceMs: number;
  /** Lines of who was attached when. */
  readonly audit: Log;
  readonly log: Log;
}

interface Caller {
  readonly user: string;
  readonly access: Access;
  readonly from: string;
  /** The user as it was when it logged in; undefined on the control socket. */
  readonly login: User | undefined;
}

interface Attached {
  readonly caller: Caller;
  readonly needs: Access;
  readonly connection: ConsoleConnection;
  /** To be called when it is gone, which is written down once. */
  readonly detached: () => void;
}

/**
 * Consoles over HTTP: `GET /console?guest=…` with `Upgrade: ovs-console` makes a connection the console of a guest, from
 * then on bytes and nothing else in both directions. What is refused is answered in plain text.
 */
export class ConsoleEndpoint {
  readonly #parts: ConsoleEndpointParts;
  readonly #attached = new Set<Attached>();

  constructor(parts: ConsoleEndpointParts) {
    this.#parts = parts;
  }

  /** Whether a request to upgrade asks for a console. */
  isFor(request: IncomingMessage): boolean {
    return request.headers.upgrade?.toLowerCase() === CONSOLE_PROTOCOL;
  }

  /** @param head what the client sent behind the request already */
  handle(request: IncomingMessage, head: Buffer, origin: Origin): void {
    const { socket } = request;
    socket.on('error', () => socket.destroy());
    socket.setTimeout(0);
    if (origin.kind === 'control') {
      this.#attach(request, head, { user: 'root', access: 'admin', from: 'local', login: undefined });
      return;
    }
    const from = socket.remoteAddress ?? 'unknown';
    Promise.resolve(this.#parts.authenticator.authenticate(request.headers.authorization, from)).then(
      result => {
        if (socket.destroyed) return;
        const login = result.ok ? this.#parts.users().get(result.user) : undefined;
        if (!result.ok) refuse(socket, loginRefusal(result, from, this.#parts.log));
        // Removed since its password was found right.
        else if (!login) refuse(socket, loginRefusal({ ok: false, reason: 'wrong' }, from, this.#parts.log));
        else this.#attach(request, head, { user: result.user, access: result.role, from, login });
      },
      (error: unknown) => this.#broken(socket, error),
    );
  }

  /** To be called when users have changed: who may not be attached any more is detached. */
  checkUsers(): void {
    const users = this.#parts.users();
    for (const { caller, needs, connection } of [...this.#attached]) {
      if (!caller.login) continue;
      const now = users.get(caller.user);
      const isSame = now?.hash.key.equals(caller.login.hash.key) === true;
      if (!isSame || !mayAccess(now.role, needs)) {
        connection.end('\r\n[console closed: the user or its password was changed]\r\n');
      }
    }
  }

  /** Ends every connection at once. */
  closeAll(): void {
    for (const { connection, detached } of [...this.#attached]) {
      connection.abort();
      detached();
    }
  }

  #attach(request: IncomingMessage, head: Buffer, caller: Caller): void {
    const { socket } = request;
    const { audit, consoles, log } = this.#parts;
    const { user, from } = caller;
    let facts: Readonly<Record<string, unknown>> = { method: 'console', user, from };
    try {
      const { guest, mode, takeOver, historyBytes } = consoleRequestOf(request);
      facts = { ...facts, guest, mode };
      const needs = mode === 'view' ? 'read' : 'operate';
      if (!mayAccess(caller.access, needs)) {
        throw new AgentError('DENIED', `console: user ${user} has access "${caller.access}"; it needs "${needs}"`);
      }
      const path = consoles.find(guest);
      const connection = new ConsoleConnection({ socket, patienceMs: this.#parts.patienceMs });
      const session = consoles.attach(path, { mode, takeOver, historyBytes, who: `${user} (${from})` }, connection);
      const about = { ...facts, guest: path };
      const detached = (): void => {
        if (!this.#attached.delete(attached)) return;
        audit.info({ ...about, outcome: 'detached' });
        log.info(about, 'console detached');
      };
      const attached: Attached = { caller, needs, connection, detached };
      this.#attached.add(attached);
      audit.info({ ...about, outcome: takeOver ? 'attached by force' : 'attached' });
      log.info(about, 'console attached');
      connection.begin(session, head, detached);
    } catch (error) {
      const failure = asAgentError(error);
      audit.info({ ...facts, code: failure.code, outcome: failure.message });
      if (failure.code === 'INTERNAL') this.#broken(socket, error);
      else refuse(socket, failureRefusal(failure));
    }
  }

  #broken(socket: Socket, error: unknown): void {
    this.#parts.log.error({ err: error }, 'a console could not be attached');
    refuse(socket, failureRefusal(asAgentError(error)));
  }
}

function refuse(socket: Socket, { status, reason, headers = {} }: Refusal): void {
  const body = `${reason}\n`;
  const lines = Object.entries({
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  socket.resume();
}
