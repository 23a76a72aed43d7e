import { type Pool, parsePoolPath } from '../model/pool-path.ts';
import { isIP } from 'node:net';
import { AgentError } from '../errors.ts';
import { type GuestPath, isGuestName, parseGuestPath, quote } from '../model/guest-path.ts';
import { isStruct, XmlRpcDateTime, type XmlRpcStruct, type XmlRpcValue } from '../xmlrpc/values.ts';

/** XML-RPC types as `system.methodSignature` names them. */
export type WireType = 'string' | 'int' | 'boolean' | 'array' | 'struct';

/** One parameter of a method: its documentation, and how its value is read from the wire. */
export interface Param<T> {
  readonly wireType: WireType;
  readonly summary: string;
  readonly isOptional: boolean;
  /** A password or its like: it is never written down. */
  readonly isSecret?: boolean;
  /** A value that it accepts, for the documents and the tests. */
  readonly example: XmlRpcValue;
  /** @throws AgentError WRONG_PARAMETERS when the type is wrong, BAD_VALUE when the value is */
  parse(value: XmlRpcValue, name: string): T;
}

export type Params = Readonly<Record<string, Param<unknown>>>;

/** The values of a method's parameters, by name. */
export type Arguments<P extends Params> = { readonly [K in keyof P]: P[K] extends Param<infer T> ? T : never };

interface Accepted {
  readonly longest?: number;
  readonly example?: string;
}

const LONGEST_TEXT = 4096;

/** Any text without NUL. Old clients send numbers where a text is meant; they are taken as they would be written. */
export function text(summary: string, { longest = LONGEST_TEXT, example = 'hello' }: Accepted = {}): Param<string> {
  return {
    wireType: 'string',
    summary,
    isOptional: false,
    example,
    parse(value, name) {
      const result = typeof value === 'number' ? String(value) : value;
      if (typeof result !== 'string') throw wrongType(name, 'a string', value);
      if (result.length > longest) throw badValue(name, `it is longer than ${longest} characters`);
      if (result.includes('\0')) throw badValue(name, 'it holds a NUL character');
      return result;
    },
  };
}

/** A value that is never written down. */
export function secret<T>(param: Param<T>): Param<T> {
  return { ...param, isSecret: true };
}

/** The directory of a guest, such as `/OVS/running_pool/guest`. */
export function guestPath(summary: string): Param<GuestPath> {
  return refined(text(summary, { example: '/OVS/running_pool/guest' }), parseGuestPath);
}

/** The guest file of a guest, such as `/OVS/running_pool/guest/vm.cfg`; its value is the guest's directory. */
export function guestFile(summary: string): Param<GuestPath> {
  return refined(text(summary, { example: '/OVS/running_pool/guest/vm.cfg' }), (value, name) => {
    if (!value.endsWith('/vm.cfg')) throw badValue(name, `${quote(value)} is no guest file; it must end in /vm.cfg`);
    return parseGuestPath(value.slice(0, -'/vm.cfg'.length));
  });
}

export function guestName(summary: string): Param<string> {
  return refined(text(summary, { example: 'guest' }), (value, name) => {
    if (!isGuestName(value))
      throw badValue(name, `${quote(value)} is no name of a guest; letters, digits and _ . + - are`);
    return value;
  });
}

/** An IPv4 or IPv6 address: never a name, and so never text for a resolver or a shell. */
export function ipAddress(summary: string): Param<string> {
  return refined(text(summary, { example: '10.1.1.1' }), (value, name) => {
    if (isIP(value) === 0) throw badValue(name, `${quote(value)} is no IP address; it must look like 10.1.1.1`);
    return value;
  });
}

export function choice<const T extends string>(summary: string, choices: readonly T[]): Param<T> {
  return refined(text(summary, { example: choices[0]! }), (value, name) => {
    const found = choices.find(item => item === value);
    if (found === undefined) throw badValue(name, `${quote(value)} is not one of ${choices.join(', ')}`);
    return found;
  });
}

/** A whole number. Old clients also send it as text. */
export function integer(summary: string, least: number, most: number): Param<number> {
  return {
    wireType: 'int',
    summary,
    isOptional: false,
    example: least,
    parse(value, name) {
      const number = typeof value === 'string' && /^[+-]?\d{1,15}$/.test(value) ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isInteger(number)) throw wrongType(name, 'a whole number', value);
      if (number < least || number > most) throw badValue(name, `${number} is outside ${least} to ${most}`);
      return number;
    },
  };
}

/** A moment, in milliseconds since 1970-01-01 UTC: a text of ISO 8601, a dateTime.iso8601, or seconds since 1970. */
export function moment(summary: string): Param<number> {
  return {
    wireType: 'string',
    summary,
    isOptional: false,
    example: '2026-01-31T12:00:00Z',
    parse(value, name) {
      if (typeof value === 'number') return secondsOf(value, name) * 1000;
      const given = value instanceof XmlRpcDateTime ? value.text : value;
      if (typeof given !== 'string') throw wrongType(name, 'a time as text, a dateTime.iso8601 or a number', value);
      if (/^\d{1,11}$/.test(given)) return secondsOf(Number(given), name) * 1000;
      const [, year, month, day, time = '00:00', zone = 'Z'] = MOMENT.exec(given) ?? [];
      const found = Date.parse(`${year}-${month}-${day}T${time}${zone}`);
      if (Number.isNaN(found))
        throw badValue(name, `${quote(given)} is no time; it must look like 2026-01-31T12:00:00Z`);
      return found;
    },
  };
}

/** Without a zone it is UTC: the type dateTime.iso8601 knows none. */
const MOMENT = /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/;

/** The year 9999, after which ISO 8601 has other forms. */
const LAST_SECOND = 253_402_300_799;

function secondsOf(value: number, name: string): number {
  if (value >= 0 && value <= LAST_SECOND) return value;
  throw badValue(name, `${value} is no number of seconds since 1970`);
}

const FLAG_WORDS = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
  ['', false],
]);

/** Yes or no. Old clients send 0 and 1, or the words of Python. */
export function flag(summary: string): Param<boolean> {
  return {
    wireType: 'boolean',
    summary,
    isOptional: false,
    example: true,
    parse(value, name) {
      if (typeof value === 'boolean') return value;
      const known =
        typeof value === 'string' || typeof value === 'number'
          ? FLAG_WORDS.get(String(value).toLowerCase())
          : undefined;
      if (known === undefined) throw wrongType(name, 'a boolean', value);
      return known;
    },
  };
}

/** A list of values of any kind. */
export function list(summary: string, example: readonly XmlRpcValue[]): Param<readonly XmlRpcValue[]> {
  return {
    wireType: 'array',
    summary,
    isOptional: false,
    example,
    parse(value, name) {
      if (!Array.isArray(value)) throw wrongType(name, 'an array', value);
      return value as readonly XmlRpcValue[];
    },
  };
}

/** A struct of values of any kind. */
export function struct(summary: string, example: XmlRpcStruct): Param<XmlRpcStruct> {
  return {
    wireType: 'struct',
    summary,
    isOptional: false,
    example,
    parse(value, name) {
      if (!isStruct(value)) throw wrongType(name, 'a struct', value);
      return value;
    },
  };
}

/** Text of one form, which an expression describes to the machine and `form` to people, as the rest of a sentence. */
export function matching(summary: string, example: string, expression: RegExp, form: string): Param<string> {
  return refined(text(summary, { example }), (value, name) => {
    if (!expression.test(value)) throw badValue(name, `${quote(value)} is not ${form}`);
    return value;
  });
}

/** The address of a network card, such as `00:16:3e:12:34:56`. */
export function macAddress(summary: string): Param<string> {
  return matching(summary, '00:16:3e:12:34:56', MAC_ADDRESS, 'an address such as 00:16:3e:12:34:56');
}

/**
 * A file or device by its absolute path, with nothing in it that a guest file, a reply or a shell would read as more than
 * a path; with `prefixes` also one of them before it.
 */
export function imagePath(summary: string, example: string, prefixes: readonly string[] = []): Param<string> {
  return refined(text(summary, { example }), (value, name) => {
    const prefix = prefixes.find(known => value.startsWith(`${known}:/`));
    const path = prefix === undefined ? value : value.slice(prefix.length + 1);
    if (!IMAGE_PATH.test(path) || path.split('/').includes('..')) {
      const more =
        prefixes.length === 0 ? '' : `, with ${prefixes.map(known => `${known}:`).join(' ')} before it if need be`;
      throw badValue(name, `${quote(value)} is not an absolute path of plain characters${more}`);
    }
    return value;
  });
}

const MAC_ADDRESS = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i;
const SOURCE_URL = /^(?:(?:https?|ftp|nfs):\/\/[^/]|nfs:[^/]|file:\/\/\/[^/]|\/[^/])[^\p{C}\p{Z}`$;\\]*$/u;
const IMAGE_PATH = /^(?:\/[^\p{C}\p{Z}/,;'"`$\\&|<>*?(){}[\]]+(?: +[^\p{C}\p{Z}/,;'"`$\\&|<>*?(){}[\]]+)*)+$/u;

/** The name of a file in a pool of the default repository, or its path. */
export function poolPath(summary: string, pool: Pool, example: string): Param<string> {
  return refined(text(summary, { example }), value => {
    parsePoolPath(pool, value);
    return value;
  });
}

/** A SHA-256 sum. */
export const checksum: Param<string> = matching(
  'SHA-256 that it must have; when left out, that of url.sha256 where there is one',
  'a'.repeat(64),
  /^[0-9A-Fa-f]{64}$/,
  'a sum of 64 hexadecimal digits',
);

/** Where a file or a directory is brought from: a URL, or a path of this server. */
export function sourceUrl(summary: string, example = 'http://images.example.com/oel5'): Param<string> {
  return matching(`URL: ${summary}`, example, SOURCE_URL, 'a URL of http, https, ftp or nfs, or an absolute path');
}

/** Text of a form of its own. `parse` gives the reason, as the rest of a sentence, when it is of another. */
export function formed<T extends object>(
  summary: string,
  example: string,
  parse: (text: string) => T | string,
): Param<T> {
  return refined(text(summary, { example }), (value, name) => {
    const result = parse(value);
    if (typeof result === 'string') throw badValue(name, result);
    return result;
  });
}

/** May be left out at the end of a call; an empty text or nil stands for it too, as old clients send them. */
export function optional<T>(param: Param<T>): Param<T | undefined> {
  return {
    ...param,
    isOptional: true,
    parse: (value, name) => (value === '' || value === null ? undefined : param.parse(value, name)),
  };
}

/** Text whose value is read further. */
export function refined<T>(base: Param<string>, refine: (value: string, name: string) => T): Param<T> {
  return { ...base, parse: (value, name) => refine(base.parse(value, name), name) };
}

function wrongType(name: string, expected: string, value: XmlRpcValue): AgentError {
  return new AgentError('WRONG_PARAMETERS', `argument ${name}: it must be ${expected}, not ${wireTypeOf(value)}`);
}

function badValue(name: string, why: string): AgentError {
  return new AgentError('BAD_VALUE', `argument ${name}: ${why}`);
}

function wireTypeOf(value: XmlRpcValue): string {
  if (value === null) return 'nil';
  if (Array.isArray(value)) return 'an array';
  if (value instanceof XmlRpcDateTime) return 'a dateTime.iso8601';
  if (value instanceof Uint8Array) return 'a base64';
  return typeof value === 'object' ? 'a struct' : `a ${typeof value}`;
}
