import type { Span } from './source-text.ts';
import type { ConfigFloat } from './values.ts';

/**
 * A guest file as it is written. Every part has its span in the text, so that a part can be replaced and the rest left
 * as it is. The span of an expression holds the brackets around it, that of a statement ends before a comment.
 */
export type Statement = Assignment | Augmentation | ExpressionStatement | Import | If | Pass;

/** `a = 1`, or `a = b = 1`. */
export interface Assignment extends Span {
  readonly kind: 'assignment';
  readonly targets: readonly Name[];
  readonly value: Expression;
}

/** `a += 1`. */
export interface Augmentation extends Span {
  readonly kind: 'augmentation';
  readonly target: Name;
  readonly value: Expression;
}

/** `a.append(1)`, or a text on a line of its own, which is a comment in Python's way. */
export interface ExpressionStatement extends Span {
  readonly kind: 'expression';
  readonly expression: Expression;
}

export interface Import extends Span {
  readonly kind: 'import';
  readonly modules: readonly Name[];
}

export interface If extends Span {
  readonly kind: 'if';
  /** `if` and each `elif`. */
  readonly branches: readonly Branch[];
  readonly otherwise: readonly Statement[];
}

export interface Branch {
  readonly test: Expression;
  readonly body: readonly Statement[];
}

export interface Pass extends Span {
  readonly kind: 'pass';
}

export type Expression =
  | Constant
  | Name
  | ListDisplay
  | TupleDisplay
  | DictionaryDisplay
  | Sign
  | Not
  | Calculation
  | Comparison
  | Logic
  | Index
  | Attribute
  | Call;

/** A number, True, False, None, or a text; texts that stand side by side are one. */
export interface Constant extends Span {
  readonly kind: 'constant';
  readonly value: string | number | bigint | ConfigFloat | boolean | null;
}

export interface Name extends Span {
  readonly kind: 'name';
  readonly name: string;
}

export interface ListDisplay extends Span {
  readonly kind: 'list';
  readonly items: readonly Expression[];
}

export interface TupleDisplay extends Span {
  readonly kind: 'tuple';
  readonly items: readonly Expression[];
}

export interface DictionaryDisplay extends Span {
  readonly kind: 'dictionary';
  readonly members: readonly { readonly key: Expression; readonly value: Expression }[];
}

export interface Sign extends Span {
  readonly kind: 'sign';
  readonly operator: '-' | '+';
  readonly operand: Expression;
}

export interface Not extends Span {
  readonly kind: 'not';
  readonly operand: Expression;
}

/**
 * Operators of one rank, from left to right. They are one part and not one within the other: a line may have thousands,
 * and the nesting must stay shallow.
 */
export interface Calculation extends Span {
  readonly kind: 'calculation';
  readonly first: Expression;
  readonly rest: readonly Operation<CalculationOperator>[];
}

/** `a < b <= c` means `a < b and b <= c`, as in Python. */
export interface Comparison extends Span {
  readonly kind: 'comparison';
  readonly first: Expression;
  readonly rest: readonly Operation<ComparisonOperator>[];
}

export interface Operation<Operator> {
  readonly operator: Operator;
  /** Offset of the operator. */
  readonly at: number;
  readonly operand: Expression;
}

export type CalculationOperator = '+' | '-' | '*' | '//' | '%';
export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in' | 'is' | 'is not';

export interface Logic extends Span {
  readonly kind: 'logic';
  readonly operator: 'and' | 'or';
  readonly operands: readonly Expression[];
}

export interface Index extends Span {
  readonly kind: 'index';
  readonly object: Expression;
  readonly index: Expression;
}

export interface Attribute extends Span {
  readonly kind: 'attribute';
  readonly object: Expression;
  readonly name: Name;
}

export interface Call extends Span {
  readonly kind: 'call';
  readonly callee: Expression;
  readonly args: readonly Expression[];
}
