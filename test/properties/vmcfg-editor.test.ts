import { describe, expect, it } from 'vitest';
import { AgentError } from '../../src/errors.ts';
import { GuestFileEditor } from '../../src/vmcfg/editor.ts';
import { isEqual } from '../../src/vmcfg/equality.ts';
import { printValue } from '../../src/vmcfg/printer.ts';
import { decodeGuestFile, type GuestFile, parseGuestFile } from '../../src/vmcfg/reader.ts';
import { ConfigFloat, ConfigTuple, type ConfigValue, itemsOf } from '../../src/vmcfg/values.ts';
import { seededRandom } from '../support/random.ts';
import { anyArchitectureFile, exampleFile, facts64, hardwareFile, paravirtualFile } from '../unit/vmcfg/guest-files.ts';
import { PlainPython } from './plain-python.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_100_209);
const files = Number(process.env['VMCFG_EDITED_FILES'] ?? 250);
const values = 5_000;

const random = seededRandom(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;

const characters = [
  'a',
  'Z',
  ' ',
  "'",
  '"',
  '\\',
  '\n',
  '\r',
  '\t',
  '\0',
  '#',
  ',',
  ']',
  '%',
  'é',
  '\x85',
  '\u2028',
  '😀',
];

function randomText(): string {
  return Array.from({ length: below(8) }, () => pick(characters)).join('');
}

function randomValue(depth: number): ConfigValue {
  switch (below(depth > 0 ? 10 : 6)) {
    case 0:
      return pick([null, true, false]);
    case 1:
      return below(2 ** 31) - 2 ** 30;
    case 2:
      return BigInt(below(2 ** 31)) ** 3n;
    case 3:
      return new ConfigFloat((random() - 0.5) * 10 ** below(30));
    case 6:
      return new ConfigTuple(Array.from({ length: below(4) }, () => randomValue(depth - 1)));
    case 7:
      return new Map(Array.from({ length: below(4) }, () => [randomText(), randomValue(depth - 1)]));
    case 8:
    case 9:
      return Array.from({ length: below(4) }, () => randomValue(depth - 1));
    default:
      return randomText();
  }
}

function valueOf(file: GuestFile, key: string): ConfigValue | undefined {
  return file.get(key)?.value;
}

/** What the values are after an edit: that of the key, and all others. */
function expectOnly(before: GuestFile, text: string, key: string, wanted: ConfigValue | undefined): void {
  const after = parseGuestFile(text, facts64);
  const now = valueOf(after, key);
  if (wanted === undefined) expect(now).toBeUndefined();
  else expect(now !== undefined && isEqual(now, wanted), `${key} in\n${text}`).toBe(true);
  const others = (file: GuestFile): string[] => [...file.keys()].filter(name => name !== key).sort();
  expect(others(after)).toEqual(others(before));
  for (const name of others(before)) {
    expect(isEqual(valueOf(after, name)!, valueOf(before, name)!), `${name} in\n${text}`).toBe(true);
  }
}

/** The stretch of the first text that is not in the second; all before and behind it is in both. */
function changedStretch(before: string, after: string): string {
  let head = 0;
  while (head < before.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail))
    tail += 1;
  return before.slice(head, before.length - tail);
}

/** Edits a copy; an editor that refuses has changed nothing. */
function tryEdit(text: string, edit: (editor: GuestFileEditor) => void): string | undefined {
  const editor = new GuestFileEditor(text, facts64);
  try {
    edit(editor);
    return editor.text;
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    expect(editor.text).toBe(text);
    return undefined;
  }
}

describe('a value that is written', () => {
  it('is the same value when it is read', () => {
    for (let count = 0; count < values; count++) {
      const value = randomValue(3);
      const text = `a = ${printValue(value, pick(["'", '"'] as const))}\n`;
      expect(isEqual(valueOf(parseGuestFile(text, facts64), 'a')!, value), text).toBe(true);
    }
  });
});

describe('an edited file', () => {
  const python = new PlainPython(random);
  const texts = [
    ...[exampleFile, hardwareFile, paravirtualFile, anyArchitectureFile].flatMap(text => [
      text,
      text.replaceAll('\n', '\r\n'),
    ]),
    ...Array.from({ length: files }, () => decodeGuestFile(python.file())),
  ].filter(text => {
    try {
      parseGuestFile(text, facts64);
      return true;
    } catch {
      return false;
    }
  });

  it('has the value that was set, and all others as they were', () => {
    let refused = 0;
    for (const text of texts) {
      const before = parseGuestFile(text, facts64);
      const key = pick([...before.keys(), 'a_new_key']);
      const value = randomValue(2);
      const after = tryEdit(text, editor => editor.set(key, value));
      if (after === undefined) refused += 1;
      else expectOnly(before, after, key, value);
    }
    expect(refused).toBeLessThan(texts.length / 50);
  });

  it('lacks the key that was removed, or is refused because others depend on it', () => {
    for (const text of texts) {
      const before = parseGuestFile(text, facts64);
      const key = pick([...before.keys(), 'a_new_key']);
      const after = tryEdit(text, editor => editor.remove(key));
      if (after !== undefined) expectOnly(before, after, key, undefined);
    }
  });

  it('has the items that were put in, replaced and taken out, and nothing else is touched', () => {
    let done = 0;
    for (const text of texts) {
      const before = parseGuestFile(text, facts64);
      const lists = [...before.keys()].filter(key => itemsOf(valueOf(before, key)!) !== undefined);
      if (lists.length === 0) continue;
      const key = pick(lists);
      const old = valueOf(before, key)!;
      const items = itemsOf(old)!;
      const like = (changed: readonly ConfigValue[]): ConfigValue =>
        old instanceof ConfigTuple ? new ConfigTuple(changed) : changed;
      const index = below(items.length + 1);
      const item = randomValue(1);
      const inserted = tryEdit(text, editor => editor.insertItem(key, item, index));
      if (inserted !== undefined) expectOnly(before, inserted, key, like(items.toSpliced(index, 0, item)));
      if (index === items.length) continue;
      const replaced = tryEdit(text, editor => editor.replaceItem(key, index, item));
      if (replaced !== undefined) expectOnly(before, replaced, key, like(items.with(index, item)));
      const removed = tryEdit(text, editor => editor.removeItem(key, index));
      if (removed !== undefined) expectOnly(before, removed, key, like(items.toSpliced(index, 1)));
      if (inserted !== undefined && replaced !== undefined && removed !== undefined) done += 1;
    }
    expect(done).toBeGreaterThan(20);
  });

  it('keeps every byte outside the item that is replaced, in files as controllers write them', () => {
    for (let count = 0; count < 500; count++) {
      const disks = Array.from(
        { length: 1 + below(5) },
        (_, index) => `file:/OVS/${index}.img,xvd${'abcde'[index]!},w`,
      );
      const separator = pick([', ', ',\n', ',\n    ', ', # one\n  ', ',\r\n']);
      const quote = pick(["'", '"']);
      const body = disks.map(disk => quote + disk + quote).join(separator);
      const text = `# ${randomText().replace(/[\r\n\0]/g, '')}\nmemory = 1\ndisk = [${body}${pick(['', ',', ',\n', '  # last\n'])}]  # disks\n${pick(['', 'x = 1'])}`;
      const index = below(disks.length);
      const after = tryEdit(text, editor => editor.replaceItem('disk', index, 'phy:sda,sda,r'));
      expect(after, text).toBeDefined();
      expect(quote + disks[index]! + quote).toContain(changedStretch(text, after!));
      expectOnly(parseGuestFile(text, facts64), after!, 'disk', disks.with(index, 'phy:sda,sda,r'));
    }
  });
});
