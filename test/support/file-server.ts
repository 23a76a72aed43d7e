import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Identity {
  readonly key: string;
  readonly certificate: string;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface FileServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Each request: its path, and its Range where it has one. */
  readonly requests: string[];
}

/** An HTTP server on loopback that answers as it is told. It ends with the test. */
export async function serve(answer: Answer, identity?: Identity): Promise<FileServer> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push([request.url, request.headers.range].filter(text => text !== undefined).join(' '));
    answer(request, response);
  };
  const server = identity
    ? createSecureServer({ key: identity.key, cert: identity.certificate }, listener)
    : createServer(listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${identity ? 'https' : 'http'}://127.0.0.1:${port}`, requests };
}

/** Files by their paths; everything else is not found. */
export function filesAt(files: Readonly<Record<string, string | Buffer>>): Answer {
  return (request, response) => {
    const content = files[request.url ?? ''];
    if (content === undefined) response.writeHead(404).end('none');
    else response.writeHead(200, { 'content-length': Buffer.byteLength(content) }).end(content);
  };
}
