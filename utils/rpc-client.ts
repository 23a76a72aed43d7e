import { Agent as PlainAgent } from 'node:http';
import type { Agent as SecureAgent } from 'node:https';
import xmlrpc from 'xmlrpc';
import { AgentError, messageOf } from '../src/errors.ts';

export interface RpcTarget {
  readonly host?: string;
  readonly port?: number;
  readonly path: string;
  /** A Unix socket instead of host and port. */
  readonly socketPath?: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Present for HTTPS. */
  readonly secureAgent?: SecureAgent;
}

/** What went wrong on the way to an agent, as opposed to what the agent answered. */
export class TransportError extends AgentError {
  /** Code of Node.js, such as `ECONNREFUSED`, where there is one. */
  readonly systemCode: string | undefined;

  constructor(message: string, cause: unknown) {
    super('PEER_DOWN', message, { cause });
    this.systemCode = (cause as { code?: string } | undefined)?.code;
  }
}

/**
 * Calls a method of an agent with the xmlrpc package, kept to a time limit that the package does not have.
 * @returns the value of the reply
 * @throws TransportError when there is no reply, AgentError of the fault when the agent answered with one
 */
export async function callAgent(
  target: RpcTarget,
  method: string,
  params: readonly unknown[],
  timeoutMs: number,
): Promise<unknown> {
  const agent = target.secureAgent ?? new PlainAgent({ keepAlive: false });
  const options = {
    ...target,
    agent,
    headers: target.user === undefined ? {} : { Authorization: basic(target.user, target.password ?? '') },
  };
  const client = target.secureAgent ? xmlrpc.createSecureClient(options) : xmlrpc.createClient(options);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      timer = setTimeout(
        () => reject(new TransportError(`no answer within ${timeoutMs / 1000} s`, undefined)),
        timeoutMs,
      );
      client.methodCall(method, [...params], (error: unknown, value: unknown) => {
        if (error) reject(readable(error));
        else resolve(value);
      });
    });
  } finally {
    clearTimeout(timer);
    agent.destroy();
  }
}

interface ClientError {
  readonly faultCode?: number;
  readonly faultString?: string;
  readonly res?: { readonly statusCode?: number };
}

function readable(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const { faultString, res } = error as ClientError;
  if (faultString !== undefined) return new AgentError('INTERNAL', faultString);
  switch (res?.statusCode) {
    case 401:
      return new TransportError('the agent refused the user or the password', error);
    case 429:
      return new TransportError('the agent takes no logins from here for a while, after too many wrong ones', error);
    case undefined:
    case 200:
      return new TransportError(messageOf(error), error);
    default:
      return new TransportError(`the agent answered with HTTP status ${res?.statusCode}`, error);
  }
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
