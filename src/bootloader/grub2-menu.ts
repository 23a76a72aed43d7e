import { AgentError } from '../errors.ts';
import {
  type BootEntry,
  type BootMenu,
  bootFiles,
  type MenuLevel,
  menuLimits,
  plainText,
  quoted,
} from './grub-menu.ts';
import { parseScript, ScriptError, type Statement, type Word } from './grub-script.ts';
import { GrubVariables, newBudget } from './grub-variables.ts';
import type { LoaderEntry } from './loader-entries.ts';

export interface Grub2Files {
  /** The text of grub.cfg. */
  readonly script: string;
  /** Its name, for messages. */
  readonly name: string;
  /** What grubenv sets: the saved entry, kernelopts. */
  readonly environment: ReadonlyMap<string, string>;
  /** Entries that `blscfg` puts into the menu, in their order. */
  readonly loaderEntries: readonly LoaderEntry[];
}

/** Options of `menuentry` whose value is the next word. */
const TAKES_VALUE = new Set(['--class', '--users', '--hotkey', '--id', '--source']);
const LINUX = /^linux(?:16|efi)?$/;
const RAMDISK = /^initrd(?:16|efi)?$/;
const MODULE = /^module2?$/;
/** GRUB 2 leaves out the first argument of a module of the old protocol, so that grub-mkconfig writes this word there. */
const PLACEHOLDER = 'placeholder';

/** Whether a script takes entries from files (Boot Loader Specification). */
export const usesLoaderEntries = (script: string): boolean => /^[ \t]*blscfg\b/m.test(script);

/**
 * The menu of GRUB 2 (grub.cfg). Commands are not run: `set`, `if` on texts, menus, and what an entry loads are understood, and
 * a condition that asks for more (a file, a device) counts as not met.
 * @throws AgentError NOT_SUPPORTED when it is no script, or larger than the limits
 */
export function parseGrub2Menu(files: Grub2Files): BootMenu {
  try {
    return new MenuReader(files).menu();
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    throw new AgentError('NOT_SUPPORTED', `read ${files.name}: ${error.message}; a menu that GRUB 2 takes is needed`);
  }
}

interface FoundEntry {
  readonly trail: readonly MenuLevel[];
  /** Its commands, or what is wrong with them. */
  readonly body: readonly Statement[] | ScriptError;
}

class MenuReader {
  readonly #files: Grub2Files;
  readonly #variables: GrubVariables;
  readonly #found: FoundEntry[] = [];

  constructor(files: Grub2Files) {
    this.#files = files;
    this.#variables = new GrubVariables(files.environment, newBudget());
  }

  /** Entries are read last, with the variables as they are when a menu is shown. */
  menu(): BootMenu {
    this.#readMenu(parseScript(this.#files.script), [], { next: 0 });
    const entries = this.#found.map(({ trail, body }): BootEntry => {
      const boot =
        body instanceof ScriptError
          ? { refusal: `its file cannot be read: ${body.message}` }
          : new EntryReader(this.#variables.copy()).boot(body);
      return { title: trail.at(-1)!.title, trail, boot };
    });
    return { entries, defaultEntry: this.#variables.get('default') ?? '' };
  }

  #readMenu(statements: readonly Statement[], around: readonly MenuLevel[], place: { next: number }): void {
    for (const statement of statements) {
      if (statement.kind === 'if') {
        this.#readMenu(takenBranch(statement, this.#variables), around, place);
        continue;
      }
      const [name, ...words] = this.#variables.expand(statement.words);
      if (statement.kind === 'command') {
        if (name === 'blscfg') this.#addLoaderEntries(around, place);
        else assign(statement.words, this.#variables);
      } else if (name === 'menuentry' || name === 'submenu') {
        const trail = [...around, { index: place.next++, ...headingOf(words) }];
        if (name === 'submenu') this.#readMenu(statement.body, trail, { next: 0 });
        else this.#add({ trail, body: statement.body });
      }
    }
  }

  #add(entry: FoundEntry): void {
    if (this.#found.length === menuLimits.entries) {
      throw new ScriptError(`it has more than ${menuLimits.entries} entries`);
    }
    this.#found.push(entry);
  }

  #addLoaderEntries(around: readonly MenuLevel[], place: { next: number }): void {
    for (const { id, title, script } of this.#files.loaderEntries) {
      const trail = [...around, { index: place.next++, title: plainText(title), id }];
      this.#add({ trail, body: scriptOrError(script) });
    }
  }
}

function scriptOrError(script: string): readonly Statement[] | ScriptError {
  try {
    return parseScript(script);
  } catch (error) {
    if (error instanceof ScriptError) return error;
    throw error;
  }
}

/** What one entry loads. */
class EntryReader {
  readonly #variables: GrubVariables;
  readonly #missing = new Set<string>();
  #kernel: readonly string[] | undefined;
  readonly #ramdisks: string[] = [];
  readonly #modules: (readonly string[])[] = [];

  constructor(variables: GrubVariables) {
    this.#variables = variables;
  }

  boot(body: readonly Statement[]): BootEntry['boot'] {
    this.#read(body);
    const [missing] = this.#missing;
    if (missing !== undefined) return { refusal: `it uses the variable ${quoted(missing)}, which nothing sets` };
    // Of an entry that boots Xen, the first module is the kernel and the others are its ramdisks.
    const [firstModule, ...otherModules] = this.#modules;
    const [kernel, ...args] = this.#kernel ?? firstModule ?? [];
    if (kernel === undefined) return { refusal: 'it names no kernel' };
    if (this.#kernel) return bootFiles(kernel, this.#ramdisks, joined(args));
    const ramdisks = otherModules.map(([file = '']) => file);
    return bootFiles(kernel, ramdisks, joined(args[0] === PLACEHOLDER ? args.slice(1) : args));
  }

  #read(statements: readonly Statement[]): void {
    for (const statement of statements) {
      if (statement.kind === 'if') this.#read(takenBranch(statement, this.#variables));
      else if (statement.kind === 'command') this.#readCommand(statement.words);
    }
  }

  #readCommand(words: readonly Word[]): void {
    const [name = ''] = this.#variables.expand(words.slice(0, 1));
    if (LINUX.test(name)) this.#kernel = this.#filesAndArguments(words);
    else if (RAMDISK.test(name)) this.#ramdisks.splice(0, Infinity, ...this.#files(words.slice(1)));
    else if (MODULE.test(name)) this.#modules.push(this.#filesAndArguments(words));
    else assign(words, this.#variables);
  }

  /** The words after the command and its options: a file, and arguments. */
  #filesAndArguments(words: readonly Word[]): string[] {
    const file = words.findIndex((word, index) => index > 0 && !this.#variables.expand([word])[0]?.startsWith('--'));
    if (file === -1) return [];
    const args = this.#variables.expand(words.slice(file + 1), name => this.#missing.add(name));
    return [...this.#files([words[file]!]), ...args];
  }

  /** The device before a file is not heeded, so that `($root)` is no matter. */
  #files(words: readonly Word[]): string[] {
    return this.#variables.expand(words, name => {
      if (name !== 'root') this.#missing.add(name);
    });
  }
}

/** As GRUB gives it to Linux: a word with a blank in it is put between quotes. */
function joined(words: readonly string[]): string {
  return words.map(word => (/[ \t]/.test(word) && !word.includes('"') ? `"${word}"` : word)).join(' ');
}

/** `set name=value`, `name=value`, `unset name`; any other command does nothing that matters here. */
function assign(words: readonly Word[], variables: GrubVariables): void {
  const expanded = variables.expand(words);
  if (expanded[0] === 'unset' && expanded[1] !== undefined) {
    variables.unset(expanded[1]);
    return;
  }
  const text = expanded.slice(expanded[0] === 'set' ? 1 : 0).join(' ');
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) variables.set(name, value);
}

/** The title, and the id, among the words after `menuentry`. */
function headingOf(words: readonly string[]): { readonly title: string; readonly id: string | undefined } {
  let title: string | undefined;
  let id: string | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const option = /^(--\w+)=(.*)$/s.exec(word);
    if (TAKES_VALUE.has(word)) {
      at += 1;
      if (word === '--id') id = words[at];
    } else if (option) {
      if (option[1] === '--id') id = option[2];
    } else if (!word.startsWith('--')) {
      title ??= word;
    }
  }
  return { title: plainText(title ?? ''), id: id === undefined ? undefined : plainText(id) };
}

function takenBranch(statement: Statement & { kind: 'if' }, variables: GrubVariables): readonly Statement[] {
  const taken = statement.branches.find(
    ({ condition }) => condition === undefined || holds(variables.expand(condition)),
  );
  return taken?.body ?? [];
}

/** Whether a condition on texts is met. */
function holds(words: readonly string[]): boolean {
  const [first, ...others] = words;
  if (first === 'true') return true;
  const isBracket = first === '[' && others.at(-1) === ']';
  if (!isBracket && first !== 'test') return false;
  return testHolds(isBracket ? others.slice(0, -1) : others);
}

function testHolds(words: readonly string[]): boolean {
  const [one, operator, other] = words;
  if (one === '!' && words.length > 1) return isKnownTest(words.slice(1)) && !testHolds(words.slice(1));
  if (words.length === 1) return one !== '';
  if (words.length === 2 && one === '-n') return operator !== '';
  if (words.length === 2 && one === '-z') return operator === '';
  if (words.length !== 3) return false;
  if (operator === '=' || operator === '==') return one === other;
  return operator === '!=' && one !== other;
}

/** Whether a test asks for texts alone: the opposite of one that is not known is not known either. */
function isKnownTest(words: readonly string[]): boolean {
  if (words.length === 2) return words[0] === '-n' || words[0] === '-z';
  return words.length === 1 || (words.length === 3 && /^(?:==?|!=)$/.test(words[1]!));
}
