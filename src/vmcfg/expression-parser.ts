import { parseNumber, parseText } from './literals.ts';
import type {
  CalculationOperator,
  ComparisonOperator,
  Constant,
  Expression,
  Logic,
  Name,
  Operation,
} from './syntax-tree.ts';
import type { TokenCursor } from './token-cursor.ts';
import type { Token } from './tokens.ts';

const WORDS: Readonly<Record<string, boolean | null>> = { True: true, False: false, None: null };
const SUMS: readonly string[] = ['+', '-'];
const PRODUCTS: readonly string[] = ['*', '//', '%'];
/** Operators of Python that no guest file needs, or that have no bound. */
const REFUSED: readonly string[] = ['**', '<<', '>>', '&', '|', '^', '@'];
/** `<>` is the older form of `!=`. */
const COMPARISONS: Readonly<Record<string, ComparisonOperator>> = {
  '==': '==',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};
const VALUE = 'a value such as 512, a text in quotes or a list';

/** Parses expressions by the ranks of Python's operators (The Python Language Reference, 6: expressions). */
export class ExpressionParser {
  readonly #cursor: TokenCursor;

  constructor(cursor: TokenCursor) {
    this.#cursor = cursor;
  }

  /** An expression, or several with commas between them, which are a tuple. */
  expressionOrTuple(): Expression {
    const first = this.expression();
    if (!this.#cursor.isOperator(',')) return first;
    const items = [first];
    while (this.#cursor.skipOperator(',')) {
      if (this.#cursor.isOperator('=') || this.#cursor.isOperator(';') || this.#cursor.token.kind === 'newline') break;
      items.push(this.expression());
    }
    return { kind: 'tuple', items, start: first.start, end: this.#cursor.lastEnd };
  }

  expression(): Expression {
    return this.#logic('or', () => this.#logic('and', () => this.#not()));
  }

  #logic(operator: Logic['operator'], parseOperand: () => Expression): Expression {
    const first = parseOperand();
    if (!this.#cursor.isWord(operator)) return first;
    const operands = [first];
    while (this.#cursor.skipWord(operator)) operands.push(parseOperand());
    return { kind: 'logic', operator, operands, start: first.start, end: this.#cursor.lastEnd };
  }

  #not(): Expression {
    const { start } = this.#cursor.token;
    if (!this.#cursor.skipWord('not')) return this.#comparison();
    const operand = this.#cursor.nested(start, () => this.#not());
    return { kind: 'not', operand, start, end: operand.end };
  }

  #comparison(): Expression {
    const first = this.#sum();
    const rest: Operation<ComparisonOperator>[] = [];
    for (;;) {
      const at = this.#cursor.token.start;
      const operator = this.#comparisonOperator();
      if (operator === undefined) break;
      rest.push({ operator, at, operand: this.#sum() });
    }
    return rest.length === 0
      ? first
      : { kind: 'comparison', first, rest, start: first.start, end: this.#cursor.lastEnd };
  }

  #comparisonOperator(): ComparisonOperator | undefined {
    const { kind, text } = this.#cursor.token;
    if (kind === 'operator') {
      const operator = Object.hasOwn(COMPARISONS, text) ? COMPARISONS[text] : undefined;
      if (operator !== undefined) this.#cursor.take();
      return operator;
    }
    if (this.#cursor.skipWord('in')) return 'in';
    if (this.#cursor.skipWord('is')) return this.#cursor.skipWord('not') ? 'is not' : 'is';
    if (!this.#cursor.skipWord('not')) return undefined;
    if (!this.#cursor.skipWord('in')) throw this.#cursor.unexpected('"in" behind "not"');
    return 'not in';
  }

  #sum(): Expression {
    return this.#calculation(SUMS, () => this.#calculation(PRODUCTS, () => this.#signed()));
  }

  #calculation(operators: readonly string[], parseOperand: () => Expression): Expression {
    const first = parseOperand();
    const rest: Operation<CalculationOperator>[] = [];
    while (this.#cursor.token.kind === 'operator' && operators.includes(this.#cursor.token.text)) {
      const { start, text } = this.#cursor.take();
      rest.push({ operator: text as CalculationOperator, at: start, operand: parseOperand() });
    }
    this.#refuseOperator();
    return rest.length === 0
      ? first
      : { kind: 'calculation', first, rest, start: first.start, end: this.#cursor.lastEnd };
  }

  /** Names the operators that Python has and a guest file may not have. */
  #refuseOperator(): void {
    const { kind, start, text } = this.#cursor.token;
    if (kind !== 'operator') return;
    if (text === '/')
      throw this.#cursor.source.refusal(
        start,
        '"/" does not mean the same in every Python; "//", which gives a whole number, is needed',
      );
    if (REFUSED.includes(text))
      throw this.#cursor.source.refusal(start, `"${text}" is not understood; one of + - * // % is needed`);
  }

  #signed(): Expression {
    const { kind, start, text } = this.#cursor.token;
    if (kind !== 'operator' || (text !== '-' && text !== '+')) return this.#primary();
    this.#cursor.take();
    const operand = this.#cursor.nested(start, () => this.#signed());
    return { kind: 'sign', operator: text, operand, start, end: operand.end };
  }

  /** An atom with what hangs on it: `[…]`, `.name` and `(…)`. */
  #primary(): Expression {
    let object = this.#atom();
    for (let links = 1; ; links += 1) {
      const { start } = object;
      const at = this.#cursor.token.start;
      if (this.#cursor.skipOperator('[')) {
        const index = this.#cursor.nested(at, () => this.#index());
        object = { kind: 'index', object, index, start, end: this.#cursor.lastEnd };
      } else if (this.#cursor.skipOperator('.')) {
        const name = this.name('a name behind the point');
        object = { kind: 'attribute', object, name, start, end: name.end };
      } else if (this.#cursor.skipOperator('(')) {
        const args = this.#cursor.nested(at, () => this.#items(')', 'the call', 'an argument'));
        object = { kind: 'call', callee: object, args, start, end: this.#cursor.lastEnd };
      } else return object;
      this.#cursor.checkDepth(links, at);
    }
  }

  #index(): Expression {
    if (this.#cursor.isOperator(':')) throw this.#slice();
    const index = this.expression();
    if (this.#cursor.isOperator(':')) throw this.#slice();
    this.#cursor.expectOperator(']', '"]" behind the index');
    return index;
  }

  #slice(): Error {
    return this.#cursor.source.refusal(
      this.#cursor.token.start,
      '":" stands in an index, and parts of lists and texts are not understood; one index is needed',
    );
  }

  #atom(): Expression {
    const { token } = this.#cursor;
    if (token.kind === 'string') return this.#texts();
    if (token.kind === 'number') {
      this.#cursor.take();
      return constant(parseNumber(this.#cursor.source, token), token);
    }
    if (token.kind === 'name' && Object.hasOwn(WORDS, token.text)) {
      this.#cursor.take();
      return constant(WORDS[token.text]!, token);
    }
    if (this.#cursor.isName()) return this.name(VALUE);
    if (this.#cursor.skipOperator('[')) return this.#cursor.nested(token.start, () => this.#list(token.start));
    if (this.#cursor.skipOperator('(')) return this.#cursor.nested(token.start, () => this.#parenthesis(token.start));
    if (this.#cursor.skipOperator('{')) return this.#cursor.nested(token.start, () => this.#dictionary(token.start));
    throw this.#cursor.unexpected(VALUE);
  }

  /** @param needed what the message says to be needed where no name stands */
  name(needed: string): Name {
    if (!this.#cursor.isName()) throw this.#cursor.unexpected(needed);
    const { start, end, text } = this.#cursor.take();
    return { kind: 'name', name: text, start, end };
  }

  /** Texts that stand side by side are one. */
  #texts(): Constant {
    const { start } = this.#cursor.token;
    let value = '';
    while (this.#cursor.token.kind === 'string') value += parseText(this.#cursor.source, this.#cursor.take());
    return { kind: 'constant', value, start, end: this.#cursor.lastEnd };
  }

  #list(start: number): Expression {
    const items = this.#items(']', 'the list', 'an item');
    return { kind: 'list', items, start, end: this.#cursor.lastEnd };
  }

  /** Behind the opening bracket: an expression in brackets, or a tuple, which the comma makes. */
  #parenthesis(start: number): Expression {
    if (this.#cursor.skipOperator(')')) return { kind: 'tuple', items: [], start, end: this.#cursor.lastEnd };
    const inner = this.expression();
    if (this.#cursor.skipOperator(')')) return { ...inner, start, end: this.#cursor.lastEnd };
    this.#cursor.expectOperator(',', 'a comma or ")"');
    const items = [inner, ...this.#items(')', 'the tuple', 'an item')];
    return { kind: 'tuple', items, start, end: this.#cursor.lastEnd };
  }

  #dictionary(start: number): Expression {
    const members: { readonly key: Expression; readonly value: Expression }[] = [];
    while (!this.#cursor.skipOperator('}')) {
      const key = this.expression();
      this.#cursor.expectOperator(':', '":" behind the key');
      members.push({ key, value: this.expression() });
      if (!this.#cursor.skipOperator(',') && !this.#cursor.isOperator('}'))
        throw this.#cursor.unexpected('a comma or the "}" of the dictionary');
    }
    return { kind: 'dictionary', members, start, end: this.#cursor.lastEnd };
  }

  /** Items with commas between them, up to and with the closing bracket. */
  #items(close: string, whole: string, item: string): Expression[] {
    const items: Expression[] = [];
    while (!this.#cursor.skipOperator(close)) {
      if (this.#cursor.isOperator(',')) throw this.#cursor.unexpected(`${item} before the comma`);
      items.push(this.expression());
      if (!this.#cursor.skipOperator(',') && !this.#cursor.isOperator(close))
        throw this.#cursor.unexpected(`a comma or the "${close}" of ${whole}`);
    }
    return items;
  }
}

function constant(value: Constant['value'], { start, end }: Token): Constant {
  return { kind: 'constant', value, start, end };
}
