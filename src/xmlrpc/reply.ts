import { AgentError } from '../errors.ts';
import type { XmlRpcValue } from './values.ts';

/**
 * The reply strings of agent 2.x: the only place that knows them. Clients drop the first eight characters of
 * `success:key=value;key=value`, split at `;`, and each pair at its first `=`; they take a text that holds the word
 * `success` anywhere for a success.
 */
export const DONE = 'success';

/** Pairs of a reply. Several values under one key are joined by commas. */
export type ReplyPairs = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/**
 * @param separator what follows the word `success`: `:`, but `=` where the user guide shows it
 * @throws AgentError BAD_VALUE when a value cannot be told from the separators
 */
export function pairsReply(pairs: ReplyPairs, separator: ':' | '=' = ':'): string {
  const texts: string[] = [];
  for (const key in pairs) {
    const value = pairs[key]!;
    texts.push(`${key}=${typeof value === 'object' ? joined(key, value) : safe(key, String(value), ';')}`);
  }
  return texts.length === 0 ? DONE : DONE + separator + texts.join(';');
}

export function failureReply(error: AgentError): string {
  return `failed:${error.code}: ${withoutTheWord(error.message)}`;
}

/** Whether a reply is that of an act that failed. */
export function isFailure(reply: XmlRpcValue): reply is string {
  return typeof reply === 'string' && reply.startsWith('failed:');
}

/** The text with the word `success` made unreadable to clients that search for it, and still readable to people. */
export function withoutTheWord(text: string): string {
  return text.replace(/success/gi, word => `${word.slice(0, 3)}-${word.slice(3)}`);
}

function joined(key: string, values: readonly string[]): string {
  return values.map(value => safe(key, value, ';,')).join(',');
}

function safe(key: string, value: string, separators: string): string {
  for (const separator of separators) {
    if (value.includes(separator)) {
      throw new AgentError(
        'BAD_VALUE',
        `reply ${key}: the value ${JSON.stringify(value.slice(0, 200))} holds "${separator}", which separates values in a reply; it must not`,
      );
    }
  }
  return value;
}
