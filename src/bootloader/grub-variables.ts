import { type Piece, ScriptError, type Word } from './grub-script.ts';

/** Most characters that the words of one menu may come to, all together: `set a=$a$a` doubles with each line. */
const EXPANSION_LIMIT = 4 * 1024 * 1024;

/** What GRUB says of itself on a BIOS machine, and what scripts that grub-mkconfig made ask for. */
const builtIn: readonly (readonly [string, string])[] = [
  ['grub_platform', 'pc'],
  ['grub_cpu', 'i386'],
  ['feature_menuentry_id', 'y'],
  ['feature_default_font_path', 'y'],
  ['feature_platform_search_hint', 'y'],
  ['feature_timeout_style', 'y'],
];

/** Variables that distributions put into command lines and that may be unset there: empty then. */
const optional: ReadonlySet<string> = new Set([
  'tuned_params', // Red Hat, Oracle: set by tuned
  'tuned_initrd',
  'early_initrd',
  'vt_handoff', // Ubuntu
  'extra_cmdline', // SUSE
  'xen_rm_opts', // Xen on Debian
]);

/** Holds all that is made from one menu to the limit. */
export interface Budget {
  characters: number;
}

export const newBudget = (): Budget => ({ characters: EXPANSION_LIMIT });

/** The variables of a menu, as far as they are known without running it. */
export class GrubVariables {
  readonly #values: Map<string, string>;
  readonly #budget: Budget;

  constructor(values: Iterable<readonly [string, string]>, budget: Budget) {
    this.#values = new Map([...builtIn, ...values]);
    this.#budget = budget;
  }

  /** Variables of their own for one entry. */
  copy(): GrubVariables {
    return new GrubVariables(this.#values, this.#budget);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  unset(name: string): void {
    this.#values.delete(name);
  }

  /**
   * The words with their variables: an unquoted one comes to as many words as its value has, so to none when it is empty.
   * @param missing is told the variables that nothing sets and that may not be empty
   */
  expand(words: readonly Word[], missing: (name: string) => unknown = () => undefined): string[] {
    return words.flatMap(word => this.#expandWord(word, missing));
  }

  #expandWord(word: Word, missing: (name: string) => unknown): string[] {
    const done: string[] = [];
    let current: string | undefined;
    for (const piece of word) {
      const text = this.#textOf(piece, missing);
      this.#budget.characters -= text.length;
      if (this.#budget.characters < 0) {
        throw new ScriptError(`its words come to more than ${EXPANSION_LIMIT} characters`);
      }
      if ('text' in piece || piece.quoted) {
        current = (current ?? '') + text;
        continue;
      }
      const [first = '', ...others] = text.split(/[ \t\n]+/);
      if (first !== '') current = (current ?? '') + first;
      for (const other of others) {
        if (current !== undefined) done.push(current);
        current = other === '' ? undefined : other;
      }
    }
    return current === undefined ? done : [...done, current];
  }

  #textOf(piece: Piece, missing: (name: string) => unknown): string {
    if ('text' in piece) return piece.text;
    const value = this.#values.get(piece.variable);
    if (value === undefined && !optional.has(piece.variable)) missing(piece.variable);
    return value ?? '';
  }
}
