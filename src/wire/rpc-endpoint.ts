import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AgentError, messageOf } from '../errors.ts';
import type { Log } from '../host/log.ts';
import type { Access, Call } from '../rpc/call.ts';
import { faultOf } from '../rpc/fault.ts';
import { decodeDocument } from '../xmlrpc/decode.ts';
import { readMethodCall } from '../xmlrpc/reader.ts';
import type { XmlRpcValue } from '../xmlrpc/values.ts';
import { writeFault, writeMethodResponse } from '../xmlrpc/writer.ts';
import type { AuthenticationResult, Authenticator } from './authentication.ts';
import { bodyOf } from './body.ts';
import type { EventEndpoint } from './event-endpoint.ts';
import type { WireLimits } from './limits.ts';
import { isEventPath } from './event-request.ts';
import { loginRefusal } from './login-refusal.ts';
import { refuse } from './refuse.ts';

export interface RpcEndpointParts {
  readonly dispatch: (call: Call, method: string, params: readonly XmlRpcValue[]) => XmlRpcValue | Promise<XmlRpcValue>;
  readonly authenticator: Pick<Authenticator, 'authenticate'>;
  readonly events: Pick<EventEndpoint, 'handle'>;
  readonly limits: WireLimits;
  /** The page of methods, as HTML. */
  readonly page: () => string;
  readonly log: Log;
}

/** Where a request came in. The control socket is open to its owner only, who need not say who they are. */
export type Origin = { readonly kind: 'network' } | { readonly kind: 'control' };

interface Caller {
  readonly user: string;
  readonly access: Access;
  /** Whether it came in on the control socket. */
  readonly isLocal: boolean;
}

/** What the agent does with an HTTP request: authenticate, read, call, reply. */
export class RpcEndpoint {
  readonly #parts: RpcEndpointParts;
  /** Calls are numbered from the start of the agent, so that ids of two starts differ. */
  readonly #idPrefix: string;
  #count = 0;
  readonly #requests = new WeakMap<Socket, number>();
  #closing = false;

  constructor(parts: RpcEndpointParts, idPrefix: string) {
    this.#parts = parts;
    this.#idPrefix = idPrefix;
  }

  /** From now on every reply ends its connection. */
  close(): void {
    this.#closing = true;
  }

  handle(request: IncomingMessage, response: ServerResponse, origin: Origin): void {
    this.#countRequest(request.socket, response);
    const from = origin.kind === 'control' ? 'local' : (request.socket.remoteAddress ?? 'unknown');
    if (origin.kind === 'control') {
      this.#answer(request, response, { user: 'root', access: 'admin', isLocal: true }, from);
      return;
    }
    // Before a byte of the body is read: a stranger has no claim on the agent's memory.
    const result = this.#parts.authenticator.authenticate(request.headers.authorization, from);
    if (!(result instanceof Promise)) this.#authenticated(request, response, result, from);
    else {
      result.then(
        later => this.#authenticated(request, response, later, from),
        (error: unknown) => this.#broken(response, error),
      );
    }
  }

  /** The last request that a connection may make ends it. */
  #countRequest(socket: Socket, response: ServerResponse): void {
    const count = (this.#requests.get(socket) ?? 0) + 1;
    this.#requests.set(socket, count);
    if (count >= this.#parts.limits.requestsPerConnection) response.shouldKeepAlive = false;
  }

  #authenticated(request: IncomingMessage, response: ServerResponse, result: AuthenticationResult, from: string): void {
    if (result.ok) {
      this.#answer(request, response, { user: result.user, access: result.role, isLocal: false }, from);
      return;
    }
    refuse(response, loginRefusal(result, from, this.#parts.log));
  }

  #answer(request: IncomingMessage, response: ServerResponse, caller: Caller, from: string): void {
    const { method } = request;
    if (isEventPath(request.url ?? '')) {
      this.#parts.events.handle(request, response, { ...caller, from });
    } else if (!isRpcPath(request.url ?? '')) {
      refuse(response, { status: 404, reason: 'there is nothing here; calls are posted to / or /RPC2' });
    } else if (method === 'GET' || method === 'HEAD') {
      sendPage(response, this.#parts.page(), method === 'HEAD');
    } else if (method !== 'POST') {
      refuse(response, { status: 405, reason: 'calls are posted', headers: { Allow: 'GET, HEAD, POST' } });
    } else if (request.headers['content-encoding'] !== undefined) {
      refuse(response, { status: 415, reason: 'compressed requests are not read' });
    } else {
      bodyOf(request, this.#parts.limits.bodyBytes, body => {
        if (body) this.#call(response, body, caller, from);
        else {
          const reason = `the request is larger than ${this.#parts.limits.bodyBytes} bytes (body_size)`;
          refuse(response, { status: 413, reason });
        }
      });
    }
  }

  #call(response: ServerResponse, body: Buffer, caller: Caller, from: string): void {
    const call = new IncomingCall(`${this.#idPrefix}-${++this.#count}`, caller, from, this.#parts.log);
    let answer: XmlRpcValue | Promise<XmlRpcValue>;
    try {
      const { method, params } = readMethodCall(decodeDocument(body), this.#parts.limits.document);
      answer = this.#parts.dispatch(call, method, params);
    } catch (error) {
      this.#fault(response, call, error);
      return;
    }
    if (!(answer instanceof Promise)) this.#reply(response, call, answer);
    else {
      answer.then(
        value => this.#reply(response, call, value),
        (error: unknown) => this.#fault(response, call, error),
      );
    }
  }

  #reply(response: ServerResponse, call: Call, value: XmlRpcValue): void {
    let document: string;
    try {
      document = writeMethodResponse(value);
    } catch (error) {
      this.#fault(response, call, error);
      return;
    }
    this.#send(response, document);
  }

  #fault(response: ServerResponse, call: Call, error: unknown): void {
    if (error instanceof AgentError && error.code === 'MALFORMED') {
      call.log.warn({ from: call.from, reason: error.message }, 'request cannot be read');
    } else if (!(error instanceof AgentError)) {
      call.log.error({ err: error }, 'a reply could not be made');
    }
    const { number, message } = faultOf(error);
    this.#send(response, writeFault(number, message));
  }

  #send(response: ServerResponse, document: string): void {
    if (this.#closing) response.shouldKeepAlive = false;
    response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': Buffer.byteLength(document) });
    // As a string it leaves together with the headers, in one TLS record.
    response.end(document);
    // A caller who does not take the reply may not keep it in our memory for ever.
    if (response.writableLength > 0) response.setTimeout(this.#parts.limits.bodyTimeMs, () => response.destroy());
  }

  #broken(response: ServerResponse, error: unknown): void {
    this.#parts.log.error({ err: error, reason: messageOf(error) }, 'logins cannot be checked');
    refuse(response, { status: 500, reason: 'logins cannot be checked; see the log of the agent' });
  }
}

function isRpcPath(url: string): boolean {
  return url === '/' || url === '/RPC2' || url.startsWith('/?') || url.startsWith('/RPC2?');
}

/** A call with a log of its own, made only when something is logged. */
class IncomingCall implements Call {
  readonly id: string;
  readonly user: string;
  readonly access: Access;
  readonly from: string;
  readonly #base: Log;
  #log: Log | undefined;

  constructor(id: string, caller: Caller, from: string, base: Log) {
    this.id = id;
    this.user = caller.user;
    this.access = caller.access;
    this.from = from;
    this.#base = base;
  }

  get log(): Log {
    this.#log ??= this.#base.child({ call: this.id });
    return this.#log;
  }
}

function sendPage(response: ServerResponse, page: string, headOnly: boolean): void {
  const body = Buffer.from(page);
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': body.length,
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cache-Control': 'no-store',
  });
  response.end(headOnly ? undefined : body);
}
