import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { messageOf } from '../errors.ts';
import type { PeerProbe } from './peer.ts';

const ANSWER_MS = 5_000;

/**
 * Whether anything speaks HTTP at an agent's port, over TLS or, as old agents do, without. No credentials are sent and
 * nothing is read, so the certificate need not be trusted.
 * @param port TCP port on which agents listen
 */
export function peerProbe(port: number): PeerProbe {
  return async address => {
    const overTls = await ask(requestSecure, address, port);
    return overTls === undefined ? undefined : (await ask(requestPlain, address, port)) && overTls;
  };
}

function ask(request: typeof requestSecure, host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const options = { host, port, method: 'HEAD', path: '/', rejectUnauthorized: false, agent: false as const };
    const asked = request({ ...options, signal: AbortSignal.timeout(ANSWER_MS) }, response => {
      response.destroy();
      resolve(undefined);
    });
    asked.on('error', error => resolve(error.name === 'TimeoutError' ? 'no answer in time' : messageOf(error)));
    asked.end();
  });
}
