import { checkDepth, type ReaderLimits } from './limits.ts';
import type { GuestFileError, SourceText } from './source-text.ts';
import type { Token } from './tokens.ts';

/** Words of Python's grammar, of version 2 and 3, that cannot be names. */
const RESERVED = new Set(
  (
    'False None True and as assert break class continue def del elif else except exec finally for from global if ' +
    'import in is lambda not or pass print raise return try while with yield'
  ).split(' '),
);

/** Whether a guest file can set a variable of that name. */
export function isVariableName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.has(name);
}

/** The place in the tokens of a file up to which it has been parsed. */
export class TokenCursor {
  readonly source: SourceText;
  readonly #tokens: readonly Token[];
  readonly #limits: ReaderLimits;
  #index = 0;
  #depth = 0;

  constructor(source: SourceText, tokens: readonly Token[], limits: ReaderLimits) {
    this.source = source;
    this.#tokens = tokens;
    this.#limits = limits;
  }

  get token(): Token {
    return this.#tokens[this.#index]!;
  }

  /** Where the last token that was taken ends. */
  get lastEnd(): number {
    return this.#tokens[this.#index - 1]?.end ?? this.source.start;
  }

  take(): Token {
    const token = this.token;
    // The end stays in place, so that there is always a token.
    if (token.kind !== 'end') this.#index += 1;
    return token;
  }

  isOperator(operator: string): boolean {
    return this.token.kind === 'operator' && this.token.text === operator;
  }

  isWord(word: string): boolean {
    return this.token.kind === 'name' && this.token.text === word;
  }

  /** A name that is no word of the grammar. */
  isName(): boolean {
    return this.token.kind === 'name' && !RESERVED.has(this.token.text);
  }

  /** Takes the operator if it stands here. */
  skipOperator(operator: string): boolean {
    if (!this.isOperator(operator)) return false;
    this.take();
    return true;
  }

  skipWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.take();
    return true;
  }

  expectOperator(operator: string, needed: string): void {
    if (!this.skipOperator(operator)) throw this.unexpected(needed);
  }

  skipKind(kind: Token['kind']): boolean {
    if (this.token.kind !== kind) return false;
    this.take();
    return true;
  }

  expectKind(kind: Token['kind'], needed: string): void {
    if (!this.skipKind(kind)) throw this.unexpected(needed);
  }

  /** Runs `parse` one level deeper. */
  nested<Result>(at: number, parse: () => Result): Result {
    this.#depth += 1;
    this.checkDepth(0, at);
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  /** Refuses what is `more` levels deeper than here when that is too deep. */
  checkDepth(more: number, at: number): void {
    checkDepth(this.source, this.#limits, this.#depth + more, at);
  }

  /** For `throw cursor.unexpected(…)`: what stands here, and what is needed in its place. */
  unexpected(needed: string): GuestFileError {
    return this.source.refusal(this.token.start, `${this.#found()}; ${needed} is needed`);
  }

  #found(): string {
    switch (this.token.kind) {
      case 'newline':
        return 'the line ends here';
      case 'indent':
        return 'the line is indented';
      case 'dedent':
        return 'the indented block ends here';
      case 'end':
        return 'the file ends here';
      default:
        return `${this.source.shown(this.token)} stands here`;
    }
  }
}
