/**
 * The words and blocks of a GRUB 2 script (GRUB 2 manual, "Writing full configuration files directly").
 * Nothing is run: `grub2-menu.ts` looks for what it knows.
 */

/** A piece of a word: text, or a variable whose value comes in its place. */
export type Piece =
  | { readonly text: string; readonly quoted: boolean }
  | { readonly variable: string; readonly quoted: boolean };

export type Word = readonly Piece[];

export type Statement =
  | { readonly kind: 'command'; readonly words: readonly Word[] }
  /** menuentry, submenu or function, with what is between its braces. */
  | { readonly kind: 'block'; readonly words: readonly Word[]; readonly body: readonly Statement[] }
  | { readonly kind: 'if'; readonly branches: readonly Branch[] };

export interface Branch {
  /** Undefined for `else`. */
  readonly condition: readonly Word[] | undefined;
  readonly body: readonly Statement[];
}

/** What is wrong with a script, in words. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

const DEEPEST_NESTING = 32;
const BLANK = /[ \t\r]+/y;
const PLAIN = /[^ \t\r\n;'"\\$]+/y;
/** Of bounded length, so that `${` over and over does not make each of them look to the end. */
const VARIABLE = /\$(?:\{([^{}\n]{0,100})\}|([A-Za-z_]\w*|[0-9?@*#]))/y;
const SINGLE_QUOTED = /'([^']*)'/y;
const DOUBLE_QUOTED_TEXT = /[^"\\$]+/y;
const COMMENT = /#[^\n]*/y;

interface FlatCommand {
  readonly words: readonly Word[];
  /** Whether a brace follows. */
  readonly opens: boolean;
}

/** @throws ScriptError */
export function parseScript(text: string): Statement[] {
  return new BlockReader(flatCommands(text)).statements([], 0);
}

/** The text of a word that is nothing but unquoted text. */
export function keywordOf(word: Word | undefined): string | undefined {
  const [piece] = word ?? [];
  return word?.length === 1 && piece && 'text' in piece && !piece.quoted ? piece.text : undefined;
}

function flatCommands(text: string): FlatCommand[] {
  const commands: FlatCommand[] = [];
  let words: Word[] = [];
  const end = (opens: boolean): void => {
    if (words.length > 0 || opens) commands.push({ words, opens });
    words = [];
  };
  for (const word of wordsOf(text)) {
    const keyword = word === 'end' ? undefined : keywordOf(word);
    if (word === 'end') end(false);
    else if (keyword === '{') end(true);
    else {
      words.push(word);
      if (words.length === 1 && /^(?:\}|then|else|do)$/.test(keyword ?? '')) end(false);
    }
  }
  end(false);
  return commands;
}

/** Words, with `end` where a command ends. */
function* wordsOf(text: string): Generator<Word | 'end'> {
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match ?? undefined;
  };
  let word: Piece[] = [];
  const append = (piece: string, quoted: boolean): void => {
    const last = word.at(-1);
    if (last && 'text' in last && last.quoted === quoted) word[word.length - 1] = { text: last.text + piece, quoted };
    else word.push({ text: piece, quoted });
  };
  const takeVariable = (isQuoted: boolean): boolean => {
    const match = take(VARIABLE);
    if (match) word.push({ variable: match[1] ?? match[2]!, quoted: isQuoted });
    return match !== undefined;
  };
  const takeDoubleQuoted = (): void => {
    at += 1;
    append('', true);
    for (;;) {
      const plain = take(DOUBLE_QUOTED_TEXT);
      if (plain) append(plain[0], true);
      const sign = text[at];
      if (sign === undefined) throw new ScriptError('a quote is not closed');
      if (sign === '"') break;
      if (sign === '$' && takeVariable(true)) continue;
      const next = text[at + 1];
      if (sign === '\\' && next !== undefined && '$"\\\n'.includes(next)) {
        append(next === '\n' ? '' : next, true);
        at += 2;
      } else {
        append(sign, true);
        at += 1;
      }
    }
    at += 1;
  };
  while (at < text.length) {
    const sign = text[at]!;
    if (word.length === 0 && (take(BLANK) || take(COMMENT))) continue;
    if (word.length > 0 && /[ \t\r\n;]/.test(sign)) {
      yield word;
      word = [];
      continue;
    }
    if (sign === '\n' || sign === ';') {
      yield 'end';
      at += 1;
    } else if (sign === "'") {
      const match = take(SINGLE_QUOTED);
      if (!match) throw new ScriptError('a quote is not closed');
      append(match[1]!, true);
    } else if (sign === '"') {
      takeDoubleQuoted();
    } else if (sign === '\\') {
      const next = text[at + 1] ?? '';
      if (next !== '\n') append(next, true);
      at += 2;
    } else if (sign === '$') {
      if (!takeVariable(false)) {
        append('$', false);
        at += 1;
      }
    } else {
      append(take(PLAIN)![0], false);
    }
  }
  if (word.length > 0) yield word;
}

class BlockReader {
  readonly #commands: readonly FlatCommand[];
  #at = 0;

  constructor(commands: readonly FlatCommand[]) {
    this.#commands = commands;
  }

  /** Up to a command that begins with one of `ends`, which is not taken; up to the end of the script when there are none. */
  statements(ends: readonly string[], depth: number): Statement[] {
    if (depth > DEEPEST_NESTING) throw new ScriptError(`its blocks are nested deeper than ${DEEPEST_NESTING} levels`);
    const statements: Statement[] = [];
    for (;;) {
      const command = this.#commands[this.#at];
      if (!command) {
        if (ends.length === 0) return statements;
        throw new ScriptError(`it ends where ${ends.join(' or ')} is needed`);
      }
      const keyword = keywordOf(command.words[0]);
      if (keyword !== undefined && ends.includes(keyword)) return statements;
      this.#at += 1;
      if (keyword === 'if') statements.push({ kind: 'if', branches: this.#branches(command.words.slice(1), depth) });
      else if (keyword === 'while' || keyword === 'until' || keyword === 'for') this.#inside(['done'], depth);
      else if (command.opens) {
        statements.push({ kind: 'block', words: command.words, body: this.#inside(['}'], depth) });
      } else {
        statements.push({ kind: 'command', words: command.words });
      }
    }
  }

  /** What is inside a block, and the end of it taken. */
  #inside(ends: readonly string[], depth: number): Statement[] {
    const body = this.statements(ends, depth + 1);
    this.#at += 1;
    return body;
  }

  #branches(words: readonly Word[], depth: number): Branch[] {
    const branches: Branch[] = [];
    let condition: readonly Word[] | undefined = words;
    for (;;) {
      if (condition) this.#inside(['then'], depth);
      const body = this.statements(condition ? ['elif', 'else', 'fi'] : ['fi'], depth + 1);
      branches.push({ condition, body });
      const end = this.#commands[this.#at]!;
      this.#at += 1;
      const keyword = keywordOf(end.words[0]);
      if (keyword === 'fi') return branches;
      condition = keyword === 'elif' ? end.words.slice(1) : undefined;
    }
  }
}
