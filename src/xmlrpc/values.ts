/**
 * Values of XML-RPC (http://xmlrpc.com/spec.md) as they stand in memory.
 *
 * | wire | memory |
 * |---|---|
 * | int, i4 | number |
 * | i8 | number when exact, else bigint |
 * | double | number |
 * | boolean | boolean |
 * | string, or no type element | string |
 * | dateTime.iso8601 | XmlRpcDateTime |
 * | base64 | Uint8Array |
 * | array | array |
 * | struct | object without prototype |
 * | nil | null |
 */
export type XmlRpcValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | XmlRpcDateTime
  | Uint8Array
  | readonly XmlRpcValue[]
  | XmlRpcStruct;

export interface XmlRpcStruct {
  readonly [member: string]: XmlRpcValue;
}

/** A dateTime.iso8601, kept as its text: the specification gives it no time zone, so it is no instant. */
export class XmlRpcDateTime {
  /** In the form `19980717T14:08:55`. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Bounds on one document. */
export interface XmlRpcLimits {
  /** Deepest nesting of arrays and structs; what is above `deepestNesting` counts as `deepestNesting`. */
  readonly depth: number;
  /** Most values in one document, members of structs and arrays included. */
  readonly values: number;
}

/** Nesting that no setting can exceed: reader and writer recurse once per level, and the stack must hold. */
export const deepestNesting = 256;

/** A method name as the specification allows it, with an upper bound on its length. */
export const methodNamePattern = /^[A-Za-z0-9_.:/]{1,255}$/;

export function isStruct(value: XmlRpcValue): value is XmlRpcStruct {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof XmlRpcDateTime)
  );
}
