import { isUtf8 } from 'node:buffer';
import { AgentError } from '../errors.ts';
import { concerns, settingAt } from './contributions.ts';
import { replacement } from './display-edits.ts';
import { itemInsertions, itemRemovals, itemReplacements, withItems, type WrittenList } from './item-edits.ts';
import { type ReaderLimits, standardLimits } from './limits.ts';
import { printValue } from './printer.ts';
import {
  type ConfigEntry,
  decodeGuestFile,
  type GuestFile,
  GuestFileError,
  type HostFacts,
  parseGuestFile,
} from './reader.ts';
import { shown } from './source-text.ts';
import { withoutStatements, withoutTarget } from './statement-edits.ts';
import { isVariableName } from './token-cursor.ts';
import { ConfigTuple, type ConfigValue, isSameValue, itemsOf, kindOf } from './values.ts';
import { type TextEdit, WrittenFile } from './written-file.ts';

/** Ways to edit items that are tried before the whole list is written anew: each costs a reading of the file. */
const MOST_ITEM_PROPOSALS = 16;

/**
 * Changes keys of a guest file where they are written: comments, order, layout and quotes of all else stay. Each edit is
 * proposed as a new text, and taken only when that text reads as the same file with this one key changed. An edit that
 * cannot be made changes nothing.
 */
export class GuestFileEditor {
  readonly #facts: HostFacts;
  readonly #limits: ReaderLimits;
  #text: string;
  #file: GuestFile;

  /**
   * @param facts answers `os.uname()`: what is edited is what the file says on that host
   * @throws GuestFileError when the text cannot be read
   */
  constructor(text: string, facts: HostFacts, limits: ReaderLimits = standardLimits) {
    this.#facts = facts;
    this.#limits = limits;
    this.#text = text;
    this.#file = parseGuestFile(text, facts, limits);
  }

  /** As it is now. */
  get text(): string {
    return this.#text;
  }

  /** The values as they are now. */
  read(): GuestFile {
    return this.#file;
  }

  /**
   * Replaces the value of the assignment that holds, or adds `key = value` at the end of the file. A value that the key
   * has already changes nothing.
   * @throws AgentError BAD_VALUE when the key is no name of Python or the value none of a guest file
   * @throws AgentError BAD_CONFIG when the edit cannot be made
   */
  set(key: string, value: ConfigValue): void {
    checkKey(key);
    checkValue(value);
    const old = this.#file.get(key)?.value;
    if (old !== undefined && isSameValue(old, value)) return;
    this.#change(key, value, file => this.#settings(file, key, value));
  }

  /**
   * Removes all that sets the key or adds to it, in every branch. A key that is not there changes nothing.
   * @throws AgentError BAD_VALUE when the key is no name of Python
   * @throws AgentError BAD_CONFIG when the rest of the file needs the key
   */
  remove(key: string): void {
    checkKey(key);
    const file = this.#written();
    const concerned = [...file.simpleStatements()].filter(statement => concerns(statement, key));
    if (concerned.length === 0) return;
    const shared = concerned
      .filter(statement => statement.kind === 'assignment')
      .filter(({ targets }) => targets.some(target => target.name !== key));
    const edits = [
      ...shared.flatMap(statement => withoutTarget(file, statement, key)),
      ...withoutStatements(file, new Set(concerned.filter(statement => !shared.some(other => other === statement)))),
    ];
    const expected = this.#values();
    expected.delete(key);
    const objection = remainingUse(file, edits, key) ?? this.#take(file.with(edits), expected);
    if (objection !== undefined) throw new AgentError('BAD_CONFIG', `${key} cannot be removed in place; ${objection}`);
  }

  /**
   * Inserts an item into a list or tuple, at the end when there is no index. A key that is absent, None or an empty text
   * becomes a list of one.
   * @param index from 0 to the number of items
   * @throws AgentError BAD_VALUE when the key, the item or the index cannot be used
   * @throws AgentError BAD_CONFIG when the key holds no list or the edit cannot be made
   */
  insertItem(key: string, item: ConfigValue, index?: number): void {
    checkKey(key);
    checkValue(item);
    const value = this.#file.get(key)?.value ?? '';
    const items = value === '' ? [] : this.#items(key);
    const position = index ?? items.length;
    checkIndex(key, items.length, position, items.length);
    if (value === '') this.set(key, [item]);
    else this.#changeItems(key, items.toSpliced(position, 0, item), list => itemInsertions(list, position, item));
  }

  /**
   * @param index from 0
   * @throws AgentError BAD_VALUE when the key, the item or the index cannot be used
   * @throws AgentError BAD_CONFIG when the key holds no list or the edit cannot be made
   */
  replaceItem(key: string, index: number, item: ConfigValue): void {
    checkKey(key);
    checkValue(item);
    const items = this.#items(key);
    checkIndex(key, items.length, index, items.length - 1);
    if (isSameValue(items[index]!, item)) return;
    this.#changeItems(key, items.with(index, item), list => itemReplacements(list, index, item));
  }

  /**
   * @param index from 0
   * @throws AgentError BAD_VALUE when the key or the index cannot be used
   * @throws AgentError BAD_CONFIG when the key holds no list or the edit cannot be made
   */
  removeItem(key: string, index: number): void {
    checkKey(key);
    const items = this.#items(key);
    checkIndex(key, items.length, index, items.length - 1);
    this.#changeItems(key, items.toSpliced(index, 1), list => itemRemovals(list, index));
  }

  /** @param editsOf the ways to change the items where they are written */
  #changeItems(key: string, items: readonly ConfigValue[], editsOf: (list: WrittenList) => Iterable<TextEdit[]>): void {
    const old = this.#file.get(key)!;
    const value = old.value instanceof ConfigTuple ? new ConfigTuple(items) : items;
    this.#change(key, value, function* (file) {
      let count = 0;
      for (const edits of editsOf(listOf(file, old))) {
        yield file.with(edits);
        count += 1;
        if (count === MOST_ITEM_PROPOSALS) break;
      }
      yield* rewritten(file, old, value);
    });
  }

  /** Takes the first text in which the key has the value and every other key has its own. */
  #change(key: string, value: ConfigValue, proposals: (file: WrittenFile) => Iterable<string>): void {
    const file = this.#written();
    const expected = this.#values().set(key, value);
    for (const text of proposals(file)) if (this.#take(text, expected) === undefined) return;
    const objection = this.#take(withLastLine(file, `${key} = ${printValue(value)}`), expected);
    if (objection !== undefined) throw new AgentError('BAD_CONFIG', `${key} cannot be changed in place; ${objection}`);
  }

  /** The text with the value set where the key is set: a list item by item, else the right-hand side as a whole. */
  *#settings(file: WrittenFile, key: string, value: ConfigValue): Generator<string> {
    const old = this.#file.get(key);
    if (!old) return;
    const items = itemsOf(value);
    if (items && kindOf(old.value) === kindOf(value)) {
      const text = unlessRefused(() => withItems(listOf(file, old), items, this.#limits));
      if (typeof text === 'string') yield text;
    }
    yield* rewritten(file, old, value);
  }

  /** Takes the text, or says what to do in place of that. */
  #take(text: string, expected: ReadonlyMap<string, ConfigValue>): string | undefined {
    const file = unlessRefused(() => parseGuestFile(text, this.#facts, this.#limits));
    if (file instanceof GuestFileError)
      return `edit the file by hand, so that this does not come of it: ${file.message}`;
    const other = [...new Set([...expected.keys(), ...file.keys()])].find(name => {
      const value = file.get(name)?.value;
      const wanted = expected.get(name);
      return value === undefined || wanted === undefined || !isSameValue(value, wanted);
    });
    if (other !== undefined) return `edit the file by hand, so that ${other} has the value it must have`;
    this.#text = text;
    this.#file = file;
    return undefined;
  }

  #written(): WrittenFile {
    return new WrittenFile(this.#text, this.#limits);
  }

  #values(): Map<string, ConfigValue> {
    return new Map([...this.#file.values()].map(({ name, value }) => [name, value]));
  }

  #items(key: string): readonly ConfigValue[] {
    const value = this.#file.get(key)?.value;
    const items = value === undefined ? undefined : itemsOf(value);
    if (items) return items;
    const found = value === undefined ? 'it is not in the file' : `it is ${kindOf(value)}`;
    throw new AgentError('BAD_CONFIG', `${key} has no items, for ${found}; a list is needed`);
  }
}

/**
 * Edits the bytes of a guest file. They are read as UTF-8, or as Latin-1 where they are none, and written likewise, with
 * the byte-order mark and the line ends that they have.
 * @throws GuestFileError when the file cannot be read
 * @throws AgentError BAD_CONFIG when an edit cannot be made, or the encoding cannot hold a value
 */
export function editGuestFile(
  bytes: Uint8Array,
  facts: HostFacts,
  edit: (editor: GuestFileEditor) => void,
): Uint8Array {
  const editor = new GuestFileEditor(decodeGuestFile(bytes), facts);
  edit(editor);
  const encoding = isUtf8(bytes) ? 'utf8' : 'latin1';
  const edited = Buffer.from(editor.text, encoding);
  // Latin-1 is known by bytes that are no UTF-8: without the last of them the other bytes would change their meaning.
  if (decodeGuestFile(edited) === editor.text) return edited;
  throw new AgentError(
    'BAD_CONFIG',
    encoding === 'utf8'
      ? 'a text has half a surrogate pair, which UTF-8 cannot hold; whole characters are needed'
      : 'the file is in Latin-1, which cannot hold its new text; convert it to UTF-8 by hand first',
  );
}

function checkKey(key: string): void {
  if (!isVariableName(key))
    throw new AgentError('BAD_VALUE', `key ${shown(key)}: it is no name of Python; letters, digits and _ are needed`);
}

/** Refuses what cannot be printed, also where nothing has to be. */
function checkValue(value: ConfigValue): void {
  printValue(value);
}

function checkIndex(key: string, length: number, index: number, last: number): void {
  if (Number.isInteger(index) && index >= 0 && index <= last) return;
  const needed = last < 0 ? 'an item must be inserted first' : `an index from 0 to ${last} is needed`;
  throw new AgentError('BAD_VALUE', `${key} has ${length} items and no place ${index}; ${needed}`);
}

function listOf(file: WrittenFile, entry: ConfigEntry): WrittenList {
  return { file, key: entry.name, items: itemsOf(entry.value) ?? [], at: file.source.offsetOf(entry) };
}

/** The text with the right-hand side of the assignment replaced, unless a comment inside it would be lost. */
function* rewritten(file: WrittenFile, entry: ConfigEntry, value: ConfigValue): Generator<string> {
  const setting = settingAt(file, file.source.offsetOf(entry));
  const edits = setting?.kind === 'assignment' ? replacement(file, setting.value, value) : undefined;
  if (edits) yield file.with(edits);
}

function withLastLine(file: WrittenFile, line: string): string {
  const { text } = file;
  const end = file.lineEndNear(text.length);
  const isLineEnded = file.lineStart(text.length) === text.length;
  return `${text}${isLineEnded ? '' : end}${line}${end}`;
}

/** What the edits leave of the name's uses, on every host: also in branches that are not taken on this one. */
function remainingUse(file: WrittenFile, edits: readonly TextEdit[], key: string): string | undefined {
  const gone = new Set(edits.flatMap(edit => file.tokensIn(edit)));
  const use = file.tokens.find(
    (token, index) =>
      token.kind === 'name' && token.text === key && file.tokens[index - 1]?.text !== '.' && !gone.has(token),
  );
  if (!use) return undefined;
  const { line, column } = file.source.placeOf(use.start);
  return `edit line ${line}, column ${column} by hand first, where it is used`;
}

function unlessRefused<Result>(act: () => Result): Result | GuestFileError {
  try {
    return act();
  } catch (error) {
    if (error instanceof GuestFileError) return error;
    throw error;
  }
}
