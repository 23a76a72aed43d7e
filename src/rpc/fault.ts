import { asAgentError, failureKinds } from '../errors.ts';
import { withoutTheWord } from '../xmlrpc/reply.ts';

/** A failure as an XML-RPC fault: its number, and a text that tells a caller nothing of the agent's inside. */
export function faultOf(error: unknown): { readonly number: number; readonly message: string } {
  const failure = asAgentError(error);
  return { number: failureKinds[failure.code].fault, message: withoutTheWord(failure.message) };
}
