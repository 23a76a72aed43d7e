import type { AgentPaths } from '../src/config/paths.ts';
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

/** Whether a call failed because no agent runs, as opposed to one that does not answer. */
export function isNotRunning(error: unknown): boolean {
  return error instanceof TransportError && (error.systemCode === 'ENOENT' || error.systemCode === 'ECONNREFUSED');
}
