/** A line that one of two texts has in place of the other. */
export interface ChangedLine {
  readonly sign: '-' | '+';
  readonly line: string;
}

/** Comparisons of lines; texts that need more are shown as changed from the first line that differs to the last. */
const MOST_COMPARISONS = 1_000_000;

/** What is to be taken out and put in, in the order of the text, to make one text of another. */
export function lineDifference(before: string, after: string): readonly ChangedLine[] {
  const old = before.split('\n');
  const fresh = after.split('\n');
  while (old.length > 0 && old[0] === fresh[0]) {
    old.shift();
    fresh.shift();
  }
  while (old.length > 0 && old.at(-1) === fresh.at(-1)) {
    old.pop();
    fresh.pop();
  }
  const all = [...old.map(removed), ...fresh.map(added)];
  return old.length * fresh.length > MOST_COMPARISONS ? all : shortest(old, fresh);
}

const removed = (line: string): ChangedLine => ({ sign: '-', line });
const added = (line: string): ChangedLine => ({ sign: '+', line });

/** Keeps as many lines as can be kept (longest common subsequence). */
function shortest(old: readonly string[], fresh: readonly string[]): readonly ChangedLine[] {
  const width = fresh.length + 1;
  const kept = new Uint32Array((old.length + 1) * width);
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = fresh.length - 1; column >= 0; column -= 1) {
      const at = row * width + column;
      kept[at] = old[row] === fresh[column] ? kept[at + width + 1]! + 1 : Math.max(kept[at + width]!, kept[at + 1]!);
    }
  }
  const lines: ChangedLine[] = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < fresh.length) {
    const at = row * width + column;
    if (row < old.length && old[row] === fresh[column]) {
      row += 1;
      column += 1;
    } else if (row < old.length && (column === fresh.length || kept[at + width]! >= kept[at + 1]!)) {
      lines.push(removed(old[row]!));
      row += 1;
    } else {
      lines.push(added(fresh[column]!));
      column += 1;
    }
  }
  return lines;
}
