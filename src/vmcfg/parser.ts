import { ExpressionParser } from './expression-parser.ts';
import { type ReaderLimits, standardLimits } from './limits.ts';
import type { SourceText } from './source-text.ts';
import type { Branch, Expression, Import, Name, Statement } from './syntax-tree.ts';
import { TokenCursor } from './token-cursor.ts';
import { tokenize } from './tokens.ts';

/** Words that begin a statement of Python which no guest file may hold. */
const REFUSED = new Set(
  (
    'assert break class continue def del except exec finally for from global lambda print raise return try while ' +
    'with yield'
  ).split(' '),
);
const UNDERSTOOD = "a line such as name = 'value', an if, or import os, re";
const REFUSED_ASSIGNMENTS: readonly string[] = [
  '-=',
  '*=',
  '/=',
  '//=',
  '%=',
  '**=',
  '<<=',
  '>>=',
  '&=',
  '|=',
  '^=',
  '@=',
];

/**
 * Parses a guest file by Python's grammar, as far as guest files use it. Nothing is evaluated.
 * @throws GuestFileError
 */
export function parseStatements(source: SourceText, limits: ReaderLimits = standardLimits): Statement[] {
  if (source.text.length > limits.fileLength) {
    throw source.refusal(
      source.start,
      `the file has more than ${limits.fileLength} characters; a shorter one is needed`,
    );
  }
  return new StatementParser(new TokenCursor(source, tokenize(source, limits), limits)).file();
}

class StatementParser {
  readonly #cursor: TokenCursor;
  readonly #expressions: ExpressionParser;

  constructor(cursor: TokenCursor) {
    this.#cursor = cursor;
    this.#expressions = new ExpressionParser(cursor);
  }

  file(): Statement[] {
    const statements: Statement[] = [];
    while (this.#cursor.token.kind !== 'end') this.#statements(statements);
    return statements;
  }

  /** An `if` with all that belongs to it, or the statements of one line. */
  #statements(into: Statement[]): void {
    if (this.#cursor.isWord('if')) into.push(this.#if());
    else this.#line(into);
  }

  /** Statements with semicolons between them, up to the end of the line. */
  #line(into: Statement[]): void {
    do into.push(this.#simpleStatement());
    while (this.#cursor.skipOperator(';') && this.#cursor.token.kind !== 'newline');
    this.#cursor.expectKind('newline', 'the end of the line');
  }

  #simpleStatement(): Statement {
    const { kind, start, text } = this.#cursor.token;
    if (kind === 'name' && REFUSED.has(text))
      throw this.#cursor.source.refusal(start, `"${text}" is not understood in a guest file; ${UNDERSTOOD} is needed`);
    if (this.#cursor.isWord('elif') || this.#cursor.isWord('else'))
      throw this.#cursor.unexpected('an "if" above it with the same indentation');
    if (kind === 'newline' || kind === 'indent') throw this.#cursor.unexpected(UNDERSTOOD);
    if (this.#cursor.skipWord('pass')) return { kind: 'pass', start, end: this.#cursor.lastEnd };
    if (this.#cursor.skipWord('import')) return this.#import(start);
    return this.#assignment(start);
  }

  #import(start: number): Import {
    const modules: Name[] = [];
    do modules.push(this.#expressions.name('the name of a module'));
    while (this.#cursor.skipOperator(','));
    return { kind: 'import', modules, start, end: this.#cursor.lastEnd };
  }

  #assignment(start: number): Statement {
    const targets: Name[] = [];
    let value = this.#expressions.expressionOrTuple();
    if (this.#cursor.skipOperator('+=')) {
      const target = this.#target(value);
      value = this.#expressions.expressionOrTuple();
      return { kind: 'augmentation', target, value, start, end: this.#cursor.lastEnd };
    }
    if (this.#cursor.token.kind === 'operator' && REFUSED_ASSIGNMENTS.includes(this.#cursor.token.text))
      throw this.#cursor.unexpected('"+=", or "=" with the whole calculation behind it,');
    while (this.#cursor.skipOperator('=')) {
      targets.push(this.#target(value));
      value = this.#expressions.expressionOrTuple();
    }
    if (targets.length > 0) return { kind: 'assignment', targets, value, start, end: this.#cursor.lastEnd };
    return { kind: 'expression', expression: value, start, end: this.#cursor.lastEnd };
  }

  #target(written: Expression): Name {
    if (written.kind === 'name') return written;
    throw this.#cursor.source.refusal(
      written.start,
      written.kind === 'tuple'
        ? `${this.#cursor.source.shown(written)} cannot be set at once; a line for each name is needed`
        : `${this.#cursor.source.shown(written)} cannot be set; a name before the "=" is needed`,
    );
  }

  #if(): Statement {
    const { start } = this.#cursor.take();
    const branches: Branch[] = [this.#branch(start)];
    let otherwise: readonly Statement[] = [];
    let end = endOf(branches[0]!.body);
    for (;;) {
      const { token } = this.#cursor;
      if (this.#cursor.skipWord('elif')) {
        const branch = this.#branch(token.start);
        branches.push(branch);
        end = endOf(branch.body);
      } else {
        if (this.#cursor.skipWord('else')) {
          otherwise = this.#cursor.nested(token.start, () => this.#block('else'));
          end = endOf(otherwise);
        }
        return { kind: 'if', branches, otherwise, start, end };
      }
    }
  }

  #branch(at: number): Branch {
    const test = this.#expressions.expression();
    return { test, body: this.#cursor.nested(at, () => this.#block('the condition')) };
  }

  /** A colon, and the rest of its line or an indented block. */
  #block(before: string): Statement[] {
    this.#cursor.expectOperator(':', `":" behind ${before}`);
    const statements: Statement[] = [];
    if (!this.#cursor.skipKind('newline')) {
      if (this.#cursor.isWord('if')) throw this.#cursor.unexpected('a line of its own for an inner if');
      this.#line(statements);
      return statements;
    }
    this.#cursor.expectKind('indent', 'an indented line behind ":"');
    while (!this.#cursor.skipKind('dedent')) this.#statements(statements);
    return statements;
  }
}

function endOf(statements: readonly Statement[]): number {
  return statements.at(-1)!.end;
}
