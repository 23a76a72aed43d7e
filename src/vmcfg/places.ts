import type { Span } from './source-text.ts';
import type {
  Assignment,
  Augmentation,
  Expression,
  ExpressionStatement,
  ListDisplay,
  Statement,
  TupleDisplay,
} from './syntax-tree.ts';

/** A statement that gives a key its value, or a part of it. */
export type Writer = Assignment | Augmentation | ExpressionStatement;

/** A list or tuple that is written out. */
export type Display = ListDisplay | TupleDisplay;

/** Statements one after the other, which are executed together or not at all. */
export type Block = readonly Statement[];

/** The file itself and the bodies of its ifs. */
export function blocksOf(statements: Block): Block[] {
  const inner = statements.flatMap(statement =>
    statement.kind === 'if'
      ? [...statement.branches.map(branch => branch.body), statement.otherwise].flatMap(blocksOf)
      : [],
  );
  return [statements, ...inner.filter(block => block.length > 0)];
}

/** Whether a statement writes a key: an assignment, `+=`, `append` or `extend`. */
export function writes(statement: Statement, key: string): statement is Writer {
  switch (statement.kind) {
    case 'assignment':
      return statement.targets.some(target => target.name === key);
    case 'augmentation':
      return statement.target.name === key;
    case 'expression':
      return isListCall(statement.expression, key);
    default:
      return false;
  }
}

function isListCall(expression: Expression, key: string): boolean {
  if (expression.kind !== 'call' || expression.callee.kind !== 'attribute') return false;
  const { object } = expression.callee;
  return object.kind === 'name' && object.name === key;
}

/** The lists and tuples that are written out in what a statement gives its key, in their order. */
export function displaysOf(writer: Writer): Display[] {
  return displaysIn(writer.kind === 'expression' ? writer.expression : writer.value);
}

function displaysIn(expression: Expression): Display[] {
  switch (expression.kind) {
    case 'list':
    case 'tuple':
      return [expression];
    case 'calculation':
      return [expression.first, ...expression.rest.map(operation => operation.operand)].flatMap(displaysIn);
    case 'call':
      return expression.callee.kind === 'attribute' && expression.callee.name.name === 'extend'
        ? expression.args.flatMap(displaysIn)
        : [];
    default:
      return [];
  }
}

/** What an `append` puts there, where a statement is one. */
export function appendedBy(writer: Writer): Expression | undefined {
  if (writer.kind !== 'expression' || writer.expression.kind !== 'call') return undefined;
  const { args, callee } = writer.expression;
  return callee.kind === 'attribute' && callee.name.name === 'append' ? args[0] : undefined;
}

/** A text without comments between two places. */
export function hasComment(text: string, { end, start }: Span): boolean {
  return gapTokens(text, start, end).some(token => token.kind === 'comment');
}

interface GapToken {
  readonly kind: 'comma' | 'comment' | 'newline';
  readonly start: number;
  readonly end: number;
}

/**
 * What stands in a stretch of the text beside blanks. In the gaps between the items of a list there are no texts, in which
 * a `#` or a comma would mean nothing; where there are, they are passed over.
 */
export function gapTokens(text: string, start: number, end: number): GapToken[] {
  const tokens: GapToken[] = [];
  const pattern =
    /(?<comma>,)|(?<comment>#[^\r\n]*)|(?<newline>\r\n?|\n)|'''[\s\S]*?'''|"""[\s\S]*?"""|'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/gy;
  for (let at = start; at < end; ) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match?.index !== at) {
      at += 1;
      continue;
    }
    const after = Math.min(end, at + match[0].length);
    for (const kind of ['comma', 'comment', 'newline'] as const) {
      if (match.groups?.[kind] !== undefined) tokens.push({ kind, start: at, end: after });
    }
    at = after;
  }
  return tokens;
}
