import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** The floor of every call: HTTPS, a body that is read, and an answer that is always the same. */
const [keyFile, certificateFile, answer = ''] = process.argv.slice(2);
const body = Buffer.from(answer, 'base64');

const server = createServer(
  { key: readFileSync(keyFile!), cert: readFileSync(certificateFile!), minVersion: 'TLSv1.2' },
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': body.length });
      response.end(body);
    });
  },
);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
