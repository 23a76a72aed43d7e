import type { SourceText } from './source-text.ts';

/** Bounds on one guest file, so that none can hang or exhaust the agent. */
export interface ReaderLimits {
  /** Longest file, in characters. */
  readonly fileLength: number;
  /** Most words, numbers, texts and signs in the file. */
  readonly tokens: number;
  /** Deepest nesting of brackets, of `if`, and of lists in lists; what is above `deepestNesting` counts as that. */
  readonly depth: number;
  /** Most steps of the evaluation: one for each part of an expression and for each item or 16 characters it handles. */
  readonly steps: number;
  /** Longest text that an expression may build, in characters. */
  readonly textLength: number;
  /** Most items of a list that an expression may build. */
  readonly listLength: number;
}

/** Nesting that no setting can exceed: parser and evaluator recurse once per level, and the stack must hold. */
export const deepestNesting = 40;

/** Far above any file that was written for a guest: those of the guide have 1 KiB, 200 tokens and 100 steps. */
export const standardLimits: ReaderLimits = {
  fileLength: 256 * 1024,
  tokens: 65_536,
  depth: 32,
  steps: 200_000,
  textLength: 65_536,
  listLength: 16_384,
};

/** Sixteen characters are handled in about the time of one part of an expression. */
const CHARACTERS_PER_STEP = 16;

/** Holds one evaluation to its limits. */
export class EvaluationBounds {
  readonly source: SourceText;
  readonly #limits: ReaderLimits;
  #spent = 0;

  constructor(source: SourceText, limits: ReaderLimits) {
    this.source = source;
    this.#limits = limits;
  }

  /** @throws GuestFileError when the file has had all its steps */
  spend(steps: number, offset: number): void {
    this.#spent += steps;
    if (this.#spent > this.#limits.steps) {
      throw this.source.refusal(
        offset,
        `the file takes more than ${this.#limits.steps} steps to evaluate; a simpler one is needed`,
      );
    }
  }

  spendOnText(characters: number, offset: number): void {
    this.spend(Math.ceil(characters / CHARACTERS_PER_STEP), offset);
  }

  /** To be called before a text of that length is built. */
  buildText(characters: number, offset: number): void {
    if (characters > this.#limits.textLength) {
      throw this.source.refusal(
        offset,
        `the text would have more than ${this.#limits.textLength} characters; a shorter one is needed`,
      );
    }
    this.spendOnText(characters, offset);
  }

  /**
   * To be called before a list is made or added to.
   * @param length what it will have
   * @param newItems how many of them have to be put there
   */
  buildList(length: number, newItems: number, offset: number): void {
    if (length > this.#limits.listLength) {
      throw this.source.refusal(
        offset,
        `the list would have more than ${this.#limits.listLength} items; a shorter one is needed`,
      );
    }
    this.spend(newItems, offset);
  }

  checkDepth(depth: number, offset: number): void {
    checkDepth(this.source, this.#limits, depth, offset);
  }
}

/** @throws GuestFileError when `depth` is more than the limits allow */
export function checkDepth(source: SourceText, limits: ReaderLimits, depth: number, offset: number): void {
  const deepest = Math.min(limits.depth, deepestNesting);
  if (depth > deepest)
    throw source.refusal(offset, `the nesting is deeper than ${deepest} levels; a flatter form is needed`);
}
