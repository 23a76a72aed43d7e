import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { isFailure } from '../src/xmlrpc/reply.ts';
import type { XmlRpcValue } from '../src/xmlrpc/values.ts';
import { callAgent, TransportError } from './rpc-client.ts';

/** Calls the agent of this server over its control socket, which only its own user can open: no password is asked. */
export function callLocalAgent(
  paths: AgentPaths,
  method: string,
  params: readonly unknown[],
  timeoutMs: number,
): Promise<unknown> {
  return callAgent({ socketPath: paths.controlSocket, path: '/' }, method, params, timeoutMs);
}

/**
 * Calls the agent where one runs, for it may be about to act on the same guest; else does in its stead what it would, so
 * that none starts meanwhile.
 * @throws AgentError with the agent's answer when the call failed
 */
export async function callAgentOrActAlone(
  paths: AgentPaths,
  method: string,
  params: readonly string[],
  timeoutMs: number,
): Promise<unknown> {
  let reply: unknown;
  try {
    reply = await callLocalAgent(paths, method, params, timeoutMs);
  } catch (error) {
    if (!isNotRunning(error)) throw error;
    const { callWithoutAgent } = await import('../src/main.ts');
    reply = await callWithoutAgent(paths.root, method, params);
  }
  if (isFailure(reply as XmlRpcValue)) throw new AgentError('WRONG_STATE', String(reply));
  return reply;
}

/** Whether a call failed because no agent runs, as opposed to one that does not answer. */
export function isNotRunning(error: unknown): boolean {
  return error instanceof TransportError && (error.systemCode === 'ENOENT' || error.systemCode === 'ECONNREFUSED');
}
