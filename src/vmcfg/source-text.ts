import { AgentError } from '../errors.ts';

/** A piece of the text, from `start` up to but without `end`; both count UTF-16 units from 0. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Lines and columns as editors count them: from 1, a tab being one column. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a guest file, and where. A caller that knows the path of the file puts it before the message. */
export class GuestFileError extends AgentError {
  readonly line: number;
  readonly column: number;

  constructor({ line, column }: Place, message: string) {
    super('BAD_CONFIG', `line ${line}, column ${column}: ${message}`);
    this.line = line;
    this.column = column;
  }
}

const BYTE_ORDER_MARK = '\ufeff';
const LONGEST_SHOWN = 40;

/** The text of a guest file, which knows its lines. */
export class SourceText {
  readonly text: string;
  /** Where the first line starts: behind a byte-order mark, if there is one. */
  readonly start: number;
  #lineStarts: readonly number[] | undefined;

  constructor(text: string) {
    this.text = text;
    this.start = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  }

  placeOf(offset: number): Place {
    const starts = this.#starts();
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  }

  /** The inverse of `placeOf`. */
  offsetOf({ line, column }: Place): number {
    return this.#starts()[line - 1]! + column - 1;
  }

  /** For `throw source.refusal(…)`; the message says what is so and, behind a semicolon, what is needed. */
  refusal(offset: number, message: string): GuestFileError {
    return new GuestFileError(this.placeOf(offset), message);
  }

  /** The text of a span, fit for a message. */
  shown({ start, end }: Span): string {
    return shown(this.text.slice(start, Math.min(end, start + LONGEST_SHOWN + 1)));
  }

  #starts(): readonly number[] {
    this.#lineStarts ??= lineStartsOf(this.text, this.start);
    return this.#lineStarts;
  }
}

/** A stranger's text made fit for a message: in quotes, bounded, on one line, and with nothing in it that cannot be seen. */
export function shown(text: string): string {
  const bounded = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
  return JSON.stringify(bounded).replace(/[\p{C}\p{Z}]/gu, character =>
    character === ' ' ? ' ' : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** Lines end with LF, CR LF or CR, as Python reads them. */
function lineStartsOf(text: string, first: number): readonly number[] {
  const starts = [first];
  for (const lineEnd of text.matchAll(/\r\n?|\n/g)) starts.push(lineEnd.index + lineEnd[0].length);
  return starts;
}
