import { DONE, pairsReply, type ReplyPairs } from '../xmlrpc/reply.ts';
import type { XmlRpcStruct, XmlRpcValue } from '../xmlrpc/values.ts';

/** What a method answers: its documentation, and how a value becomes the reply of the wire. */
export interface Result<T> {
  readonly wireType: 'string' | 'array' | 'struct' | 'int';
  readonly summary: string;
  readonly example: XmlRpcValue;
  encode(value: T): XmlRpcValue;
}

/** `success`, and nothing else. */
export function nothing(): Result<void> {
  return { wireType: 'string', summary: '`success`', example: DONE, encode: () => DONE };
}

/**
 * `success:key=value;key=value`.
 * @param documented the keys and what they mean
 * @param separator `=` where the user guide shows `success=key=value`
 */
export function pairs<K extends string>(
  documented: Readonly<Record<K, string>>,
  separator: ':' | '=' = ':',
): Result<Readonly<Partial<Record<K, ReplyPairs[string]>>>> {
  const keys = Object.keys(documented) as K[];
  const example = `${DONE}${separator}${keys.map(key => `${key}=…`).join(';')}`;
  const meaning = keys.map(key => `${key}: ${documented[key]}`).join('; ');
  return {
    wireType: 'string',
    summary: `\`${example}\`, with ${meaning}`,
    example,
    encode: value => pairsReply(value as ReplyPairs, separator),
  };
}

/** Pairs of now; an array of structs, each with `at` and the same keys, where a span of time was asked for. */
export function pairsOrHistory<K extends string>(
  documented: Readonly<Record<K, string>>,
  more: string,
): Result<Readonly<Partial<Record<K, ReplyPairs[string]>>> | readonly XmlRpcStruct[]> {
  const now = pairs(documented);
  return {
    ...now,
    summary: `${now.summary}; what is not known yet is left out. With \`from\`: ${more}`,
    encode: value => (isList(value) ? value : now.encode(value)),
  };
}

function isList(value: object): value is readonly XmlRpcStruct[] {
  return Array.isArray(value);
}

/**
 * `success:vif0=…;vif1=…`: as many pairs as there are things.
 * @param form of the reply, and what it means
 */
export function numberedPairs(form: string, example: string): Result<ReplyPairs> {
  return { wireType: 'string', summary: form, example, encode: value => pairsReply(value) };
}

/** A JSON text of the form that controllers read from the original's storage methods. */
export function inJson(name: string): Result<string> {
  const encode = (value: string): string => JSON.stringify({ status: 'SUCC', value: { [name]: value } });
  return {
    wireType: 'string',
    summary: `JSON: \`${encode('…')}\``,
    example: encode('01234567-89ab-cdef-0123-456789abcdef'),
    encode,
  };
}

/** A value as it is: a struct, an array of them, or what the methods of introspection are specified to answer. */
export function record(
  summary: string,
  wireType: Result<unknown>['wireType'],
  example: XmlRpcValue,
): Result<XmlRpcValue> {
  return { wireType, summary, example, encode: value => value };
}
