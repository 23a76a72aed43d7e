import { AgentError } from '../errors.ts';
import { quote as quoted } from '../model/guest-path.ts';
import { isEqual } from './equality.ts';
import { evaluate } from './evaluate.ts';
import { type ReaderLimits, standardLimits } from './limits.ts';
import { parseStatements } from './parser.ts';
import { appendedBy, blocksOf, displaysOf, hasComment, type Writer, writes } from './places.ts';
import { printValue, type Quote } from './printer.ts';
import { decodeGuestFile, type GuestFile, type HostFacts } from './reader.ts';
import { SourceText, type Span } from './source-text.ts';
import type { Statement } from './syntax-tree.ts';
import { applyEdits, insertionInto, lineEndOf, removalsOf, type TextEdit, wholeLinesOf } from './text-edits.ts';
import { isReserved } from './token-cursor.ts';
import { ConfigTuple, type ConfigValue, itemsOf } from './values.ts';

/**
 * Edits a guest file in place: comments, order, quoting and blank lines stay, and what is not touched stays as it is.
 *
 * Each edit is proposed in several ways, from the smallest change to a new line at the end of the file, and each proposal
 * is read: the first after which the key has the value that is wanted, and every other key the value that it had, is
 * taken. So an edit is right whatever the file does with its values, or it is refused.
 */
export class GuestFileEditor {
  readonly #facts: HostFacts;
  readonly #limits: ReaderLimits;
  #state: State;

  /** @throws GuestFileError when the text cannot be read */
  constructor(text: string, facts: HostFacts, limits: ReaderLimits = standardLimits) {
    this.#facts = facts;
    this.#limits = limits;
    this.#state = this.#stateOf(text);
  }

  /** The text as it is now. */
  get text(): string {
    return this.#state.text;
  }

  /** The values as they are now. */
  read(): GuestFile {
    return this.#state.file;
  }

  /**
   * Gives a key a value: in the assignment that holds, or in a new line at the end of the file.
   * @throws AgentError BAD_VALUE for what is no name, BAD_CONFIG when it cannot be done in place
   */
  set(key: string, value: ConfigValue): void {
    requireName(key);
    if (this.#has(key, value)) return;
    this.#take(key, value, this.#settings(key, value));
  }

  /** Takes a key out of the file, with everything that adds to it. A key that is not there is no failure. */
  remove(key: string): void {
    if (!this.read().has(key)) return;
    this.#take(key, undefined, [this.#withoutWriters(key)]);
  }

  /**
   * Adds an item to a list or tuple; a key that has none yet gets a list.
   * @param index where it is to stand; at the end when left out
   */
  insertItem(key: string, item: ConfigValue, index?: number): void {
    const items = this.#itemsOf(key) ?? [];
    const at = index ?? items.length;
    const wanted = this.#withItems(key, [...items.slice(0, at), item, ...items.slice(at)]);
    this.#take(key, wanted, [...this.#insertions(key, item, at), ...this.#settings(key, wanted)]);
  }

  replaceItem(key: string, index: number, item: ConfigValue): void {
    const items = this.#requireItem(key, index);
    if (isEqual(items[index]!, item)) return;
    const wanted = this.#withItems(key, items.with(index, item));
    this.#take(key, wanted, [...this.#replacements(key, item), ...this.#settings(key, wanted)]);
  }

  removeItem(key: string, index: number): void {
    const items = this.#requireItem(key, index);
    const wanted = this.#withItems(key, items.toSpliced(index, 1));
    this.#take(key, wanted, [...this.#removals(key), ...this.#settings(key, wanted)]);
  }

  #stateOf(text: string): State {
    const source = new SourceText(text);
    const statements = parseStatements(source, this.#limits);
    return { text, statements, file: evaluate(source, statements, this.#facts, this.#limits) };
  }

  /** Takes the first proposal that does what is wanted and nothing else. */
  #take(key: string, wanted: ConfigValue | undefined, proposals: Iterable<readonly TextEdit[]>): void {
    let tried = 0;
    for (const edits of proposals) {
      if ((tried += 1) > MOST_PROPOSALS) break;
      const state = this.#tried(applyEdits(this.text, edits));
      if (!state || !onlyDiffersIn(this.read(), state.file, key, wanted)) continue;
      this.#state = state;
      return;
    }
    const entry = this.read().get(key);
    const place = entry ? `line ${entry.line}, column ${entry.column}: ` : '';
    throw new AgentError(
      'BAD_CONFIG',
      `${place}${key} cannot be changed in place, for other lines depend on it; change the file by hand`,
    );
  }

  #tried(text: string): State | undefined {
    try {
      return this.#stateOf(text);
    } catch (error) {
      if (error instanceof AgentError) return undefined;
      throw error;
    }
  }

  #has(key: string, value: ConfigValue): boolean {
    const entry = this.read().get(key);
    return entry !== undefined && isEqual(entry.value, value);
  }

  #writers(key: string): Writer[] {
    return blocksOf(this.#state.statements)
      .flat()
      .filter((statement): statement is Writer => writes(statement, key))
      .sort((left, right) => left.start - right.start);
  }

  *#settings(key: string, value: ConfigValue): Generator<TextEdit[]> {
    for (const writer of this.#writers(key).reverse()) {
      if (writer.kind !== 'assignment' || hasComment(this.text, writer.value)) continue;
      yield [replacement(writer.value, printValue(value, this.#quoteIn(writer.value)))];
    }
    const lineEnd = lineEndOf(this.text);
    const { length } = this.text;
    const before = length === 0 || /[\r\n\ufeff]$/.test(this.text) ? '' : lineEnd;
    yield [{ start: length, end: length, text: `${before}${key} = ${printValue(value, this.#quoteIn())}${lineEnd}` }];
  }

  *#insertions(key: string, item: ConfigValue, index: number): Generator<TextEdit[]> {
    for (const writer of this.#writers(key).reverse()) {
      for (const display of displaysOf(writer).reverse()) {
        const printed = printValue(item, this.#quoteIn(display));
        // Which part of the list this is, is seen from the values: the place may be anywhere in it.
        for (const at of nearest(index, display.items.length)) yield insertionInto(this.text, display, at, printed);
      }
    }
  }

  *#replacements(key: string, item: ConfigValue): Generator<TextEdit[]> {
    for (const writer of this.#writers(key)) {
      const appended = appendedBy(writer);
      for (const place of [...displaysOf(writer).flatMap(display => display.items), ...(appended ? [appended] : [])]) {
        yield [replacement(place, printValue(item, this.#quoteIn(place)))];
      }
    }
  }

  *#removals(key: string): Generator<TextEdit[]> {
    for (const writer of this.#writers(key)) {
      if (appendedBy(writer)) yield this.#withoutStatements(new Set([writer]));
      for (const display of displaysOf(writer)) {
        for (const index of display.items.keys()) yield* removalsOf(this.text, display, index);
      }
    }
  }

  #withoutWriters(key: string): TextEdit[] {
    const writers = this.#writers(key);
    const shared = writers.filter(writer => writer.kind === 'assignment' && writer.targets.length > 1);
    const edits = shared.flatMap(writer => (writer.kind === 'assignment' ? withoutTarget(writer, key) : []));
    return [...edits, ...this.#withoutStatements(new Set(writers.filter(writer => !shared.includes(writer))))];
  }

  /** A block must not be left empty: its first statement gives way to `pass`. */
  #withoutStatements(gone: ReadonlySet<Statement>): TextEdit[] {
    return blocksOf(this.#state.statements).flatMap((block, number) => {
      const isFile = number === 0;
      const isEmptied = !isFile && block.every(statement => gone.has(statement));
      return block
        .filter(statement => gone.has(statement))
        .map((statement, index) =>
          isEmptied && index === 0 ? replacement(statement, 'pass') : this.#withoutStatement(statement),
        );
    });
  }

  #withoutStatement(statement: Statement): TextEdit {
    const lines = wholeLinesOf(this.text, statement);
    if (lines) return { ...lines, text: '' };
    const [behind] = /^[ \t]*;[ \t]*/.exec(this.text.slice(statement.end)) ?? [];
    if (behind !== undefined) return { start: statement.start, end: statement.end + behind.length, text: '' };
    const [before = ''] = /;[ \t]*$/.exec(this.text.slice(0, statement.start)) ?? [];
    return { start: statement.start - before.length, end: statement.end, text: '' };
  }

  #itemsOf(key: string): readonly ConfigValue[] | undefined {
    const value = this.read().get(key)?.value;
    if (value === undefined || value === null || value === '') return undefined;
    return itemsOf(value) ?? failNoList(key);
  }

  #requireItem(key: string, index: number): readonly ConfigValue[] {
    const items = this.#itemsOf(key);
    if (items !== undefined && index >= 0 && index < items.length) return items;
    throw new AgentError('NO_SUCH_RECORD', `${key}: it has no item ${index}; it has ${items?.length ?? 0}`);
  }

  #withItems(key: string, items: readonly ConfigValue[]): ConfigValue {
    return this.read().get(key)?.value instanceof ConfigTuple ? new ConfigTuple(items) : items;
  }

  /** The quotes in a part of the text, else those that the file uses more often. */
  #quoteIn(span: Span = { start: 0, end: this.text.length }): Quote {
    const text = this.text.slice(span.start, span.end);
    const counts = [/'/g, /"/g].map(pattern => text.match(pattern)?.length ?? 0);
    if (counts[0] === counts[1]) return span.end - span.start === this.text.length ? "'" : this.#quoteIn();
    return counts[0]! > counts[1]! ? "'" : '"';
  }
}

interface State {
  readonly text: string;
  readonly statements: readonly Statement[];
  readonly file: GuestFile;
}

/** Most ways that are tried: more items than this in one list are no guest's. */
const MOST_PROPOSALS = 500;

/**
 * Edits the bytes of a guest file. Its encoding, byte-order mark and line ends stay.
 * @throws AgentError BAD_CONFIG when the file cannot be read or changed, BAD_VALUE for what its encoding cannot hold
 */
export function editGuestFile(
  bytes: Uint8Array,
  facts: HostFacts,
  edit: (editor: GuestFileEditor) => void,
): Uint8Array {
  const text = decodeGuestFile(bytes);
  const editor = new GuestFileEditor(text, facts);
  edit(editor);
  if (editor.text === text) return bytes;
  const isUtf8 = Buffer.from(text).equals(bytes);
  if (!isUtf8 && /[^\0-\xff]/.test(editor.text)) {
    throw new AgentError(
      'BAD_VALUE',
      'the file is in Latin-1, which lacks a character of the new value; save it as UTF-8',
    );
  }
  return Buffer.from(editor.text, isUtf8 ? 'utf8' : 'latin1');
}

function replacement({ end, start }: Span, text: string): TextEdit {
  return { start, end, text };
}

/** `a = b = 1` without `a`, or without `b`. */
function withoutTarget(writer: Writer & { readonly kind: 'assignment' }, key: string): TextEdit[] {
  const parts = [...writer.targets, writer.value];
  const index = writer.targets.findIndex(target => target.name === key);
  return [{ start: parts[index]!.start, end: parts[index + 1]!.start, text: '' }];
}

/** Numbers from 0 to `most`, those near to `index` first. */
function nearest(index: number, most: number): number[] {
  const all = Array.from({ length: most + 1 }, (_, number) => number);
  return all.sort((left, right) => Math.abs(left - index) - Math.abs(right - index));
}

function onlyDiffersIn(before: GuestFile, after: GuestFile, key: string, wanted: ConfigValue | undefined): boolean {
  const now = after.get(key)?.value;
  if (wanted === undefined ? now !== undefined : now === undefined || !isEqual(now, wanted)) return false;
  const others = [...before.keys()].filter(name => name !== key);
  return (
    [...after.keys()].filter(name => name !== key).length === others.length &&
    others.every(name => {
      const value = after.get(name)?.value;
      return value !== undefined && isEqual(value, before.get(name)!.value);
    })
  );
}

function requireName(key: string): void {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !isReserved(key)) return;
  throw new AgentError('BAD_VALUE', `key ${quoted(key)}: it is no name; letters, digits and _ are`);
}

function failNoList(key: string): never {
  throw new AgentError('BAD_CONFIG', `${key}: it is no list; write it as ['…', '…']`);
}
