import type { EvaluationBounds } from './limits.ts';
import type { ComparisonOperator } from './syntax-tree.ts';
import {
  type ConfigDictionary,
  type ConfigDictionaryKey,
  ConfigFloat,
  type ConfigValue,
  integerOf,
  isDictionary,
  isList,
  itemsOf,
  kindOf,
} from './values.ts';

/**
 * What Python answers to `left operator right`. What it answers differently by its version, such as whether a text is
 * less than a number, is refused.
 * @param at offset of the operator
 * @throws GuestFileError
 */
export function compare(
  bounds: EvaluationBounds,
  operator: ComparisonOperator,
  left: ConfigValue,
  right: ConfigValue,
  at: number,
): boolean {
  switch (operator) {
    case '==':
      return equal(bounds, left, right, at, 0);
    case '!=':
      return !equal(bounds, left, right, at, 0);
    case 'in':
      return contains(bounds, right, left, at);
    case 'not in':
      return !contains(bounds, right, left, at);
    case 'is':
    case 'is not':
      if (right !== null)
        throw bounds.source.refusal(at, `"${operator}" is understood with None only; == or != is needed`);
      return (left === null) === (operator === 'is');
    case '<':
      return order(bounds, operator, left, right, at) < 0;
    case '<=':
      return order(bounds, operator, left, right, at) <= 0;
    case '>':
      return order(bounds, operator, left, right, at) > 0;
    case '>=':
      return order(bounds, operator, left, right, at) >= 0;
  }
}

/** Whether a condition of that value holds: numbers but 0, and texts, lists, tuples and dictionaries with something in. */
export function isTrue(value: ConfigValue): boolean {
  if (value === null) return false;
  if (value instanceof ConfigFloat) return value.value !== 0;
  if (isDictionary(value)) return value.size > 0;
  const items = itemsOf(value);
  return items ? items.length > 0 : Boolean(value);
}

function equal(bounds: EvaluationBounds, left: ConfigValue, right: ConfigValue, at: number, depth: number): boolean {
  bounds.spend(1, at);
  bounds.checkDepth(depth, at);
  if (typeof left === 'string' && typeof right === 'string') {
    bounds.spendOnText(Math.min(left.length, right.length), at);
    return left === right;
  }
  const leftNumber = comparableNumber(left);
  const rightNumber = comparableNumber(right);
  // A number and a bigint compare by their exact values, but only under these operators.
  if (leftNumber !== undefined && rightNumber !== undefined)
    return leftNumber <= rightNumber && leftNumber >= rightNumber;
  const leftItems = itemsOf(left);
  const rightItems = itemsOf(right);
  if (leftItems && rightItems && isList(left) === isList(right)) {
    return (
      leftItems.length === rightItems.length &&
      leftItems.every((item, index) => equal(bounds, item, rightItems[index]!, at, depth + 1))
    );
  }
  if (isDictionary(left) && isDictionary(right)) return equalMaps(bounds, left, right, at, depth);
  return left === right;
}

function equalMaps(
  bounds: EvaluationBounds,
  left: ConfigDictionary,
  right: ConfigDictionary,
  at: number,
  depth: number,
): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    const other = right.get(key);
    if (other === undefined || !equal(bounds, value, other, at, depth + 1)) return false;
  }
  return true;
}

function contains(bounds: EvaluationBounds, whole: ConfigValue, part: ConfigValue, at: number): boolean {
  if (typeof whole === 'string' && typeof part === 'string') {
    // The worst that a search for a text can take.
    bounds.spendOnText(whole.length * Math.max(1, Math.ceil(part.length / 64)), at);
    return whole.includes(part);
  }
  const items = itemsOf(whole);
  if (items) return items.some(item => equal(bounds, item, part, at, 1));
  if (isDictionary(whole)) {
    const key = dictionaryKey(part);
    if (key !== undefined) return whole.has(key);
  }
  throw bounds.source.refusal(
    at,
    `${kindOf(part)} cannot be looked up in ${kindOf(whole)}; a text in a text, or a value in a list, is needed`,
  );
}

/** Below 0 when `left` comes first, above 0 when `right` does. */
function order(
  bounds: EvaluationBounds,
  operator: ComparisonOperator,
  left: ConfigValue,
  right: ConfigValue,
  at: number,
): number {
  if (typeof left === 'string' && typeof right === 'string') {
    bounds.spendOnText(left.length + right.length, at);
    // By characters of Unicode, which is the order of their UTF-8 and not that of UTF-16.
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  }
  const leftNumber = comparableNumber(left);
  const rightNumber = comparableNumber(right);
  if (leftNumber !== undefined && rightNumber !== undefined) {
    if (leftNumber < rightNumber) return -1;
    return leftNumber > rightNumber ? 1 : 0;
  }
  throw bounds.source.refusal(
    at,
    `${kindOf(left)} ${operator} ${kindOf(right)} has no meaning; two numbers or two texts are needed`,
  );
}

function comparableNumber(value: ConfigValue): number | bigint | undefined {
  if (typeof value === 'number') return value;
  return value instanceof ConfigFloat ? value.value : integerOf(value);
}

/** The value as a key of a dictionary; undefined when it is none that is understood. */
export function dictionaryKey(value: ConfigValue): ConfigDictionaryKey | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? value : undefined;
}
