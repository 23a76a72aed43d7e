import { isIP } from 'node:net';
import { posix } from 'node:path';
import { type AddressPattern, parseAddressPatterns } from './address-pattern.ts';

/** How the text of a setting becomes its value. */
export interface SettingKind<T> {
  /** What a text must look like, with unit and range, to follow the words "it must be". */
  readonly expected: string;
  /** @returns undefined when the text is not acceptable; AgentError BAD_VALUE says more where there is more to say */
  parse(text: string): T | undefined;
}

export function enabled(): SettingKind<boolean> {
  return {
    expected: 'enable or disable',
    parse: text => (text === 'enable' ? true : text === 'disable' ? false : undefined),
  };
}

export function choice<const T extends string>(...choices: readonly T[]): SettingKind<T> {
  return { expected: `one of ${choices.join(', ')}`, parse: text => choices.find(item => item === text) };
}

export function integerChoice<const T extends number>(unit: string, ...choices: readonly T[]): SettingKind<T> {
  return {
    expected: `a number of ${unit}, one of ${choices.join(', ')}`,
    parse: text => choices.find(item => String(item) === text),
  };
}

export function integer(least: number, most: number, unit = ''): SettingKind<number> {
  return {
    expected: `a whole number${unit && ` of ${unit}`} from ${least} to ${most}`,
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : undefined;
    },
  };
}

/** Seconds on paper, fractions allowed; milliseconds in the value. */
export function seconds(least: number, most: number): SettingKind<number> {
  return {
    expected: `a number of seconds from ${least} to ${most}`,
    parse(text) {
      const value = /^\d{1,9}(?:\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? Math.round(value * 1000) : undefined;
    },
  };
}

/** The same, or 0 for never. */
export function secondsOrNever(least: number, most: number): SettingKind<number> {
  const usual = seconds(least, most);
  return { expected: `${usual.expected}, or 0 for never`, parse: text => (text === '0' ? 0 : usual.parse(text)) };
}

const UNITS = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['', 1],
] as const;

/** A size in bytes, or with a unit. */
export function bytes(least: number, most: number): SettingKind<number> {
  return {
    expected: `a size from ${sizeText(least)} to ${sizeText(most)}, in bytes or with the unit KiB, MiB or GiB`,
    parse(text) {
      const [, digits, suffix = ''] = /^(\d{1,15}) ?(KiB|MiB|GiB)?$/.exec(text) ?? [];
      const [, factor = 1] = UNITS.find(([unit]) => unit === suffix) ?? [];
      const value = digits === undefined ? Number.NaN : Number(digits) * factor;
      return value >= least && value <= most ? value : undefined;
    },
  };
}

function sizeText(size: number): string {
  const [unit, factor] = UNITS.find(([, bytesOfUnit]) => size % bytesOfUnit === 0) ?? ['', 1];
  return `${size / factor}${unit || ' bytes'}`;
}

/** One address or more, each named once. */
export function ipAddresses(): SettingKind<readonly string[]> {
  return {
    expected: 'IP addresses of this server, each once, separated by commas, such as 0.0.0.0,::',
    parse(text) {
      const items = itemsOf(text);
      return items.length > 0 && items.every(item => isIP(item) !== 0) && new Set(items).size === items.length
        ? items
        : undefined;
    },
  };
}

/** An address that others can reach, or null for an empty text. */
export function optionalIpAddress(): SettingKind<string | null> {
  return {
    expected: 'an IP address such as 10.1.1.1, or nothing',
    parse(text) {
      if (text === '') return null;
      // Without digits other than zero, or with a zone, it names no server to anybody else.
      return isIP(text) !== 0 && /[1-9a-f]/i.test(text) && !text.includes('%') ? text : undefined;
    },
  };
}

export function addressPatterns(): SettingKind<readonly AddressPattern[]> {
  return { expected: 'a list of address patterns, separated by commas, or nothing', parse: parseAddressPatterns };
}

export function directories(): SettingKind<readonly string[]> {
  return {
    expected: 'a list of absolute paths of directories, separated by commas, or nothing',
    parse(text) {
      const items = itemsOf(text);
      return items.every(isDirectoryBelowRoot) ? items : undefined;
    },
  };
}

function isDirectoryBelowRoot(path: string): boolean {
  return /^\/[^\0]*$/.test(path) && !path.split('/').includes('..') && posix.resolve(path) !== '/';
}

/** The name of a program to be found on the PATH, or its absolute path. */
export function program(): SettingKind<string> {
  return {
    expected: 'the name or the absolute path of a program',
    parse: text => (/^(?:\/(?:[^\s/]+\/)*)?\w[\w.+-]*$/.test(text) ? text : undefined),
  };
}

/** QEMU counts VNC displays from 0, and display 0 is at this port (QEMU manual, option -vnc). */
const FIRST_VNC_PORT = 5900;

export function vncPortRange(): SettingKind<{ readonly first: number; readonly last: number }> {
  return {
    expected: `a range of TCP ports from ${FIRST_VNC_PORT} to 65535, such as 5900-5999`,
    parse(text) {
      const [, first, last] = /^(\d{4,5})-(\d{4,5})$/.exec(text)?.map(Number) ?? [];
      if (first === undefined || last === undefined) return undefined;
      return first >= FIRST_VNC_PORT && first <= last && last <= 65_535 ? { first, last } : undefined;
    },
  };
}

function itemsOf(text: string): string[] {
  return text === '' ? [] : text.split(',').map(item => item.trim());
}
