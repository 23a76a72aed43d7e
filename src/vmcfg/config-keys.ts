import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { ConfigEntry, GuestFile } from './reader.ts';
import { parseFlag } from './flags.ts';
import { ConfigFloat, itemsOf } from './values.ts';

/** The keys of a guest file with the types that the agent wants; each refusal names the key's line. */
export class ConfigKeys {
  readonly #file: GuestFile;

  constructor(file: GuestFile) {
    this.#file = file;
  }

  /** Text; a number is taken as it is written, None and a key that is not there are undefined. */
  text(key: string): string | undefined {
    const value = this.#find(key)?.value;
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string') return noNul(value) ? value : this.fail(key, 'it holds a NUL character');
    if (typeof value === 'number' || typeof value === 'bigint') return String(value);
    if (typeof value === 'boolean') return value ? '1' : '0';
    if (value instanceof ConfigFloat) return String(value.value);
    return this.fail(key, 'it must be a text in quotes');
  }

  /** Text that says something: an empty one counts as not there. */
  filledText(key: string): string | undefined {
    const text = this.text(key)?.trim();
    return text === '' ? undefined : text;
  }

  /** A whole number, also in quotes, as real controllers write it; an empty text counts as not there. */
  integer(key: string, least: number, most: number): number | undefined {
    const text = this.filledText(key);
    if (text === undefined) return undefined;
    const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return number >= least && number <= most
      ? number
      : this.fail(key, `${quote(text)} is no whole number from ${least} to ${most}`);
  }

  /** 0, 1, True, False, and the other words of xm for them, also in quotes. */
  flag(key: string): boolean | undefined {
    const text = this.filledText(key);
    if (text === undefined) return undefined;
    return parseFlag(text) ?? this.fail(key, `${quote(text)} is neither 0 nor 1`);
  }

  /** A list of texts; empty when the key is not there, and when it is an empty text. Numbers are taken as they are written. */
  list(key: string): readonly string[] {
    const value = this.#find(key)?.value;
    if (value === undefined || value === null || value === '') return [];
    const items = itemsOf(value) ?? this.fail(key, "it must be a list such as ['…', '…']");
    return items.map(item => {
      if (typeof item === 'number') return String(item);
      return typeof item === 'string' && noNul(item) ? item : this.fail(key, 'its items must be texts in quotes');
    });
  }

  /** A list of texts, for which a text or a number of its own may stand. */
  textOrList(key: string): readonly string[] {
    const value = this.#find(key)?.value;
    if (value === undefined || value === null || itemsOf(value)) return this.list(key);
    const text = this.text(key) ?? '';
    return text === '' ? [] : [text];
  }

  /** @throws AgentError BAD_CONFIG with the place of the key */
  fail(key: string, why: string): never {
    const entry = this.#find(key);
    const place = entry ? `line ${entry.line}, column ${entry.column}: ` : '';
    throw new AgentError('BAD_CONFIG', `${place}${key}: ${why}`);
  }

  #find(key: string): ConfigEntry | undefined {
    return this.#file.get(key);
  }
}

function noNul(text: string): boolean {
  return !text.includes('\0');
}
