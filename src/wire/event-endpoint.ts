import type { IncomingMessage, ServerResponse } from 'node:http';
import { AgentError, asAgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import { type Access, mayAccess } from '../rpc/call.ts';
import type { Services } from '../rpc/services.ts';
import { eventRequestOf } from './event-request.ts';
import { EventStream } from './event-stream.ts';
import { loginRefusal } from './login-refusal.ts';
import type { User } from './password-file.ts';
import { failureRefusal, refuse } from './refuse.ts';

export interface EventEndpointParts {
  readonly events: Pick<Services['eventLog'], 'reader' | 'watch'>;
  /** The users as they are now. */
  readonly users: () => ReadonlyMap<string, User>;
  /** Most streams over the network; the control socket has as many of its own. */
  readonly streams: number;
  /** Time for clients to take what is sent to them, in milliseconds. */
  readonly patienceMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who asks, as the request was authenticated. */
export interface EventCaller {
  readonly user: string;
  readonly access: Access;
  readonly from: string;
  /** Whether it came in on the control socket, which knows no users. */
  readonly isLocal: boolean;
}

interface Open {
  readonly caller: EventCaller;
  /** The user as it was when it logged in; undefined on the control socket. */
  readonly login: User | undefined;
  readonly stream: EventStream;
}

const NEEDS: Access = 'read';
const RETRY_SECONDS = '5';

/** Streams of events over HTTP: `GET /events`, until the client hangs up or the agent stops. */
export class EventEndpoint {
  readonly #parts: EventEndpointParts;
  readonly #open = new Set<Open>();
  #whenIdle: (() => void) | undefined;

  constructor(parts: EventEndpointParts) {
    this.#parts = parts;
    parts.events.watch({
      stored: () => this.#open.forEach(({ stream }) => stream.wake()),
      closed: () => this.#open.forEach(({ stream }) => stream.end()),
    });
  }

  handle(request: IncomingMessage, response: ServerResponse, caller: EventCaller): void {
    const { from, isLocal, user } = caller;
    const { clock, events, log, patienceMs, streams, users } = this.#parts;
    if (request.method !== 'GET') {
      refuse(response, { status: 405, reason: 'events are asked for by GET', headers: { Allow: 'GET' } });
      return;
    }
    const login = isLocal ? undefined : users().get(user);
    if (!isLocal && !login) {
      // Removed since its password was found right.
      refuse(response, loginRefusal({ ok: false, reason: 'wrong' }, from, log));
      return;
    }
    try {
      if (!mayAccess(caller.access, NEEDS)) {
        throw new AgentError('DENIED', `events: user ${user} has access "${caller.access}"; it needs "${NEEDS}"`);
      }
      const { after, guest, kinds } = eventRequestOf(request);
      const reader = events.reader({ after, guest, kinds });
      if ([...this.#open].filter(one => one.caller.isLocal === isLocal).length >= streams) {
        const reason = `events: ${streams} streams are open; end one, or set streams in [events] higher`;
        refuse(response, { status: 503, reason, headers: { 'Retry-After': RETRY_SECONDS, 'Ovs-Failure': 'BUSY' } });
        return;
      }
      // The last events may come long after the request: it is no connection that waits for nothing.
      request.socket.setTimeout(0);
      const opened: Open = {
        caller,
        login,
        stream: new EventStream({ response, reader, patienceMs, clock, log }),
      };
      this.#open.add(opened);
      log.debug({ user, from, guest }, 'a stream of events begins');
      response.on('close', () => {
        this.#open.delete(opened);
        log.debug({ user, from, guest }, 'a stream of events has ended');
        if (this.#open.size === 0) this.#whenIdle?.();
      });
    } catch (error) {
      const failure = asAgentError(error);
      if (failure.code === 'INTERNAL') log.error({ err: error }, 'a stream of events could not begin');
      refuse(response, failureRefusal(failure));
    }
  }

  /** To be called when users have changed: who may not read any more loses the stream. */
  checkUsers(): void {
    const users = this.#parts.users();
    for (const { caller, login, stream } of [...this.#open]) {
      if (!login) continue;
      const now = users.get(caller.user);
      const isSame = now?.hash.key.equals(login.hash.key) === true;
      if (!isSame || !mayAccess(now.role, NEEDS)) stream.revoke('the user or its password was changed');
    }
  }

  /** Resolves when the streams that end have been taken by their clients, or after the time for that. */
  async drained(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const idle = new AbortController();
    this.#whenIdle = () => idle.abort();
    await this.#parts.clock.sleep(timeoutMs, idle.signal).catch(() => undefined);
    for (const { stream } of [...this.#open]) stream.destroy();
  }
}
