import type { Display } from './display-edits.ts';
import type { Assignment, Augmentation, Call, Expression, ExpressionStatement } from './syntax-tree.ts';
import { type ConfigValue, isSameValue } from './values.ts';
import type { SimpleStatement, WrittenFile } from './written-file.ts';

/** A place of the text that may give a list one of its items. */
export type ItemPlace = DisplayedItem | AppendedItem;

export interface DisplayedItem {
  readonly kind: 'displayed';
  readonly display: Display;
  readonly index: number;
  readonly expression: Expression;
  readonly statement: SimpleStatement;
}

/** `disk.append('…')`. */
export interface AppendedItem {
  readonly kind: 'appended';
  readonly expression: Expression;
  readonly statement: ExpressionStatement;
}

/** What a file writes for one list, in the order of the text. Not all of it need be reached when the file is read. */
export interface Contributions {
  readonly displays: readonly Display[];
  readonly places: readonly ItemPlace[];
}

/** Whether the statement sets, adds to or changes the variable. */
export function concerns(statement: SimpleStatement, key: string): boolean {
  switch (statement.kind) {
    case 'assignment':
      return statement.targets.some(target => target.name === key);
    case 'augmentation':
      return statement.target.name === key;
    case 'expression':
      return methodCall(statement, key) !== undefined;
    case 'import':
    case 'pass':
      return false;
  }
}

/** The statement that sets the name at that offset. */
export function settingAt(file: WrittenFile, offset: number): Assignment | Augmentation | undefined {
  for (const statement of file.simpleStatements()) {
    if (statement.kind === 'assignment' && statement.targets.some(target => target.start === offset)) return statement;
    if (statement.kind === 'augmentation' && statement.target.start === offset) return statement;
  }
  return undefined;
}

export function contributionsTo(file: WrittenFile, key: string): Contributions {
  const displays: Display[] = [];
  const places: ItemPlace[] = [];
  for (const statement of file.simpleStatements()) {
    if (!concerns(statement, key)) continue;
    for (const expression of sourcesOf(statement, key)) {
      if (expression.kind !== 'list' && expression.kind !== 'tuple') continue;
      displays.push(expression);
      for (const [index, item] of expression.items.entries())
        places.push({ kind: 'displayed', display: expression, index, expression: item, statement });
    }
    const call = methodCall(statement, key);
    const [argument] = call?.method === 'append' ? call.args : [];
    if (argument && statement.kind === 'expression') places.push({ kind: 'appended', expression: argument, statement });
  }
  return { displays, places };
}

/**
 * The places that may have given the item of that index, the likeliest first.
 * @param holder start of the statement that set the list; what is written before it counts less
 */
export function placesOfItem(
  places: readonly ItemPlace[],
  items: readonly ConfigValue[],
  index: number,
  holder: number,
): ItemPlace[] {
  const item = items[index];
  if (item === undefined) return [];
  const later = places.filter(place => place.statement.start >= holder);
  const likely = [later[index], later[later.length - items.length + index]];
  const rank = (place: ItemPlace): number => (likely.includes(place) ? likely.indexOf(place) : likely.length);
  return places.filter(place => mayGive(place.expression, item)).toSorted((left, right) => rank(left) - rank(right));
}

/** What only the evaluation would tell counts as possible. */
function mayGive(expression: Expression, value: ConfigValue): boolean {
  return expression.kind !== 'constant' || isSameValue(expression.value, value);
}

/** The expressions whose items become items of the variable. */
function sourcesOf(statement: SimpleStatement, key: string): readonly Expression[] {
  if (statement.kind === 'assignment' || statement.kind === 'augmentation') return operandsOf(statement.value);
  const call = methodCall(statement, key);
  return call?.method === 'extend' ? call.args.flatMap(operandsOf) : [];
}

/** The operands of sums and of `and` and `or`: what is joined, or chosen from. */
function operandsOf(expression: Expression): readonly Expression[] {
  if (expression.kind === 'logic') return expression.operands.flatMap(operandsOf);
  if (expression.kind !== 'calculation') return [expression];
  return [expression.first, ...expression.rest.map(({ operand }) => operand)].flatMap(operandsOf);
}

/** `key.append(…)` or `key.extend(…)` as a statement. */
function methodCall(
  statement: SimpleStatement,
  key: string,
): { readonly method: string; readonly args: Call['args'] } | undefined {
  if (statement.kind !== 'expression' || statement.expression.kind !== 'call') return undefined;
  const { args, callee } = statement.expression;
  if (callee.kind !== 'attribute' || callee.object.kind !== 'name' || callee.object.name !== key) return undefined;
  return { method: callee.name.name, args };
}
