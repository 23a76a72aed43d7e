import { AgentError } from '../errors.ts';
import { formatBase64, formatDouble, isInt32, parseDateTime } from './scalars.ts';
import {
  deepestNesting,
  isStruct,
  methodNamePattern,
  XmlRpcDateTime,
  type XmlRpcStruct,
  type XmlRpcValue,
} from './values.ts';

/**
 * Documents in the layout of Python's xmlrpc.client, byte for byte for all but double, base64 and nil.
 *
 * What a value cannot say: the sign of a zero is not kept, and a number without a fraction is an int where it fits.
 */
const declaration = "<?xml version='1.0'?>\n";

/** The characters that text cannot hold as they are. A carriage return would be read as a line feed. */
const special = /[<>&\r\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/u;
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/gu;

export interface MethodCallOptions {
  /** Whether nil and i8 may be written; they are no part of the specification. */
  readonly extensions?: boolean;
}

/**
 * A method call.
 *
 * @throws AgentError BAD_VALUE for a method name that the specification does not allow, INTERNAL for a value that cannot be
 *   written
 */
export function writeMethodCall(
  method: string,
  params: readonly XmlRpcValue[],
  { extensions = false }: MethodCallOptions = {},
): string {
  if (!methodNamePattern.test(method)) {
    throw new AgentError(
      'BAD_VALUE',
      'write method call: the method name cannot be one; 1 to 255 of A-Z a-z 0-9 _ . : / are needed',
    );
  }
  let document = `${declaration}<methodCall>\n<methodName>${method}</methodName>\n<params>\n`;
  for (const param of params) document += `<param>\n${valueElement(param, extensions, 0)}</param>\n`;
  return `${document}</params>\n</methodCall>\n`;
}

/**
 * A response with its value. Never nil or i8: old clients know neither.
 *
 * @throws AgentError INTERNAL for a value that cannot be written
 */
export function writeMethodResponse(value: XmlRpcValue): string {
  return `${declaration}<methodResponse>\n<params>\n<param>\n${valueElement(value, false, 0)}</param>\n</params>\n</methodResponse>\n`;
}

/**
 * A fault.
 *
 * @param code number of the fault, 32 bits
 * @throws AgentError INTERNAL for a code that is no int
 */
export function writeFault(code: number, message: string): string {
  if (!isInt32(code)) throw cannotWrite('a fault code that is no int');
  const fault = valueElement({ faultCode: code, faultString: message }, false, 0);
  return `${declaration}<methodResponse>\n<fault>\n${fault}</fault>\n</methodResponse>\n`;
}

/**
 * Text as it stands in an element. What XML 1.0 does not allow in any spelling (control characters, half characters, U+FFFE
 * and U+FFFF) becomes U+FFFD, so that text from inside a guest cannot make a document that clients refuse.
 */
function escapeText(text: string): string {
  if (!special.test(text)) return text;
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/\r/g, '&#13;')
    .replace(forbidden, '\ufffd');
}

function valueElement(value: XmlRpcValue, extensions: boolean, depth: number): string {
  switch (typeof value) {
    case 'string':
      return `<value><string>${escapeText(value)}</string></value>\n`;
    case 'number':
      return numberElement(value);
    case 'boolean':
      return value ? '<value><boolean>1</boolean></value>\n' : '<value><boolean>0</boolean></value>\n';
    case 'bigint':
      return bigintElement(value, extensions);
    case 'object':
      return objectElement(value, extensions, depth);
    default:
      // The compiler rules it out; a cast elsewhere may not.
      throw cannotWrite(typeof value);
  }
}

function numberElement(value: number): string {
  if (isInt32(value)) return `<value><int>${value}</int></value>\n`;
  if (!Number.isFinite(value)) throw cannotWrite(String(value));
  return `<value><double>${formatDouble(value)}</double></value>\n`;
}

function bigintElement(value: bigint, extensions: boolean): string {
  if (isInt32(value)) return `<value><int>${value}</int></value>\n`;
  if (!extensions) throw cannotWrite('an integer of more than 32 bits');
  if (BigInt.asIntN(64, value) !== value) throw cannotWrite('an integer of more than 64 bits');
  return `<value><i8>${value}</i8></value>\n`;
}

function objectElement(value: XmlRpcValue & (object | null), extensions: boolean, depth: number): string {
  if (value === null) {
    if (!extensions) throw cannotWrite('nil');
    return '<value><nil/></value>\n';
  }
  if (value instanceof Uint8Array) return `<value><base64>${formatBase64(value)}</base64></value>\n`;
  if (value instanceof XmlRpcDateTime) return dateTimeElement(value);
  if (depth >= deepestNesting) throw cannotWrite(`more than ${deepestNesting} levels of arrays and structs`);
  if (isStruct(value)) return structElement(value, extensions, depth + 1);
  let items = '';
  for (const item of value) items += valueElement(item, extensions, depth + 1);
  return `<value><array><data>\n${items}</data></array></value>\n`;
}

function dateTimeElement(value: XmlRpcDateTime): string {
  if (parseDateTime(value.text)?.text !== value.text) throw cannotWrite('a time not of the form 19980717T14:08:55');
  return `<value><dateTime.iso8601>${value.text}</dateTime.iso8601></value>\n`;
}

function structElement(struct: XmlRpcStruct, extensions: boolean, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(struct);
  // A Map, a Date or an Error has no members of its own: it would be written as an empty struct.
  if (prototype !== null && prototype !== Object.prototype) throw cannotWrite('an object of a class');
  let members = '';
  for (const name of Object.keys(struct)) {
    members += `<member>\n<name>${escapeText(name)}</name>\n${valueElement(struct[name]!, extensions, depth)}</member>\n`;
  }
  return `<value><struct>\n${members}</struct></value>\n`;
}

function cannotWrite(what: string): AgentError {
  return new AgentError('INTERNAL', `write XML-RPC document: there is ${what}; a value of XML-RPC is needed`);
}
