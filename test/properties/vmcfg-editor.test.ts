import { describe, expect, it } from 'vitest';
import { AgentError } from '../../src/errors.ts';
import { editGuestFile, GuestFileEditor } from '../../src/vmcfg/editor.ts';
import { printValue } from '../../src/vmcfg/printer.ts';
import { decodeGuestFile, GuestFileError, parseGuestFile } from '../../src/vmcfg/reader.ts';
import { ConfigTuple, type ConfigValue, itemsOf } from '../../src/vmcfg/values.ts';
import { seededRandom } from '../support/random.ts';
import { anyArchitectureFile, exampleFile, facts64, hardwareFile, paravirtualFile } from '../unit/vmcfg/guest-files.ts';
import { Chance } from './chance.ts';
import { LaidOutFile } from './laid-out-file.ts';
import { PlainPython } from './plain-python.ts';

/** Fixed, so that a failure is the change's; another one explores. */
const seed = Number(process.env['FC_SEED'] ?? 20_100_208);
const values = 5_000;
const laidOutFiles = Number(process.env['VMCFG_LAID_OUT_FILES'] ?? 3_000);
const editedFiles = Number(process.env['VMCFG_EDITED_FILES'] ?? 2_000);

type Values = Map<string, ConfigValue>;

/** An edit, and what it makes of the values of a file. */
interface Act {
  readonly text: string;
  readonly edit: (editor: GuestFileEditor) => void;
  readonly model: (values: Values) => void;
}

const origins = [paravirtualFile, hardwareFile, anyArchitectureFile, exampleFile].map(file => Buffer.from(file));
const fragments = [
  ...['#', '\n', '\r', '\r\n', '\t', ' ', "'", '[', ']', '(', ')', ',', ';', '=', '+=', '\\\n', 'é', '\ufeff'],
  ...[
    'if 1: ',
    'if 0:\n  ',
    'disk = ',
    'x = ',
    'vif = disk\n',
    'disk += vif\n',
    "disk.append('a')\n",
    'name = memory\n',
  ],
  ...[
    '# a\n',
    "disk = ['a', # a\n'b']\n",
    "x = 1, 'a'\n",
    'disk = disk + [name]\n',
    "y = x = ('a',)\n",
    'y = vif = []\n',
  ],
].map(fragment => Buffer.from(fragment));

/** The file with one piece cut, put in or doubled. */
function mutated(file: Buffer, chance: Chance): Buffer {
  const lineStart = file.lastIndexOf('\n', chance.integer(0, file.length)) + 1;
  const at = chance.is(0.6) ? lineStart : chance.integer(0, file.length);
  const [before, after] = [file.subarray(0, at), file.subarray(at)];
  if (chance.is(0.2)) return Buffer.concat([before, after.subarray(chance.integer(1, 60))]);
  if (chance.is(0.2)) return Buffer.concat([before, after.subarray(0, chance.integer(1, 60)), after]);
  return Buffer.concat([before, chance.one(fragments), after]);
}

/** A file that can be read, with its values. */
function readableFile(python: PlainPython, chance: Chance): { readonly bytes: Buffer; readonly values: Values } {
  for (;;) {
    let bytes = chance.is(0.3) ? python.file() : chance.one(origins);
    if (chance.is(0.2)) bytes = Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
    for (let count = chance.integer(0, 4); count > 0; count -= 1) bytes = mutated(bytes, chance);
    try {
      return { bytes, values: valuesOf(bytes) };
    } catch (error) {
      if (!(error instanceof GuestFileError)) throw error;
    }
  }
}

function valuesOf(bytes: Uint8Array): Values {
  return new Map([...parseGuestFile(decodeGuestFile(bytes), facts64).values()].map(({ name, value }) => [name, value]));
}

function anyAct(current: Values, chance: Chance): Act {
  const key = chance.is(0.9) ? chance.one([...current.keys(), 'x']) : chance.one(['memory', 'new_key', 'disk', 'os']);
  const items = itemsOf(current.get(key) ?? null);
  if (!items || chance.is(0.3)) return chance.is(0.7) ? setting(key, chance) : removing(key);
  if (items.length === 0 || chance.is(0.4)) return inserting(key, items, chance);
  const index = chance.integer(0, items.length - 1);
  if (chance.is(0.5)) {
    const item = chance.value(1);
    return {
      text: `replaceItem(${key}, ${index}, ${printValue(item)})`,
      edit: editor => editor.replaceItem(key, index, item),
      model: all => all.set(key, likeBefore(all.get(key), items.with(index, item))),
    };
  }
  return {
    text: `removeItem(${key}, ${index})`,
    edit: editor => editor.removeItem(key, index),
    model: all => all.set(key, likeBefore(all.get(key), items.toSpliced(index, 1))),
  };
}

function setting(key: string, chance: Chance): Act {
  const value = chance.value(2);
  return {
    text: `set(${key}, ${printValue(value)})`,
    edit: editor => editor.set(key, value),
    model: all => all.set(key, value),
  };
}

function removing(key: string): Act {
  return { text: `remove(${key})`, edit: editor => editor.remove(key), model: all => all.delete(key) };
}

function inserting(key: string, items: readonly ConfigValue[], chance: Chance): Act {
  const item = chance.value(1);
  const index = chance.is(0.4) ? undefined : chance.integer(0, items.length);
  return {
    text: `insertItem(${key}, ${printValue(item)}, ${index})`,
    edit: editor => editor.insertItem(key, item, index),
    model: all => all.set(key, likeBefore(all.get(key), items.toSpliced(index ?? items.length, 0, item))),
  };
}

function likeBefore(before: ConfigValue | undefined, items: readonly ConfigValue[]): ConfigValue {
  return before instanceof ConfigTuple ? new ConfigTuple(items) : items;
}

describe('a value', () => {
  it('in print reads as itself', () => {
    const chance = new Chance(seededRandom(seed));
    for (let run = 0; run < values; run += 1) {
      const value = chance.value(4);
      const text = printValue(value, { quote: chance.one(["'", '"']) });
      expect(text).not.toMatch(/[\r\n]/);
      expect(parseGuestFile(`x = ${text}`, facts64).get('x')?.value, text).toStrictEqual(value);
    }
  });
});

describe('a file that is edited', () => {
  it('has the edited value, and every other value as before', () => {
    const random = seededRandom(seed);
    const chance = new Chance(random);
    const python = new PlainPython(random);
    const outcomes = { edited: 0, refused: 0 };
    for (let run = 0; run < editedFiles; run += 1) {
      let { bytes, values: wanted } = readableFile(python, chance);
      for (let count = chance.integer(1, 3); count > 0; count -= 1) {
        const act = anyAct(wanted, chance);
        const message = `${act.text} on ${JSON.stringify(decodeGuestFile(bytes))}`;
        try {
          bytes = Buffer.from(editGuestFile(bytes, facts64, act.edit));
          act.model(wanted);
          outcomes.edited += 1;
        } catch (error) {
          if (!(error instanceof AgentError)) throw new Error(message, { cause: error });
          expect(error.message, message).toMatch(/cannot be removed in place|in Latin-1/);
          outcomes.refused += 1;
        }
        const found = valuesOf(bytes);
        expect(found, message).toStrictEqual(wanted);
        wanted = found;
      }
    }
    expect(outcomes.edited).toBeGreaterThan(editedFiles);
    expect(outcomes.refused).toBeLessThan(editedFiles / 5);
  });

  it('stays the same outside of a statement that is removed', () => {
    const chance = new Chance(seededRandom(seed + 1));
    for (let run = 0; run < laidOutFiles; run += 1) {
      const file = new LaidOutFile(chance);
      const editor = new GuestFileEditor(file.text, facts64);
      editor.remove(file.key);
      expect(editor.text, JSON.stringify(file.text)).toBe(file.before.replace(/[ \t]*$/, '') + file.after);
    }
  });

  it('stays the same outside of the item, with its layout and comments', () => {
    const chance = new Chance(seededRandom(seed + 2));
    for (let run = 0; run < laidOutFiles; run += 1) {
      const file = new LaidOutFile(chance);
      const { key, items, quote } = file;
      const editor = new GuestFileEditor(file.text, facts64);
      const index = chance.integer(0, items.length);
      const item = `item ${run}`;
      const printed = printValue(item, { quote: items.length > 0 ? quote : "'" });
      const isRemoved = index < items.length && chance.is(0.4);
      const isReplaced = index < items.length && !isRemoved && chance.is(0.4);
      // The same by the value of the whole list.
      const asWhole = chance.is(0.3);
      const old = itemsOf(editor.read().get(key)!.value)!;
      const change = isRemoved ? old.toSpliced(index, 1) : old.toSpliced(index, isReplaced ? 1 : 0, item);
      if (asWhole) editor.set(key, file.isTuple ? new ConfigTuple(change) : change);
      else if (isRemoved) editor.removeItem(key, index);
      else if (isReplaced) editor.replaceItem(key, index, item);
      else editor.insertItem(key, item, index);

      const statement = statementOf(file, editor.text);
      const message = `${isRemoved ? 'without' : isReplaced ? 'replaced' : 'inserted'} ${index} ${JSON.stringify([file.statement, statement])}`;
      const wanted = items.toSpliced(index, isRemoved || isReplaced ? 1 : 0, ...(isRemoved ? [] : [printed]));
      expect(standInOrder(statement, wanted), message).toBe(true);
      const comments = commentsOf(file.statement);
      const kept = commentsOf(statement);
      if (isRemoved) {
        expect(standInOrder(comments.join(), kept), message).toBe(true);
        expect(comments.length - kept.length, message).toBeLessThanOrEqual(1);
      } else expect(kept, message).toEqual(comments);
      const lines = linesOf(statement) - linesOf(file.statement);
      if (isReplaced || file.layout === 'line') expect(lines, message).toBe(0);
      else if (file.layout === 'lines' && !isRemoved) {
        expect(lines, message).toBe(1);
        expect(statement, message).toContain(`${file.lineEnd}${file.indentation}${printed}`);
      }
    }
  });
});

/** What stands in place of the statement; all else must be as it was. */
function statementOf({ after, before }: LaidOutFile, text: string): string {
  expect(text.slice(0, before.length)).toBe(before);
  expect(text.slice(text.length - after.length)).toBe(after);
  return text.slice(before.length, text.length - after.length);
}

function standInOrder(text: string, parts: readonly string[]): boolean {
  let at = 0;
  return parts.every(part => {
    const found = text.indexOf(part, at);
    at = found + part.length;
    return found >= 0;
  });
}

function commentsOf(statement: string): string[] {
  return statement.match(/# comment \d+|# behind/g) ?? [];
}

function linesOf(text: string): number {
  return text.split(/\r\n?|\n/).length;
}
