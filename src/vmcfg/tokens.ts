import type { ReaderLimits } from './limits.ts';
import { shown, type SourceText, type Span } from './source-text.ts';

export interface Token extends Span {
  readonly kind: 'name' | 'number' | 'string' | 'operator' | 'newline' | 'indent' | 'dedent' | 'end';
  /** As it stands in the file; empty for those that have no text of their own. */
  readonly text: string;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
/** All that may belong to a number, so that one that is none is named whole. */
const NUMBER = /0[xX][A-Za-z0-9_]*|(?:\d|\.\d)(?:[eE][+-]\d|[A-Za-z0-9_.])*/y;
/** All operators of Python, so that one that is not understood is named whole. */
const OPERATOR = /\*\*=?|\/\/=?|>>=?|<<=?|<>|!=|->|:=|\.\.\.|[-+*/%&|^@=<>]=?|[()[\]{},:;.`~]/y;
const STRING_START = /(?:[uUbBfF][rR]?|[rR][bBfF]?|[tT])?('''|"""|'|")/y;
const BLANK = /[ \t\f]+/y;
const COMMENT = /#[^\r\n]*/y;
const LINE_END = /\r\n?|\n/y;

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const TAB_STOP = 8;

/**
 * Cuts a guest file into tokens by the rules of Python (The Python Language Reference, 2: lexical analysis): line ends
 * inside brackets and after a backslash are none, and the indentation of a line is a token where it changes.
 * @throws GuestFileError
 */
export function tokenize(source: SourceText, limits: ReaderLimits): Token[] {
  return new Tokenizer(source, limits).read();
}

class Tokenizer {
  readonly #source: SourceText;
  readonly #text: string;
  readonly #limits: ReaderLimits;
  readonly #tokens: Token[] = [];
  readonly #openBrackets: { readonly bracket: string; readonly at: number }[] = [];
  /** Columns of the blocks that are open, the outermost first. */
  readonly #indents: number[] = [0];
  #at: number;

  constructor(source: SourceText, limits: ReaderLimits) {
    this.#source = source;
    this.#text = source.text;
    this.#limits = limits;
    this.#at = source.start;
  }

  read(): Token[] {
    const zero = this.#text.indexOf('\0');
    if (zero >= 0) throw this.#source.refusal(zero, 'a NUL character stands here; a text file in UTF-8 is needed');
    while (this.#at < this.#text.length) this.#line();
    this.#endLine();
    this.#indentTo(0, this.#at);
    this.#push('end', '', this.#at);
    return this.#tokens;
  }

  /** A logical line: with all lines that brackets and backslashes make part of it. */
  #line(): void {
    const column = this.#indentation();
    if (this.#match(COMMENT) || this.#match(LINE_END) || this.#at >= this.#text.length) return;
    this.#indentTo(column, this.#at);
    while (this.#at < this.#text.length) {
      if (this.#match(BLANK) || this.#match(COMMENT) || this.#continuation()) continue;
      const start = this.#at;
      if (this.#match(LINE_END)) {
        if (this.#openBrackets.length > 0) continue;
        this.#push('newline', '', start);
        return;
      }
      this.#token(start);
    }
  }

  /** Reads the blanks at the start of a line. A form feed starts the count anew. */
  #indentation(): number {
    let column = 0;
    for (; ; this.#at += 1) {
      const character = this.#text[this.#at];
      if (character === ' ') column += 1;
      else if (character === '\t') column += TAB_STOP - (column % TAB_STOP);
      else if (character === '\f') column = 0;
      else return column;
    }
  }

  #indentTo(column: number, at: number): void {
    if (column > this.#indents.at(-1)!) {
      this.#indents.push(column);
      this.#push('indent', '', at);
      return;
    }
    while (column < this.#indents.at(-1)!) {
      this.#indents.pop();
      this.#push('dedent', '', at);
    }
    if (column !== this.#indents.at(-1)!)
      throw this.#source.refusal(at, 'the line is indented like no line above; the same indentation is needed');
  }

  /** A backslash at the end of a line, with the line end. */
  #continuation(): boolean {
    if (this.#text[this.#at] !== '\\') return false;
    const start = this.#at;
    this.#at += 1;
    if (!this.#match(LINE_END) || this.#at >= this.#text.length)
      throw this.#source.refusal(start, '"\\\\" stands here; outside of texts it must end a line that goes on below');
    return true;
  }

  #token(start: number): void {
    const quote = this.#match(STRING_START)?.[1];
    if (quote !== undefined) {
      this.#endOfString(start, quote);
      this.#push('string', this.#text.slice(start, this.#at), start);
    } else if (this.#match(NAME)) {
      this.#push('name', this.#text.slice(start, this.#at), start);
    } else if (this.#match(NUMBER)) {
      this.#push('number', this.#text.slice(start, this.#at), start);
    } else if (this.#match(OPERATOR)) {
      const operator = this.#text.slice(start, this.#at);
      this.#bracket(operator, start);
      this.#push('operator', operator, start);
    } else {
      const character = String.fromCodePoint(this.#text.codePointAt(start)!);
      throw this.#source.refusal(
        start,
        `${shown(character)} stands here; outside of texts and comments only Python's own characters are understood`,
      );
    }
  }

  #endOfString(start: number, quote: string): void {
    const isLong = quote.length === 3;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text[this.#at];
      // Also in a raw text a backslash keeps the quote behind it from ending the text.
      if (character === '\\') this.#at += this.#text.startsWith('\r\n', this.#at + 1) ? 2 : 1;
      else if ((character === '\n' || character === '\r') && !isLong) break;
      else if (this.#text.startsWith(quote, this.#at)) {
        this.#at += quote.length;
        return;
      }
    }
    throw this.#source.refusal(start, `the text that opens here has no end; a closing ${quote} is needed`);
  }

  #bracket(operator: string, at: number): void {
    if (operator in CLOSING) {
      this.#openBrackets.push({ bracket: operator, at });
      return;
    }
    if (!')]}'.includes(operator)) return;
    const open = this.#openBrackets.pop();
    if (!open) throw this.#source.refusal(at, `"${operator}" stands here; no bracket is open that it could close`);
    if (CLOSING[open.bracket] === operator) return;
    const { line, column } = this.#source.placeOf(open.at);
    throw this.#source.refusal(
      at,
      `"${operator}" stands here; "${CLOSING[open.bracket]!}" is needed for the "${open.bracket}" of line ${line}, column ${column}`,
    );
  }

  /** The end of the file ends its last line. */
  #endLine(): void {
    const open = this.#openBrackets.at(-1);
    if (open)
      throw this.#source.refusal(open.at, `"${open.bracket}" is never closed; "${CLOSING[open.bracket]!}" is needed`);
    const last = this.#tokens.at(-1);
    if (last && last.kind !== 'newline') this.#push('newline', '', this.#at);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  #push(kind: Token['kind'], text: string, start: number): void {
    if (this.#tokens.length >= this.#limits.tokens)
      throw this.#source.refusal(
        start,
        `the file has more than ${this.#limits.tokens} words and signs; a shorter one is needed`,
      );
    this.#tokens.push({ kind, text, start, end: start + text.length });
  }
}
