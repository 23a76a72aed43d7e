import { constants } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server as PlainServer,
  type ServerOptions,
} from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { AgentError } from '../errors.ts';
import type { Log } from '../host/log.ts';
import type { ConsoleEndpoint } from './console-endpoint.ts';
import type { WireLimits } from './limits.ts';
import type { Origin, RpcEndpoint } from './rpc-endpoint.ts';

/** Decides by address who may connect at all. */
export interface AddressGuard {
  decide(address: string): boolean | Promise<boolean>;
}

export interface TlsMaterial {
  readonly key: string;
  readonly certificate: string;
}

export interface ListenersParts {
  readonly endpoint: RpcEndpoint;
  readonly consoles: Pick<ConsoleEndpoint, 'isFor' | 'handle'>;
  readonly guard: AddressGuard;
  readonly limits: WireLimits;
  /** undefined: plain HTTP, as `ssl=disable` asks. */
  readonly tls: TlsMaterial | undefined;
  /** Says who has a port, for the message when it is in use. */
  readonly portOwner: (port: number) => string | undefined;
  readonly log: Log;
}

type Server = PlainServer | SecureServer;
type ConnectionHandler = (this: Server, socket: Socket) => void;

/** How often Node.js looks for requests that take too long. */
const CHECKING_INTERVAL_MS = 500;

/** The sockets on which the agent is called. */
export class Listeners {
  readonly #parts: ListenersParts;
  readonly #servers: Server[] = [];
  /** Those that have the agent's own certificate. */
  readonly #renewable: SecureServer[] = [];
  readonly #perAddress = new Map<string, number>();
  #guard: AddressGuard;

  constructor(parts: ListenersParts) {
    this.#parts = parts;
    this.#guard = parts.guard;
  }

  /**
   * @param port TCP port; 0 takes any that is free, the same for all addresses
   * @param tls in place of the agent's own
   * @returns the addresses it listens on, as `address:port`
   * @throws AgentError HOST when an address or the port cannot be had
   */
  async listen(
    addresses: readonly string[],
    port: number,
    tls = this.#parts.tls,
  ): Promise<readonly { address: string; port: number }[]> {
    const bound: { address: string; port: number }[] = [];
    for (const address of addresses) {
      const server = this.#networkServer(tls);
      try {
        const actual = await bind(server, { host: address, port: bound[0]?.port ?? port, ipv6Only: true });
        bound.push({ address, port: actual.port });
        this.#servers.push(server);
        if (tls === this.#parts.tls && 'setSecureContext' in server) this.#renewable.push(server);
      } catch (cause) {
        if (isMissingFamily(cause) && addresses.length > 1) {
          this.#parts.log.info({ address }, 'this server has no IPv6; the agent does not listen there');
          continue;
        }
        throw this.#cannotListen(address, port, cause);
      }
    }
    if (bound.length === 0)
      throw new AgentError('HOST', `listen on ${addresses.join(', ')}: none of them is here; see listen`);
    return bound;
  }

  /** Listens on a Unix socket that only the agent's own user can open. */
  async listenLocally(path: string): Promise<void> {
    rmSync(path, { force: true });
    const server = createPlainServer(this.#serverOptions());
    this.#observe(server, { kind: 'control' }, connectionHandlers(server, 'connection'));
    await bind(server, { path });
    chmodSync(path, 0o600);
    this.#servers.push(server);
  }

  replaceGuard(guard: AddressGuard): void {
    this.#guard = guard;
  }

  /** New connections get the new certificate; open ones keep theirs. */
  replaceTls(tls: TlsMaterial): void {
    for (const server of this.#renewable) server.setSecureContext({ key: tls.key, cert: tls.certificate });
  }

  /** Takes no new connections, and ends those that wait for nothing. */
  stopAccepting(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeIdleConnections();
    }
  }

  closeAll(): void {
    for (const server of this.#servers) server.closeAllConnections();
  }

  #serverOptions(): ServerOptions {
    const { limits } = this.#parts;
    return {
      headersTimeout: limits.headerTimeMs,
      requestTimeout: limits.bodyTimeMs,
      keepAliveTimeout: limits.keepAliveTimeMs,
      maxHeaderSize: limits.headerBytes,
      connectionsCheckingInterval: CHECKING_INTERVAL_MS,
      noDelay: true,
    };
  }

  #networkServer(tls: TlsMaterial | undefined): Server {
    const { limits } = this.#parts;
    const server: Server = tls
      ? createSecureServer({
          ...this.#serverOptions(),
          key: tls.key,
          cert: tls.certificate,
          minVersion: 'TLSv1.2',
          handshakeTimeout: limits.headerTimeMs,
          // A client could make the agent compute keys without end on one connection (CVE-2015-7944).
          secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
        })
      : createPlainServer(this.#serverOptions());
    server.maxConnections = limits.connections;
    const speakHttp = connectionHandlers(server, tls ? 'secureConnection' : 'connection');
    this.#guardConnections(server);
    this.#observe(server, { kind: 'network' }, speakHttp);
    return server;
  }

  /** @param speakHttp what Node.js does with a connection on which HTTP begins */
  #observe(server: Server, origin: Origin, speakHttp: readonly ConnectionHandler[]): void {
    const { consoles, endpoint, log } = this.#parts;
    server.on('request', (request, response) => endpoint.handle(request, response, origin));
    server.on('upgrade', (request, _socket, head: Buffer) => {
      if (consoles.isFor(request)) {
        consoles.handle(request, head, origin);
        return;
      }
      // Some clients offer HTTP/2 with each request (h2c), which a server may pass over (RFC 9110, 7.8). Node.js has let
      // go of the connection: it gets it back, with the request as it would be without the offer.
      request.socket.unshift(Buffer.concat([headWithoutUpgrade(request), head]));
      for (const handler of speakHttp) handler.call(server, request.socket);
    });
    server.on('tlsClientError', (error: Error, socket: Socket) => {
      log.debug({ from: socket.remoteAddress, reason: error.message }, 'TLS handshake failed');
    });
  }

  /** Stands before what Node.js itself does with a connection: an address without leave does not even get TLS. */
  #guardConnections(server: Server): void {
    const handlers = connectionHandlers(server, 'connection');
    server.removeAllListeners('connection');
    const admit = (socket: Socket): void => {
      for (const handler of handlers) handler.call(server, socket);
    };
    server.on('connection', (socket: Socket) => {
      const address = socket.remoteAddress;
      if (address === undefined || !this.#count(socket, address)) {
        socket.destroy();
        return;
      }
      const decision = this.#guard.decide(address);
      if (decision === true) admit(socket);
      else if (decision === false) this.#deny(socket, address);
      else {
        socket.on('error', () => socket.destroy());
        decision.then(
          allowed => {
            if (socket.destroyed) return;
            if (allowed) admit(socket);
            else this.#deny(socket, address);
          },
          () => this.#deny(socket, address),
        );
      }
    });
  }

  #count(socket: Socket, address: string): boolean {
    const open = this.#perAddress.get(address) ?? 0;
    if (open >= this.#parts.limits.connectionsPerAddress) {
      this.#parts.log.warn({ from: address, open }, 'too many connections from one address (connections_per_address)');
      return false;
    }
    this.#perAddress.set(address, open + 1);
    socket.once('close', () => {
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
    return true;
  }

  #deny(socket: Socket, address: string): void {
    this.#parts.log.info({ from: address }, 'connection refused by allow and deny');
    socket.destroy();
  }

  #cannotListen(address: string, port: number, cause: unknown): AgentError {
    const code = (cause as { code?: unknown }).code;
    if (code === 'EADDRINUSE') {
      const who = this.#parts.portOwner(port) ?? 'another program';
      return new AgentError(
        'HOST',
        `listen on ${address}: port ${port} is in use by ${who}; stop that, or set another port`,
        { cause },
      );
    }
    if (code === 'EACCES') {
      return new AgentError(
        'HOST',
        `listen on ${address}: port ${port} needs root; run as root, or set a port above 1023`,
        { cause },
      );
    }
    return new AgentError(
      'HOST',
      `listen on ${address}: this server does not have that address (${String(code)}); see listen`,
      { cause },
    );
  }
}

function connectionHandlers(server: Server, event: 'connection' | 'secureConnection'): ConnectionHandler[] {
  return server.listeners(event) as ConnectionHandler[];
}

/** The head of a request as it came (RFC 9112, 2.1), but for its header Upgrade. */
function headWithoutUpgrade({ httpVersion, method, rawHeaders, url }: IncomingMessage): Buffer {
  const lines = [`${method ?? ''} ${url ?? ''} HTTP/${httpVersion}`];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[index + 1]!}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

function bind(
  server: Server,
  where: { host: string; port: number; ipv6Only: boolean } | { path: string },
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.removeListener('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

function isMissingFamily(error: unknown): boolean {
  return ['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(String((error as { code?: unknown }).code));
}
