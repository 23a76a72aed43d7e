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

const LONGEST_TEXT = 256 * 1024;
const DEEPEST_NESTING = 32;
const MOST_EXPRESSIONS = 10_000;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/**
 * Reads S-expressions as xend does (xen/xend/sxp.py): words, texts in single or double quotes with escapes, lists in
 * parentheses, comments from `#` to the end of the line.
 * @param file name for messages
 * @throws AgentError BAD_CONFIG with file, line and column
 */
export function parseSExpressions(text: string, file: string): readonly SExpression[] {
  return new Parser(text, file).all();
}

class Parser {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #count = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    if (text.length > LONGEST_TEXT) throw this.#error(0, `the file has more than ${LONGEST_TEXT} characters`);
  }

  all(): SExpression[] {
    const expressions: SExpression[] = [];
    for (;;) {
      this.#skip();
      if (this.#at >= this.#text.length) return expressions;
      expressions.push(this.#expression(0));
    }
  }

  #expression(depth: number): SExpression {
    this.#count += 1;
    if (this.#count > MOST_EXPRESSIONS) throw this.#error(this.#at, `the file has more than ${MOST_EXPRESSIONS} parts`);
    if (depth > DEEPEST_NESTING) throw this.#error(this.#at, `the nesting is deeper than ${DEEPEST_NESTING} levels`);
    const start = this.#at;
    const line = this.#placeOf(start).line;
    const character = this.#text[start]!;
    if (character === ')') throw this.#error(start, '")" stands here without a "(" before it; remove it');
    if (character === '(') return { kind: 'list', items: this.#items(start, depth), line };
    const text = character === '"' || character === "'" ? this.#quoted(character) : this.#word();
    return { kind: 'atom', text, line };
  }

  #items(start: number, depth: number): SExpression[] {
    const items: SExpression[] = [];
    this.#at += 1;
    for (;;) {
      this.#skip();
      if (this.#at >= this.#text.length) throw this.#error(start, 'the "(" here is not closed; a ")" is needed');
      if (this.#text[this.#at] === ')') {
        this.#at += 1;
        return items;
      }
      items.push(this.#expression(depth + 1));
    }
  }

  #word(): string {
    const [word = ''] = /^[^\s()'"#]+/.exec(this.#text.slice(this.#at, this.#at + 4096)) ?? [];
    this.#at += word.length;
    return word;
  }

  #quoted(mark: string): string {
    const start = this.#at;
    let result = '';
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text[this.#at]!;
      if (character === mark) {
        this.#at += 1;
        return result;
      }
      if (character === '\n') break;
      if (character === '\\') {
        this.#at += 1;
        const escaped = this.#text[this.#at] ?? '';
        result += ESCAPES[escaped] ?? escaped;
      } else result += character;
    }
    throw this.#error(start, `the text that begins here is not closed on its line; a ${mark} is needed`);
  }

  #skip(): void {
    const [blank = ''] = /(?:\s+|#[^\n]*)*/y.exec(this.#text.slice(this.#at)) ?? [];
    this.#at += blank.length;
  }

  #placeOf(offset: number): { readonly line: number; readonly column: number } {
    const before = this.#text.slice(0, offset);
    return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
  }

  #error(offset: number, message: string): AgentError {
    const { column, line } = this.#placeOf(offset);
    const shown = this.#text.slice(offset, offset + 40).split('\n', 1)[0] ?? '';
    return new AgentError(
      'BAD_CONFIG',
      `${this.#file} line ${line}, column ${column}: ${message}; see ${quote(shown)}`,
    );
  }
}
