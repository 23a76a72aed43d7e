import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** A word or text, or a list in parentheses, and the line on which it begins, from 1. */
export type SExpression = SAtom | SList;

export interface SAtom {
  readonly kind: 'atom';
  readonly text: string;
  readonly line: number;
}

export interface SList {
  readonly kind: 'list';
  readonly items: readonly SExpression[];
  readonly line: number;
}

export const LONGEST_SEXPRESSIONS = 256 * 1024;
const DEEPEST_NESTING = 32;
const MOST_EXPRESSIONS = 10_000;
const SHOWN_CHARACTERS = 40;
const BLANKS = /(?:\s+|#[^\n]*)*/y;
const WORD = /[^\s()#]+/y;
const NUMBERED_ESCAPE = /\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3}))/y;
/** Those of xen/xend/sxp.py; a backslash before anything else is one itself. */
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/**
 * Reads S-expressions as xend does (xen/xend/sxp.py): words, texts in single or double quotes with escapes, lists in
 * parentheses, comments from `#` to the end of the line.
 * @param file name for messages
 * @param secrets words that stand before what no message may show
 * @throws AgentError BAD_CONFIG with file, line and column
 */
export function parseSExpressions(text: string, file: string, secrets: readonly string[] = []): readonly SExpression[] {
  return new Parser(text, file, secrets).all();
}

class Parser {
  readonly #text: string;
  readonly #file: string;
  readonly #secrets: readonly string[];
  /** Offsets at which lines begin. */
  readonly #lineStarts: readonly number[];
  #at = 0;
  #count = 0;

  constructor(text: string, file: string, secrets: readonly string[]) {
    this.#text = text;
    this.#file = file;
    this.#secrets = secrets;
    this.#lineStarts = [0, ...[...text.slice(0, LONGEST_SEXPRESSIONS).matchAll(/\n/g)].map(({ index }) => index + 1)];
    if (text.length > LONGEST_SEXPRESSIONS)
      throw this.#error(0, `the file has more than ${LONGEST_SEXPRESSIONS} characters`);
  }

  all(): SExpression[] {
    const expressions: SExpression[] = [];
    for (;;) {
      this.#take(BLANKS);
      if (this.#at >= this.#text.length) return expressions;
      expressions.push(this.#expression(0));
    }
  }

  #expression(depth: number): SExpression {
    this.#count += 1;
    if (this.#count > MOST_EXPRESSIONS) throw this.#error(this.#at, `the file has more than ${MOST_EXPRESSIONS} parts`);
    if (depth > DEEPEST_NESTING) throw this.#error(this.#at, `the nesting is deeper than ${DEEPEST_NESTING} levels`);
    const start = this.#at;
    const line = this.#lineOf(start);
    const character = this.#text[start]!;
    if (character === ')') throw this.#error(start, '")" stands here without a "(" before it; remove it');
    if (character === '(') return { kind: 'list', items: this.#items(start, depth), line };
    const text = character === '"' || character === "'" ? this.#quoted(character) : this.#take(WORD);
    // No file, address or word that is meant has it, and the system takes it for the end of a name.
    if (text.includes('\0')) throw this.#error(start, 'a NUL character stands in this; remove it');
    return { kind: 'atom', text, line };
  }

  #items(start: number, depth: number): SExpression[] {
    const items: SExpression[] = [];
    this.#at += 1;
    for (;;) {
      this.#take(BLANKS);
      if (this.#at >= this.#text.length) throw this.#error(start, 'the "(" here is not closed; a ")" is needed');
      if (this.#text[this.#at] === ')') {
        this.#at += 1;
        return items;
      }
      items.push(this.#expression(depth + 1));
    }
  }

  #quoted(mark: string): string {
    const start = this.#at;
    let result = '';
    for (this.#at += 1; this.#at < this.#text.length; ) {
      const character = this.#text[this.#at]!;
      if (character === '\n') break;
      if (character === '\\') {
        result += this.#escaped();
        continue;
      }
      this.#at += 1;
      if (character === mark) return result;
      result += character;
    }
    throw this.#error(start, `the text that begins here is not closed on its line; a ${mark} is needed`);
  }

  #escaped(): string {
    const start = this.#at;
    NUMBERED_ESCAPE.lastIndex = start;
    const [all, hexadecimal, octal] = NUMBERED_ESCAPE.exec(this.#text) ?? [];
    if (all !== undefined) {
      this.#at += all.length;
      const code = octal === undefined ? Number.parseInt(hexadecimal!, 16) : Number.parseInt(octal, 8);
      if (code > 0xff) throw this.#error(start, 'this escape is beyond the last character, \\377');
      return String.fromCharCode(code);
    }
    const character = ESCAPES[this.#text[start + 1] ?? ''];
    this.#at += character === undefined ? 1 : 2;
    return character ?? '\\';
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [taken = ''] = pattern.exec(this.#text) ?? [];
    this.#at += taken.length;
    return taken;
  }

  #lineOf(offset: number): number {
    let [low, high] = [0, this.#lineStarts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  #error(offset: number, message: string): AgentError {
    const line = this.#lineOf(offset);
    const column = offset - this.#lineStarts[line - 1]! + 1;
    const shown = this.#shown(offset, line);
    return new AgentError(
      'BAD_CONFIG',
      `${this.#file} line ${line}, column ${column}: ${message}${shown === '' ? '' : `; see ${quote(shown)}`}`,
    );
  }

  /** The rest of the line, as far as it holds no secret. */
  #shown(offset: number, line: number): string {
    const start = this.#lineStarts[line - 1]!;
    const end = this.#lineStarts[line] ?? this.#text.length;
    const text = this.#text.slice(start, end).trimEnd();
    // What an option holds may stand on the lines below its name.
    const opened = this.#text.slice(this.#text.lastIndexOf('(', offset - 1) + 1, offset);
    if (this.#secrets.some(secret => opened.includes(secret))) return '';
    const from = offset - start;
    const ends = this.#secrets.flatMap(secret =>
      text.includes(secret, from) ? [text.indexOf(secret, from) + secret.length] : [],
    );
    return text.slice(from, Math.min(from + SHOWN_CHARACTERS, ...ends));
  }
}
