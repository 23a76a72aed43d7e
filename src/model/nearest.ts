/** The item whose name differs from what was given in a third of its letters at most, as a slip of the hand does. */
export function findNearest<T>(given: string, items: readonly T[], nameOf: (item: T) => string): T | undefined {
  const word = given.toLowerCase().replace(/[-.]/g, '_');
  return items
    .map(item => ({ item, edits: editDistance(word, nameOf(item)) }))
    .filter(({ edits, item }) => edits <= Math.ceil(nameOf(item).length / 3))
    .sort((one, other) => one.edits - other.edits)[0]?.item;
}

/** Fewest letters to add, drop or replace (Levenshtein). */
function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = above[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(above[column]! + 1, current[column - 1]! + 1, replaced));
    }
    above = current;
  }
  return above.at(-1)!;
}
