import type { EvaluationBounds } from './limits.ts';
import { boundedInteger } from './literals.ts';
import type { CalculationOperator } from './syntax-tree.ts';
import { formatText } from './text-format.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue, integerOf, isList, kindOf } from './values.ts';

/**
 * What Python makes of `left operator right`.
 * @param at offset of the operator
 * @throws GuestFileError when the operator has no meaning for such values, or the outcome would be out of bounds
 */
export function calculate(
  bounds: EvaluationBounds,
  operator: CalculationOperator,
  left: ConfigValue,
  right: ConfigValue,
  at: number,
): ConfigValue {
  if (operator === '%' && typeof left === 'string') return formatText(bounds, left, right, at);
  const value = joined(bounds, operator, left, right, at) ?? number(bounds, operator, left, right, at);
  if (value !== undefined) return value;
  throw bounds.source.refusal(
    at,
    `${kindOf(left)} ${operator} ${kindOf(right)} has no meaning; values that fit together are needed`,
  );
}

/** Of texts, lists and tuples: `+` and `*`. */
function joined(
  bounds: EvaluationBounds,
  operator: CalculationOperator,
  left: ConfigValue,
  right: ConfigValue,
  at: number,
): ConfigValue | undefined {
  if (operator === '*') return repeated(bounds, left, right, at) ?? repeated(bounds, right, left, at);
  if (operator !== '+') return undefined;
  if (typeof left === 'string' && typeof right === 'string') {
    bounds.buildText(left.length + right.length, at);
    return left + right;
  }
  if (isList(left) && isList(right)) {
    return concatenated(bounds, left, right, at);
  }
  if (left instanceof ConfigTuple && right instanceof ConfigTuple) {
    return new ConfigTuple(concatenated(bounds, left.items, right.items, at));
  }
  return undefined;
}

function concatenated(
  bounds: EvaluationBounds,
  left: readonly ConfigValue[],
  right: readonly ConfigValue[],
  at: number,
): ConfigValue[] {
  const length = left.length + right.length;
  bounds.buildList(length, length, at);
  return [...left, ...right];
}

function repeated(
  bounds: EvaluationBounds,
  value: ConfigValue,
  times: ConfigValue,
  at: number,
): ConfigValue | undefined {
  const integer = integerOf(times);
  if (integer === undefined) return undefined;
  const count = Math.max(0, Number(integer));
  if (typeof value === 'string') {
    bounds.buildText(value.length * count, at);
    return value.length === 0 ? '' : value.repeat(count);
  }
  if (isList(value)) return repeatedItems(bounds, value, count, at);
  if (value instanceof ConfigTuple) return new ConfigTuple(repeatedItems(bounds, value.items, count, at));
  return undefined;
}

function repeatedItems(
  bounds: EvaluationBounds,
  items: readonly ConfigValue[],
  count: number,
  at: number,
): ConfigValue[] {
  bounds.buildList(items.length * count, items.length * count, at);
  const all: ConfigValue[] = [];
  if (items.length > 0) for (let time = 0; time < count; time += 1) all.push(...items);
  return all;
}

function number(
  bounds: EvaluationBounds,
  operator: CalculationOperator,
  left: ConfigValue,
  right: ConfigValue,
  at: number,
): ConfigValue | undefined {
  const leftInteger = integerOf(left);
  const rightInteger = integerOf(right);
  if (leftInteger !== undefined && rightInteger !== undefined)
    return integer(bounds, operator, leftInteger, rightInteger, at);
  const leftNumber = numberOf(left);
  const rightNumber = numberOf(right);
  if (leftNumber === undefined || rightNumber === undefined) return undefined;
  const value = float(operator, leftNumber, rightNumber);
  if (value === undefined) return undefined;
  if (!Number.isFinite(value)) throw tooLarge(bounds, at);
  return new ConfigFloat(value);
}

/** `//` and `%` of floats are left out: their rounding has no use in a guest file. */
function float(operator: CalculationOperator, left: number, right: number): number | undefined {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '//':
    case '%':
      return undefined;
  }
}

function integer(
  bounds: EvaluationBounds,
  operator: CalculationOperator,
  left: bigint,
  right: bigint,
  at: number,
): ConfigValue {
  const value = boundedInteger(exact(bounds, operator, left, right, at));
  if (value === undefined) throw tooLarge(bounds, at);
  return value;
}

function exact(
  bounds: EvaluationBounds,
  operator: CalculationOperator,
  left: bigint,
  right: bigint,
  at: number,
): bigint {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '//':
    case '%': {
      if (right === 0n) throw bounds.source.refusal(at, `${operator} divides by 0; another number is needed`);
      // Python rounds down, and the remainder has the sign of the divisor; here both go towards 0.
      const remainder = left % right;
      const isBelow = remainder !== 0n && remainder < 0n !== right < 0n;
      if (operator === '%') return isBelow ? remainder + right : remainder;
      return isBelow ? left / right - 1n : left / right;
    }
  }
}

function tooLarge(bounds: EvaluationBounds, at: number): Error {
  return bounds.source.refusal(at, 'the outcome is too large; a smaller number is needed');
}

function numberOf(value: ConfigValue): number | undefined {
  if (value instanceof ConfigFloat) return value.value;
  const integer = integerOf(value);
  return integer === undefined ? undefined : Number(integer);
}

/** `-value` or `+value`; undefined where that has no meaning. */
export function signed(operator: '-' | '+', value: ConfigValue): ConfigValue | undefined {
  if (value instanceof ConfigFloat) return operator === '-' ? new ConfigFloat(-value.value) : value;
  const integer = integerOf(value);
  return integer === undefined ? undefined : boundedInteger(operator === '-' ? -integer : integer);
}
