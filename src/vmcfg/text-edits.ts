import { type Display, gapTokens } from './places.ts';
import type { Span } from './source-text.ts';

/** A stretch of a text and what is to stand in its place. */
export interface TextEdit extends Span {
  readonly text: string;
}

/** The text with some stretches, which do not overlap, replaced. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  return [...edits]
    .sort((left, right) => right.start - left.start)
    .reduce((result, edit) => result.slice(0, edit.start) + edit.text + result.slice(edit.end), text);
}

/** How the lines of a text end: as its first one does. */
export function lineEndOf(text: string): string {
  return /\r\n?|\n/.exec(text)?.[0] ?? '\n';
}

/** Where the line of an offset begins. */
export function lineStartOf(text: string, offset: number): number {
  return Math.max(text.lastIndexOf('\n', offset - 1), text.lastIndexOf('\r', offset - 1)) + 1;
}

/** Where the line of an offset ends, before its line end. */
export function lineStopOf(text: string, offset: number): number {
  const [end] = /[\r\n]|$/.exec(text.slice(offset)) ?? [];
  return end === '' ? text.length : offset + text.slice(offset).search(/[\r\n]/);
}

/** Everything of the lines on which a span stands, where nothing else but blanks and a comment stands there. */
export function wholeLinesOf(text: string, { end, start }: Span): Span | undefined {
  const first = lineStartOf(text, start);
  const stop = lineStopOf(text, end);
  if (!/^[\ufeff \t\f]*$/.test(text.slice(first, start)) || !/^[ \t\f]*(?:#.*)?$/.test(text.slice(end, stop)))
    return undefined;
  const from = text.startsWith('\ufeff', first) ? first + 1 : first;
  return { start: from, end: text.startsWith('\r\n', stop) ? stop + 2 : Math.min(text.length, stop + 1) };
}

/** The ways to take an item out of a list, the one that looks best first. */
export function removalsOf(text: string, display: Display, index: number): TextEdit[][] {
  const item = display.items[index]!;
  const previous = display.items[index - 1];
  const after = commaIn(text, item.end, display.items[index + 1]?.start ?? display.end);
  if (after !== undefined) {
    const lines = wholeLinesOf(text, { start: item.start, end: after + 1 });
    if (lines) return [[{ ...lines, text: '' }]];
    const blanks = /^[ \t]*/.exec(text.slice(after + 1))![0].length;
    return [[{ start: item.start, end: after + 1 + blanks, text: '' }], [{ ...spanOf(item), text: '' }]];
  }
  if (!previous) return [[{ ...spanOf(item), text: '' }]];
  const before = commaIn(text, previous.end, item.start)!;
  const hasComments = gapTokens(text, before, item.start).some(token => token.kind === 'comment');
  const withComma = hasComments
    ? [
        { start: before, end: before + 1, text: '' },
        { ...spanOf(item), text: '' },
      ]
    : [{ start: before, end: item.end, text: '' }];
  // In a tuple of one item its comma must stay.
  return [withComma, [{ ...spanOf(item), text: '' }]];
}

/** Puts an item into a list, on a line of its own where the others have theirs. */
export function insertionInto(text: string, display: Display, index: number, printed: string): TextEdit[] {
  const { items } = display;
  if (items.length === 0) {
    const at = display.start + 1;
    return [{ start: at, end: at, text: display.kind === 'tuple' ? `${printed},` : printed }];
  }
  const isSpread = gapTokens(text, display.start, display.end).some(token => token.kind === 'newline');
  const neighbour = items[Math.min(index, items.length - 1)]!;
  const separator = isSpread ? lineEndOf(text) + indentationOf(text, neighbour.start) : ' ';
  if (index < items.length) return [{ start: neighbour.start, end: neighbour.start, text: `${printed},${separator}` }];
  const comma = commaIn(text, neighbour.end, display.end);
  // A comment behind the last item stays with it.
  const line = isSpread ? afterComment(text, comma === undefined ? neighbour.end : comma + 1, display.end) : undefined;
  if (comma !== undefined) {
    const at = line ?? comma + 1;
    return [{ start: at, end: at, text: `${separator}${printed},` }];
  }
  if (line === undefined || line === neighbour.end) {
    return [{ start: neighbour.end, end: neighbour.end, text: `,${separator}${printed}` }];
  }
  return [
    { start: neighbour.end, end: neighbour.end, text: ',' },
    { start: line, end: line, text: separator + printed },
  ];
}

function spanOf({ end, start }: Span): Span {
  return { start, end };
}

function commaIn(text: string, start: number, end: number): number | undefined {
  return gapTokens(text, start, end).find(token => token.kind === 'comma')?.start;
}

/** Behind a comment on the line of an offset; the offset itself where there is none. */
function afterComment(text: string, offset: number, end: number): number {
  const [token] = gapTokens(text, offset, end);
  return token?.kind === 'comment' ? token.end : offset;
}

/** Blanks before an item that begins its line; as many as it takes to stand below one that does not. */
function indentationOf(text: string, offset: number): string {
  const before = text.slice(lineStartOf(text, offset), offset).replace('\ufeff', '');
  return /^[ \t]*$/.test(before) ? before : before.replace(/[^\t]/g, ' ');
}
