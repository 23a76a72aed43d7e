import { parse as parseIni } from 'ini';
import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** One `key=value` of a settings file. */
export interface IniEntry {
  /** Empty for the keys before the first section. */
  readonly section: string;
  readonly key: string;
  /** Decoded: without quotes and the blanks around it. */
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

/** An entry with the place of its value in its line, as offsets from the line's begin. */
interface PlacedEntry extends IniEntry {
  readonly start: number;
  readonly end: number;
}

const NAME = /^[\w.-]+$/;

/** What the ini package, or a person's editor, would take for the end of a line inside of one. */
const FOREIGN_LINE_BREAK = /[\r\u2028\u2029]/;

/**
 * A settings file that remembers its lines: errors name them, and an edit changes one value and no other byte.
 * Values are decoded by the ini package. What that package would silently read in another way than people mean it
 * (`key: value`, a comment sign inside a value, a key without a value) is an error here.
 */
export class IniDocument {
  readonly file: string;
  /** Each with the line break that ends it. */
  readonly #lines: readonly string[];
  readonly #entries = new Map<string, PlacedEntry>();
  /** Sections in the order of the file, each with the index of the line of its first heading. */
  readonly #headings = new Map<string, number>();

  /**
   * @param file name for messages
   * @throws AgentError BAD_CONFIG with file, line and what was expected
   */
  constructor(text: string, file: string) {
    this.file = file;
    this.#lines = text === '' ? [] : text.split(/(?<=\n)/);
    this.#read();
  }

  get text(): string {
    return this.#lines.join('');
  }

  get entries(): readonly IniEntry[] {
    return [...this.#entries.values()];
  }

  /** Every section that has a heading, with the line of it, counted from 1. */
  get sections(): readonly { readonly name: string; readonly line: number }[] {
    return [...this.#headings].map(([name, index]) => ({ name, line: index + 1 }));
  }

  find(section: string, key: string): IniEntry | undefined {
    return this.#entries.get(identify(section, key));
  }

  /** The document with one value set: in its place, or in a new line at the end of its section. */
  with(section: string, key: string, value: string): IniDocument {
    const lines = [...this.#lines];
    const entry = this.#entries.get(identify(section, key));
    if (entry) {
      const line = lines[entry.line - 1]!;
      lines[entry.line - 1] = line.slice(0, entry.start) + encodeValue(value) + line.slice(entry.end);
      return new IniDocument(lines.join(''), this.file);
    }
    const lineBreak = lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
    const assignment = `${key}=${encodeValue(value)}${lineBreak}`;
    const index = this.#endOf(section);
    const before = lines.slice(0, index ?? lines.length).join('');
    const separator = before === '' || before.endsWith('\n') ? '' : lineBreak;
    const heading = index === undefined ? `${before === '' ? '' : lineBreak}[${section}]${lineBreak}` : '';
    const after = index === undefined ? '' : lines.slice(index).join('');
    return new IniDocument(before + separator + heading + assignment + after, this.file);
  }

  /** The failure of one line. */
  error(line: number, text: string): AgentError {
    return new AgentError('BAD_CONFIG', `${this.file} line ${line}: ${text}`);
  }

  /** @returns the index of the line before which a new key of the section goes; undefined without such a section */
  #endOf(section: string): number | undefined {
    const last = this.entries.filter(entry => entry.section === section).at(-1);
    if (last) return last.line;
    const heading = this.#headings.get(section);
    if (heading !== undefined) return heading + 1;
    if (section !== '') return undefined;
    let [index = this.#lines.length] = this.#headings.values();
    // The comment right above a heading speaks of that section.
    if (index < this.#lines.length) while (isComment(this.#lines[index - 1]?.trim() ?? '')) index -= 1;
    return index;
  }

  #read(): void {
    let section = '';
    for (const [index, raw] of this.#lines.entries()) {
      const body = raw.replace(/\r?\n$/, '');
      const text = body.trim();
      const line = index + 1;
      // With the line breaks of old Macs a whole file would pass for one comment, its rules unread.
      if (FOREIGN_LINE_BREAK.test(body)) {
        throw this.error(line, 'a line break of another kind stands inside it; lines must end with a line feed');
      }
      if (text === '' || isComment(text)) continue;
      if (text.startsWith('[')) {
        section = this.#readHeading(text, line);
        if (!this.#headings.has(section)) this.#headings.set(section, index);
        continue;
      }
      const entry = this.#readEntry(section, body, line);
      const identity = identify(section, entry.key);
      const earlier = this.#entries.get(identity);
      if (earlier) {
        throw this.error(line, `${entry.key} is set in line ${earlier.line} already; one of the two must go`);
      }
      this.#entries.set(identity, entry);
    }
  }

  #readHeading(text: string, line: number): string {
    const name = text.slice(1, -1).trim();
    if (text.endsWith(']') && NAME.test(name)) return name;
    throw this.error(line, `${quote(text)} is no section; it must be [name], with nothing else on the line`);
  }

  #readEntry(section: string, body: string, line: number): PlacedEntry {
    const equals = body.indexOf('=');
    const key = body.slice(0, Math.max(0, equals)).trim();
    if (!NAME.test(key)) {
      const [, name, colonValue = ''] = /^([\w.-]+)[ \t]*:[ \t]*(.*)$/.exec(body.trim()) ?? [];
      const hint = name === undefined ? '' : `; did you mean ${quote(`${name}=${colonValue}`)}?`;
      const wanted = 'a line is key=value, [section], or a comment that begins with ; or #';
      throw this.error(line, `${quote(body.trim())} cannot be read; ${wanted}${hint}`);
    }
    const rest = body.slice(equals + 1);
    const raw = rest.trim();
    const start = body.length - rest.trimStart().length;
    const value = decodeValue(raw);
    if (value === undefined) throw this.error(line, `the value of ${key} is ambiguous; ${remedyFor(raw)}`);
    return { section, key, value, line, start, end: start + raw.length };
  }
}

function identify(section: string, key: string): string {
  return `${section}\n${key}`;
}

function isComment(text: string): boolean {
  return text.startsWith(';') || text.startsWith('#');
}

/** @returns undefined when the package does not read the value as what stands there */
function decodeValue(raw: string): string | undefined {
  const decoded: unknown = parseIni(`value=${raw}`)['value'];
  // The package makes booleans, numbers and null of some words; all values are words here.
  const value = typeof decoded === 'string' ? decoded : JSON.stringify(decoded);
  const [, quoteSign, inner] = /^(["'])(.*)\1$/s.exec(raw) ?? [];
  // What stands in double quotes and is no JSON string comes back as it was.
  if (quoteSign === '"') return value === raw ? undefined : value;
  if (quoteSign === "'") return value === inner ? value : undefined;
  return value === raw && !/^["']/.test(raw) ? value : undefined;
}

/** The value as it is, or as a JSON string, which the package reads, where it would be read as another one. */
function encodeValue(value: string): string {
  const isPlain = !/[\n\r\u2028\u2029]/.test(value) && value === value.trim() && decodeValue(value) === value;
  if (isPlain) return value;
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

function remedyFor(raw: string): string {
  if (/^["']/.test(raw)) return 'what begins with a quote must end with it, with no other quote or comment beside it';
  if (/[;#]/.test(raw)) {
    return '; and # begin a comment: put the comment on a line of its own, or the value in double quotes';
  }
  return 'a backslash changes what follows it: put the value in double quotes, and double each backslash';
}
