import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { isFailure } from '../src/xmlrpc/reply.ts';
import type { XmlRpcValue } from '../src/xmlrpc/values.ts';
import { failureOf } from './refusal.ts';
import { callAgent, TransportError } from './rpc-client.ts';

const ANSWER_MS = 60_000;
const PATH_REPLY = /^success:path=/;

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
  return answerOf(reply);
}

/**
 * Calls the agent of this server for a program that can do nothing without it.
 * @throws AgentError with the agent's answer when the call failed, or that it does not run
 */
export async function askLocalAgent(paths: AgentPaths, method: string, params: readonly unknown[]): Promise<unknown> {
  try {
    return answerOf(await callLocalAgent(paths, method, params, ANSWER_MS));
  } catch (error) {
    throw isNotRunning(error) ? notRunning(paths) : error;
  }
}

export function notRunning(paths: AgentPaths): AgentError {
  return new AgentError('PEER_DOWN', `no agent runs below ${paths.root}; "ovs-agent start" starts it`);
}

/** The path of a guest that was given by its path or its name. */
export async function guestPathOf(
  guest: string,
  ask: (method: string, params: readonly string[]) => Promise<unknown>,
): Promise<string> {
  return guest.startsWith('/') ? guest : String(await ask('xen_get_vm_path', [guest])).replace(PATH_REPLY, '');
}

/** @throws AgentError with the agent's answer when a call failed */
export function answerOf(reply: unknown): unknown {
  if (isFailure(reply as XmlRpcValue)) throw failureOf(String(reply));
  return reply;
}

/** Whether a call failed because no agent runs, as opposed to one that does not answer. */
export function isNotRunning(error: unknown): boolean {
  return error instanceof TransportError && (error.systemCode === 'ENOENT' || error.systemCode === 'ECONNREFUSED');
}
