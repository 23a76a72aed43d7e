import { contributionsTo, type ItemPlace, placesOfItem, settingAt } from './contributions.ts';
import { type Display, insertion, removal, replacement } from './display-edits.ts';
import type { ReaderLimits } from './limits.ts';
import { printValue } from './printer.ts';
import { withoutStatements } from './statement-edits.ts';
import { type ConfigValue, isSameValue } from './values.ts';
import { type TextEdit, WrittenFile } from './written-file.ts';

/** A list or tuple of a file, as it is before an edit. */
export interface WrittenList {
  readonly file: WrittenFile;
  readonly key: string;
  readonly items: readonly ConfigValue[];
  /** Offset of the name where it is set. */
  readonly at: number;
}

/** Items that may differ between two lists; more are not compared one by one. */
const MOST_DIFFERENT = 32;

type Step = (file: WrittenFile, display: Display) => TextEdit[] | undefined;

/**
 * The text with the list changed item by item, so that the items that are the same, the layout and the comments stay.
 * Undefined where the items are not all written out in one place, or too many differ.
 * @throws GuestFileError when the text outgrows the limits
 */
export function withItems(list: WrittenList, wanted: readonly ConfigValue[], limits: ReaderLimits): string | undefined {
  const steps = stepsBetween(list.items, wanted);
  if (steps.length > MOST_DIFFERENT) return undefined;
  let { file } = list;
  const first = displayAt(file, list.at);
  if (first?.items.length !== list.items.length) return undefined;
  for (const step of steps) {
    // No step moves the name, which stands before the items.
    const display = displayAt(file, list.at);
    const edits = display && step(file, display);
    if (!edits) return undefined;
    file = new WrittenFile(file.with(edits), limits);
  }
  return file.text;
}

function displayAt(file: WrittenFile, at: number): Display | undefined {
  const setting = settingAt(file, at);
  if (setting?.kind !== 'assignment') return undefined;
  return setting.value.kind === 'list' || setting.value.kind === 'tuple' ? setting.value : undefined;
}

/** Leaves the items at both ends that are the same, and makes each step at the index that those before it have left. */
function stepsBetween(from: readonly ConfigValue[], to: readonly ConfigValue[]): Step[] {
  const shorter = Math.min(from.length, to.length);
  let start = 0;
  while (start < shorter && isSameValue(from[start]!, to[start]!)) start += 1;
  let tail = 0;
  while (tail < shorter - start && isSameValue(from.at(-1 - tail)!, to.at(-1 - tail)!)) tail += 1;
  const replaced = shorter - tail;
  return Array.from({ length: Math.max(from.length, to.length) - tail - start }, (_, step): Step => {
    const index = start + step;
    if (index < replaced) return (file, { items }) => replacement(file, items[index]!, to[index]!);
    if (from.length > to.length) return (file, display) => removal(file, display, replaced);
    return (file, display) => insertion(file, display, index, to[index]!);
  });
}

/** Ways to replace the item of that index, the likeliest first; which one does it only shows when the file is read. */
export function* itemReplacements(list: WrittenList, index: number, item: ConfigValue): Generator<TextEdit[]> {
  for (const { expression } of placesOf(list, index)) {
    const edits = replacement(list.file, expression, item);
    if (edits) yield edits;
  }
}

/** Ways to insert an item before the one of that index, or behind the last one. */
export function* itemInsertions(list: WrittenList, index: number, item: ConfigValue): Generator<TextEdit[]> {
  const { file, key } = list;
  for (const before of placesOf(list, index - 1)) {
    const edits =
      before.kind === 'displayed'
        ? insertion(file, before.display, before.index + 1, item)
        : insertionOfAppend(list, before, item);
    if (edits) yield edits;
  }
  for (const after of placesOf(list, index))
    if (after.kind === 'displayed') yield insertion(file, after.display, after.index, item);
  for (const display of contributionsTo(file, key).displays)
    if (display.items.length === 0) yield insertion(file, display, 0, item);
}

/** Ways to remove the item of that index. */
export function* itemRemovals(list: WrittenList, index: number): Generator<TextEdit[]> {
  for (const place of placesOf(list, index)) {
    if (place.kind === 'displayed') yield removal(list.file, place.display, place.index);
    else yield withoutStatements(list.file, new Set([place.statement]));
  }
}

function placesOf({ at, file, items, key }: WrittenList, index: number): readonly ItemPlace[] {
  return placesOfItem(contributionsTo(file, key).places, items, index, settingAt(file, at)?.start ?? at);
}

/** A line of its own below the `append` of another item; undefined where that one shares its line. */
function insertionOfAppend(
  { file, key }: WrittenList,
  { expression, statement }: ItemPlace,
  item: ConfigValue,
): TextEdit[] | undefined {
  const { kind, start } = file.tokenFrom(statement.end);
  if (kind !== 'newline' || !file.startsLine(statement.start)) return undefined;
  const value = printValue(item, { quote: file.quoteIn(expression) ?? "'" });
  const line = file.lineEndNear(start) + file.indentation(statement.start);
  return [{ start, end: start, text: `${line}${key}.append(${value})` }];
}
