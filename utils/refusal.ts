import type { IncomingMessage } from 'node:http';
import { AgentError, type FailureCode, failureKinds } from '../src/errors.ts';

const LONGEST_SENTENCE = 4096;

/** Why the agent refused a request that is no call: the sentence of its answer, and the code in the header. */
export async function refusalOf(response: IncomingMessage): Promise<AgentError> {
  let text = '';
  response.setEncoding('utf8');
  for await (const part of response) text = (text + String(part)).slice(0, LONGEST_SENTENCE);
  return new AgentError(codeOf(String(response.headers['ovs-failure'])) ?? 'INTERNAL', text.trim());
}

/** A failure that was the answer to a call, such as `failed:BUSY: …`. */
export function failureOf(reply: string): AgentError {
  return new AgentError(codeOf(/^failed:(\w+):/.exec(reply)?.[1]) ?? 'INTERNAL', reply);
}

function codeOf(text: string | undefined): FailureCode | undefined {
  return Object.keys(failureKinds).find((known): known is FailureCode => known === text);
}
