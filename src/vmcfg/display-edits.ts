import { printValue } from './printer.ts';
import type { Span } from './source-text.ts';
import type { Expression, ListDisplay, TupleDisplay } from './syntax-tree.ts';
import type { Token } from './tokens.ts';
import type { ConfigValue } from './values.ts';
import type { TextEdit, WrittenFile } from './written-file.ts';

/** A list or tuple with its items written out. */
export type Display = ListDisplay | TupleDisplay;

/** Indentation of items where nothing shows how the file indents them. */
const INDENTATION = '    ';

/** An expression replaced by a value in its quotes; undefined when a comment inside it would be lost. */
export function replacement(file: WrittenFile, expression: Expression, value: ConfigValue): TextEdit[] | undefined {
  if (file.hasComment(expression)) return undefined;
  const quote = file.quoteIn(expression) ?? "'";
  return [{ start: expression.start, end: expression.end, text: printValue(value, { quote }) }];
}

/**
 * The edits that put a value before the item of that index, or behind the last one. Where items stand on lines of their
 * own, so does the new one; a comment stays with the item above or behind which it stands.
 */
export function insertion(file: WrittenFile, display: Display, index: number, value: ConfigValue): TextEdit[] {
  const neighbor = display.items[Math.max(0, index - 1)];
  const quote = (neighbor && file.quoteIn(neighbor)) ?? file.quoteIn(display) ?? "'";
  const item = printValue(value, { quote });
  const written = new WrittenDisplay(file, display);
  if (display.items.length === 0) return written.fill(item);
  return index === display.items.length ? written.append(item) : written.insert(index, item);
}

/**
 * The edits that take an item away with its separator. An item on a line of its own goes with the line, and so with the
 * comment behind it; every other comment stays.
 */
export function removal(file: WrittenFile, display: Display, index: number): TextEdit[] {
  return new WrittenDisplay(file, display).remove(index);
}

/** A display with its brackets and commas. */
class WrittenDisplay {
  readonly #file: WrittenFile;
  readonly #span: Span;
  readonly #items: readonly Expression[];
  readonly #isTuple: boolean;
  /** End of the opening bracket; undefined for a tuple that has no brackets. */
  readonly #open: number | undefined;
  /** The comma behind each item; the last item need not have one. */
  readonly #commas: readonly (Token | undefined)[];
  /** Start of the closing bracket. */
  readonly #close: number;

  constructor(file: WrittenFile, display: Display) {
    const { end, items, start } = display;
    this.#file = file;
    this.#span = { start, end };
    this.#items = items;
    this.#isTuple = display.kind === 'tuple';
    this.#commas = items.map(item => {
      const next = file.tokenFrom(item.end);
      return next.text === ',' ? next : undefined;
    });
    // The span of a display may begin with brackets around it; its own is the one next to the items.
    const [first] = items;
    if (!first) {
      this.#close = file.tokensIn(display).find(({ text }) => text === ')' || text === ']')!.start;
      this.#open = file.tokenBefore(this.#close)!.end;
    } else {
      this.#open = first.start === start ? undefined : file.tokenBefore(first.start)!.end;
      this.#close = this.#open === undefined ? end : file.tokenFrom(this.#endOf(items.length - 1)).start;
    }
  }

  /** Puts the first item into an empty display. */
  fill(item: string): TextEdit[] {
    const inside = { start: this.#open!, end: this.#close };
    const text = this.#isTuple ? `${item},` : item;
    if (!this.#file.hasComment(inside)) return [{ ...inside, text }];
    const comment = this.#file.text.slice(inside.start, inside.end).lastIndexOf('#') + inside.start;
    const indentation = this.#file.startsLine(comment)
      ? this.#file.indentation(comment)
      : this.#file.indentation(this.#close) + INDENTATION;
    return [insert(this.#file.lineStart(this.#close), `${indentation}${item},${this.#file.lineEndNear(this.#close)}`)];
  }

  append(item: string): TextEdit[] {
    const last = this.#items.length - 1;
    const { end, start } = this.#items[last]!;
    const comma = this.#commas[last];
    const startsLine = this.#startsLine(start);
    const isOnOwnLine = startsLine || (last === 0 && this.#startsLine(this.#close));
    const separator = isOnOwnLine ? this.#newLine(startsLine ? start : this.#close) : this.#blanks();
    const at = (offset: number): number => (isOnOwnLine ? (this.#file.restOfLineEnd(offset) ?? offset) : offset);
    if (!comma) return [insert(end, ','), insert(at(end), separator + item)];
    // The comma of a tuple with one item makes the tuple, and does not tell whether commas stand behind last items.
    const hasLastComma = isOnOwnLine || !this.#isTuple || last > 0;
    return [insert(at(comma.end), `${separator}${item}${hasLastComma ? ',' : ''}`)];
  }

  insert(index: number, item: string): TextEdit[] {
    const { start } = this.#items[index]!;
    const before = index === 0 ? (this.#open ?? start) : this.#endOf(index - 1);
    if (this.#startsLine(start)) {
      // Above the comments over the next item, which are its own.
      return [insert(this.#file.restOfLineEnd(before) ?? before, `${this.#newLine(start)}${item},`)];
    }
    const second = this.#items[1]?.start ?? this.#close;
    const separator = index === 0 && this.#startsLine(second) ? this.#newLine(second) : this.#blanks();
    return [insert(start, `${item},${separator}`)];
  }

  remove(index: number): TextEdit[] {
    const inside = { start: this.#open ?? this.#span.start, end: this.#close };
    if (this.#items.length === 1) {
      if (this.#open === undefined) return [{ ...this.#span, text: '()' }];
      if (!this.#file.hasComment(inside)) return [{ ...inside, text: '' }];
    }
    const { end } = this.#items[index]!;
    const isLast = index === this.#items.length - 1;
    const commaBefore = this.#commas[index - 1];
    const edits = [this.#lineOf(index) ?? this.#gapWith(index)];
    const staysTuple = this.#isTuple && this.#items.length === 2;
    if (isLast && commaBefore && !this.#commas[index] && !staysTuple) {
      const [{ start }] = edits as [TextEdit];
      // Where nothing but blanks stands between the comma and the item, both go in one.
      if (start === commaBefore.end) return [{ start: commaBefore.start, end, text: '' }];
      edits.push({ start: commaBefore.start, end: commaBefore.end, text: '' });
    }
    const other = this.#items[1];
    if (staysTuple && index === 0 && other && !this.#commas[1]) edits.push(insert(other.end, ','));
    return edits;
  }

  /** The lines of an item that shares them with a comment at most. */
  #lineOf(index: number): TextEdit | undefined {
    const { start } = this.#items[index]!;
    const end = this.#file.restOfLineEnd(this.#endOf(index));
    if (end === undefined || !this.#startsLine(start)) return undefined;
    return { start: this.#file.lineStart(start), end: this.#file.afterLineEnd(end), text: '' };
  }

  /** An item with its comma and the blanks on one side. */
  #gapWith(index: number): TextEdit {
    const { start } = this.#items[index]!;
    const end = this.#endOf(index);
    const next = this.#items[index + 1]?.start;
    const endBefore = this.#commas[index - 1]?.end;
    const isBlank = (gap: Span): boolean => !this.#file.hasComment(gap);
    const endsLine = next === undefined || this.#file.restOfLineEnd(end) !== undefined;
    if (endBefore !== undefined && endsLine && isBlank({ start: endBefore, end: start }))
      return { start: endBefore, end, text: '' };
    if (next !== undefined && isBlank({ start: end, end: next })) return { start, end: next, text: '' };
    return { start, end, text: '' };
  }

  /** Behind the item and its comma. */
  #endOf(index: number): number {
    return this.#commas[index]?.end ?? this.#items[index]!.end;
  }

  /** A tuple without brackets is one line, however a backslash may break it. */
  #startsLine(offset: number): boolean {
    return this.#open !== undefined && this.#file.startsLine(offset);
  }

  /** A line end and the indentation of the line of an offset. */
  #newLine(offset: number): string {
    return this.#file.lineEndNear(offset) + this.#file.indentation(offset);
  }

  /** What this display has between a comma and the next item of the line. */
  #blanks(): string {
    const [comma] = this.#commas;
    const second = this.#items[1];
    const blanks = comma && second ? this.#file.text.slice(comma.end, second.start) : ' ';
    return /^[ \t]*$/.test(blanks) ? blanks : ' ';
  }
}

function insert(at: number, text: string): TextEdit {
  return { start: at, end: at, text };
}
