import { isIP } from 'node:net';
import type { SettingKind } from './setting-kinds.ts';

/** How the value of an option is read; that of most is one word or text, and never a list. */
export interface XendKind<T> extends SettingKind<T> {
  readonly mayBeList?: true;
}

export function yesNo(): SettingKind<boolean> {
  const words = new Map([
    ['yes', true],
    ['y', true],
    ['1', true],
    ['on', true],
    ['true', true],
    ['t', true],
    ['no', false],
    ['n', false],
    ['0', false],
    ['off', false],
    ['false', false],
    ['f', false],
  ]);
  return { expected: 'yes or no', parse: text => words.get(text.toLowerCase()) };
}

export function anyText(): SettingKind<string> {
  return { expected: 'a text', parse: text => text };
}

export function anyTextOrList(): XendKind<string> {
  return { expected: 'a text or a list', parse: text => text, mayBeList: true };
}

/** Addresses to listen on: empty is all of them, as for xend. */
export function listenAddress(): SettingKind<readonly string[]> {
  return {
    expected: "an IP address, localhost, or '' for all",
    parse(text) {
      if (text === '') return ['0.0.0.0', '::'];
      if (text === 'localhost') return ['127.0.0.1'];
      return isIP(text) === 0 ? undefined : [text];
    },
  };
}

export function ipAddress(): SettingKind<string> {
  return {
    expected: "an IP address, localhost, or '' for all",
    parse(text) {
      if (text === '') return '0.0.0.0';
      if (text === 'localhost') return '127.0.0.1';
      return isIP(text) === 0 ? undefined : text;
    },
  };
}

export function keymap(): SettingKind<string> {
  return {
    expected: 'a keyboard layout such as en-us',
    parse: text => (/^(?:[a-z]{2}(?:-[a-z]{2})?)?$/.test(text) ? text : undefined),
  };
}

/** A file; a name without a directory is one of /etc/xen, as for xend. Empty is none. */
export function file(): SettingKind<string> {
  return {
    expected: 'a file',
    parse: text => (text === '' || text.startsWith('/') ? text : text.includes('/') ? undefined : `/etc/xen/${text}`),
  };
}

export function logLevel(): SettingKind<'debug' | 'info' | 'warn' | 'error'> {
  const levels = {
    NOTSET: 'debug',
    DEBUG: 'debug',
    INFO: 'info',
    WARNING: 'warn',
    WARN: 'warn',
    ERROR: 'error',
    CRITICAL: 'error',
    FATAL: 'error',
  } as const;
  return {
    expected: `one of ${Object.keys(levels).join(', ')}`,
    parse: text => (Object.hasOwn(levels, text) ? levels[text as keyof typeof levels] : undefined),
  };
}
