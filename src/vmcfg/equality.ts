import { ConfigFloat, ConfigTuple, type ConfigValue, isDictionary, isList, itemsOf } from './values.ts';

/** Whether two values are the same, of the same kind: 1 is neither 1.0 nor True, and a tuple is no list. */
export function isEqual(left: ConfigValue, right: ConfigValue): boolean {
  if (left instanceof ConfigFloat && right instanceof ConfigFloat) return Object.is(left.value, right.value);
  const items = itemsOf(left);
  const others = itemsOf(right);
  if (items && others) {
    return (
      left instanceof ConfigTuple === right instanceof ConfigTuple &&
      items.length === others.length &&
      items.every((item, index) => isEqual(item, others[index]!))
    );
  }
  if (isDictionary(left) && isDictionary(right)) {
    return (
      left.size === right.size && [...left].every(([key, member]) => right.has(key) && isEqual(member, right.get(key)!))
    );
  }
  return !isList(left) && left === right;
}
