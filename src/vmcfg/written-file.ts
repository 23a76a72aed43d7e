import type { ReaderLimits } from './limits.ts';
import { parseStatements } from './parser.ts';
import type { QuoteSign } from './printer.ts';
import { SourceText, type Span } from './source-text.ts';
import type { If, Statement } from './syntax-tree.ts';
import { type Token, tokenize } from './tokens.ts';

/** A span with what shall stand in its place. */
export interface TextEdit extends Span {
  readonly text: string;
}

/** A statement that holds no other. */
export type SimpleStatement = Exclude<Statement, If>;

const BLANKS_AND_COMMENT = /[ \t\f]*(?:#[^\r\n]*)?(?=[\r\n]|$)/y;
const LINE_END = /\r\n?|\n/y;
const ONLY_BLANKS = /^[ \t\f]*$/;

/** A guest file as it is written: its statements, and between them the lines, blanks and comments. */
export class WrittenFile {
  readonly source: SourceText;
  readonly text: string;
  readonly statements: readonly Statement[];
  readonly tokens: readonly Token[];

  /** @throws GuestFileError when the text cannot be parsed */
  constructor(text: string, limits: ReaderLimits) {
    this.text = text;
    this.source = new SourceText(text);
    this.statements = parseStatements(this.source, limits);
    this.tokens = tokenize(this.source, limits);
  }

  /** The text with the edits made, which do not overlap; those of one place are made in the order given. */
  with(edits: readonly TextEdit[]): string {
    const parts: string[] = [];
    let done = 0;
    for (const { end, start, text } of edits.toSorted((left, right) => left.start - right.start)) {
      parts.push(this.text.slice(done, start), text);
      done = end;
    }
    parts.push(this.text.slice(done));
    return parts.join('');
  }

  /** All statements in the order of the text, those within an `if` among them, whether they are reached or not. */
  *simpleStatements(statements: readonly Statement[] = this.statements): Generator<SimpleStatement> {
    for (const statement of statements) {
      if (statement.kind === 'if') for (const block of blocksOf(statement)) yield* this.simpleStatements(block);
      else yield statement;
    }
  }

  /** The first token that starts at the offset or behind it. */
  tokenFrom(offset: number): Token {
    return this.tokens[this.#tokenIndex(offset)]!;
  }

  /** The last token that starts before the offset. */
  tokenBefore(offset: number): Token | undefined {
    return this.tokens[this.#tokenIndex(offset) - 1];
  }

  tokensIn({ end, start }: Span): readonly Token[] {
    return this.tokens.slice(this.#tokenIndex(start), this.#tokenIndex(end));
  }

  hasComment(span: Span): boolean {
    let at = span.start;
    for (const token of this.tokensIn(span)) {
      if (this.text.slice(at, token.start).includes('#')) return true;
      at = token.end;
    }
    return this.text.slice(at, span.end).includes('#');
  }

  /** The sign around the first text of a span. */
  quoteIn(span: Span): QuoteSign | undefined {
    const text = this.tokensIn(span).find(token => token.kind === 'string')?.text;
    return text === undefined ? undefined : /^\w*"/.test(text) ? '"' : "'";
  }

  lineStart(offset: number): number {
    return offset - this.source.placeOf(offset).column + 1;
  }

  /** Whether only blanks stand before the offset in its line. */
  startsLine(offset: number): boolean {
    return ONLY_BLANKS.test(this.text.slice(this.lineStart(offset), offset));
  }

  /** The blanks that begin the line of the offset. */
  indentation(offset: number): string {
    return /^[ \t\f]*/.exec(this.text.slice(this.lineStart(offset), offset))![0];
  }

  /** Behind the blanks and the comment that end the line; undefined when anything else follows in the line. */
  restOfLineEnd(offset: number): number | undefined {
    BLANKS_AND_COMMENT.lastIndex = offset;
    return BLANKS_AND_COMMENT.test(this.text) ? BLANKS_AND_COMMENT.lastIndex : undefined;
  }

  /** Behind the line end that stands at the offset, if one does. */
  afterLineEnd(offset: number): number {
    LINE_END.lastIndex = offset;
    return LINE_END.test(this.text) ? LINE_END.lastIndex : offset;
  }

  /** How the lines around an offset end. */
  lineEndNear(offset: number): string {
    const start = this.lineStart(offset);
    if (start > this.source.start) {
      if (this.text[start - 1] === '\r') return '\r';
      return this.text[start - 2] === '\r' ? '\r\n' : '\n';
    }
    return /\r\n?|\n/.exec(this.text)?.[0] ?? '\n';
  }

  #tokenIndex(offset: number): number {
    let low = 0;
    let high = this.tokens.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tokens[middle]!.start < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The blocks of an `if`: of each condition, and of `else`. */
export function blocksOf({ branches, otherwise }: If): readonly (readonly Statement[])[] {
  const blocks = branches.map(branch => branch.body);
  return otherwise.length > 0 ? [...blocks, otherwise] : blocks;
}
