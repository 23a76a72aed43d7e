import type { EvaluationBounds } from './limits.ts';
import { shown } from './source-text.ts';

/**
 * A step of a compiled pattern. Jumps are relative, so that programs can be put one behind the other. All steps but
 * jumps go on with the next one.
 */
type Instruction =
  | { readonly kind: 'character'; readonly accepts: Accepts }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'jump'; readonly to: readonly number[] };

type Program = readonly Instruction[];
type Accepts = (character: string) => boolean;

const LONGEST_PATTERN = 256;

/** The classes as Python 2 has them: of ASCII. */
const CLASSES: Readonly<Record<string, RegExp>> = {
  d: /[0-9]/,
  D: /[^0-9]/,
  w: /[A-Za-z0-9_]/,
  W: /[^A-Za-z0-9_]/,
  s: /[ \t\n\r\f\v]/,
  S: /[^ \t\n\r\f\v]/,
};
const CONTROLS: Readonly<Record<string, string>> = {
  a: '\x07',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * Whether Python's `re.search(pattern, text)` or, with `isAnchored`, `re.match(pattern, text)` would find something.
 * All ways through the pattern are followed at once, character by character (Thompson, Regular Expression Search
 * Algorithm, CACM 11, 1968), so that no pattern takes longer than its length times that of the text.
 * @param at offset for messages and limits
 * @throws GuestFileError when the pattern is none, or has forms that are not understood
 */
export function matchesPattern(
  bounds: EvaluationBounds,
  pattern: string,
  text: string,
  isAnchored: boolean,
  at: number,
): boolean {
  const program = new PatternParser(bounds, pattern, at).program();
  bounds.spendOnText((text.length + 1) * (program.length + 1), at);
  return runs(program, Array.from(text), isAnchored);
}

function runs(program: Program, text: readonly string[], isAnchored: boolean): boolean {
  let threads = new Set<number>();
  for (let position = 0; position <= text.length; position += 1) {
    if (position === 0 || !isAnchored) threads.add(0);
    follow(program, threads, position, text);
    if (threads.has(program.length)) return true;
    const character = text[position];
    if (character === undefined) return false;
    const next = new Set<number>();
    for (const at of threads) {
      const instruction = program[at]!;
      if (instruction.kind === 'character' && instruction.accepts(character)) next.add(at + 1);
    }
    threads = next;
  }
  return false;
}

/** Adds all places that are reached without a character; what is added to a set while it is walked is walked too. */
function follow(program: Program, threads: Set<number>, position: number, text: readonly string[]): void {
  for (const at of threads) {
    const instruction = program[at];
    if (instruction?.kind === 'jump') for (const by of instruction.to) threads.add(at + by);
    if (instruction?.kind === 'start' && position === 0) threads.add(at + 1);
    if (instruction?.kind === 'end' && isEnd(position, text)) threads.add(at + 1);
  }
}

/** `$` also stands before a line end that ends the text. */
function isEnd(position: number, text: readonly string[]): boolean {
  return position === text.length || (position === text.length - 1 && text[position] === '\n');
}

class PatternParser {
  readonly #bounds: EvaluationBounds;
  readonly #pattern: string;
  readonly #characters: readonly string[];
  readonly #offset: number;
  #at = 0;

  constructor(bounds: EvaluationBounds, pattern: string, offset: number) {
    this.#bounds = bounds;
    this.#pattern = pattern;
    this.#characters = Array.from(pattern.slice(0, LONGEST_PATTERN + 1));
    this.#offset = offset;
  }

  program(): Program {
    if (this.#pattern.length > LONGEST_PATTERN)
      throw this.#refusal(`has more than ${LONGEST_PATTERN} characters; a shorter one is needed`);
    const program = this.#alternatives();
    if (this.#character !== undefined) throw this.#refusal('has ")" without "("; \\) for the character is needed');
    return program;
  }

  get #character(): string | undefined {
    return this.#characters[this.#at];
  }

  #skip(character: string): boolean {
    if (this.#character !== character) return false;
    this.#at += 1;
    return true;
  }

  #alternatives(): Program {
    const alternatives = [this.#sequence()];
    while (this.#skip('|')) alternatives.push(this.#sequence());
    return alternatives.reduceRight((others, one) => [
      { kind: 'jump', to: [1, one.length + 2] },
      ...one,
      { kind: 'jump', to: [others.length + 1] },
      ...others,
    ]);
  }

  #sequence(): Program {
    const program: Instruction[] = [];
    while (this.#character !== undefined && this.#character !== '|' && this.#character !== ')')
      program.push(...this.#repeated());
    return program;
  }

  /** One character, class or group with the `*`, `+` or `?` behind it. */
  #repeated(): Program {
    if (this.#skip('^')) return this.#anchor('start');
    if (this.#skip('$')) return this.#anchor('end');
    const item = this.#item();
    const repeat = this.#character;
    if (!isRepeat(repeat)) return item;
    this.#at += 1;
    // A lazy repeat finds less of the text, but finds something whenever the other does.
    this.#skip('?');
    if (isRepeat(this.#character)) throw this.#refusal('repeats a repeat; one of * + ? is needed');
    switch (repeat) {
      case '*':
        return [{ kind: 'jump', to: [1, item.length + 2] }, ...item, { kind: 'jump', to: [-item.length - 1] }];
      case '+':
        return [...item, { kind: 'jump', to: [-item.length, 1] }];
      case '?':
        return [{ kind: 'jump', to: [1, item.length + 1] }, ...item];
    }
  }

  #anchor(kind: 'start' | 'end'): Program {
    if (isRepeat(this.#character)) throw this.#refusal('repeats ^ or $; a character before the repeat is needed');
    return [{ kind }];
  }

  #item(): Program {
    const character = this.#character!;
    this.#at += 1;
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return [{ kind: 'character', accepts: this.#class() }];
      case '.':
        return [{ kind: 'character', accepts: other => other !== '\n' }];
      case '*':
      case '+':
      case '?':
        throw this.#refusal(`has nothing before "${character}"; a character is needed there`);
      case '{':
        throw this.#refusal('has "{", which is not understood; one of * + ?, or \\{ for the character, is needed');
      case '\\':
        return [{ kind: 'character', accepts: acceptor(this.#escape()) }];
      default:
        return [{ kind: 'character', accepts: acceptor(character) }];
    }
  }

  #group(): Program {
    if (this.#skip('?') && !this.#skip(':'))
      throw this.#refusal('has "(?", which is not understood; a plain group is needed');
    const program = this.#alternatives();
    if (!this.#skip(')')) throw this.#refusal('has "(" that is never closed; ")" is needed');
    return program;
  }

  /** Behind the backslash: a character, or a class. */
  #escape(): string | RegExp {
    const character = this.#character;
    if (character === undefined) throw this.#refusal('ends with a backslash; a character behind it is needed');
    this.#at += 1;
    const special = CLASSES[character] ?? CONTROLS[character];
    if (special !== undefined) return special;
    if (!/[A-Za-z0-9]/.test(character)) return character;
    throw this.#refusal(`has ${shown(`\\${character}`)}, which is not understood; one of \\d \\w \\s is needed`);
  }

  /** Behind the opening bracket. */
  #class(): Accepts {
    const isNegated = this.#skip('^');
    const members: Accepts[] = [];
    do members.push(this.#classMember());
    while (!this.#skip(']'));
    return character => members.some(accepts => accepts(character)) !== isNegated;
  }

  #classMember(): Accepts {
    const first = this.#classCharacter();
    const isRange =
      this.#character === '-' && this.#characters[this.#at + 1] !== undefined && this.#characters[this.#at + 1] !== ']';
    if (!isRange) return acceptor(first);
    this.#at += 1;
    const last = this.#classCharacter();
    if (typeof first !== 'string' || typeof last !== 'string' || codeOf(last) < codeOf(first))
      throw this.#refusal('has a range that is none; one such as [a-z] is needed');
    return character => codeOf(character) >= codeOf(first) && codeOf(character) <= codeOf(last);
  }

  #classCharacter(): string | RegExp {
    const character = this.#character;
    if (character === undefined) throw this.#refusal('has "[" that is never closed; "]" is needed');
    this.#at += 1;
    return character === '\\' ? this.#escape() : character;
  }

  #refusal(message: string): Error {
    return this.#bounds.source.refusal(this.#offset, `the pattern ${shown(this.#pattern)} ${message}`);
  }
}

function isRepeat(character: string | undefined): character is '*' | '+' | '?' {
  return character === '*' || character === '+' || character === '?';
}

function acceptor(wanted: string | RegExp): Accepts {
  return typeof wanted === 'string' ? character => character === wanted : character => wanted.test(character);
}

function codeOf(character: string): number {
  return character.codePointAt(0)!;
}
