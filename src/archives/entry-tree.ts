import { refusal } from './refusal.ts';

export type EntryKind = 'file' | 'directory';

export interface EntryName {
  /** Elements joined by `/`; empty for the top directory. */
  readonly path: string;
  /** Old archives mark directories by it. */
  readonly hasTrailingSlash: boolean;
}

const ELEMENT_BYTES = 255;
const PATH_BYTES = 1024;
/** Names of all entries together: what is known of an archive stays small, however many entries the caller allows. */
const ALL_PATHS_BYTES = 16 * 2 ** 20;
/** Control and formatting characters, other line ends, and the separator of other systems. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]/u;

/**
 * A name below the directory that an archive is unpacked in.
 * @param text as the archive has it; a leading `./` and one trailing slash are tolerated
 * @throws AgentError BAD_VALUE
 */
export function parseEntryName(text: string): EntryName {
  const hasTrailingSlash = text.endsWith('/');
  const path = (hasTrailingSlash ? text.slice(0, -1) : text).replace(/^\.\//, '');
  if (path === '.') return { path: '', hasTrailingSlash };
  const fault = faultOf(text, path);
  if (fault !== undefined) throw refusal(`${fault}; a plain name below the archive's directory is needed`, text);
  return { path, hasTrailingSlash };
}

function faultOf(text: string, path: string): string | undefined {
  if (text === '') return 'its name is empty';
  if (text.startsWith('/')) return 'its name is absolute';
  if (UNFIT.test(text)) return 'its name has control characters or backslashes';
  if (Buffer.byteLength(path) > PATH_BYTES) return `its name has more than ${PATH_BYTES} bytes`;
  const elements = path.split('/');
  if (elements.includes('..')) return 'its name leads up';
  if (elements.some(element => element === '' || element === '.')) return 'its name has empty parts';
  if (elements.some(element => Buffer.byteLength(element) > ELEMENT_BYTES))
    return `a part of its name has more than ${ELEMENT_BYTES} bytes`;
  return undefined;
}

/** What an archive has named so far: each name once, and never below a file. */
export class EntryTree {
  readonly #kinds = new Map<string, EntryKind | 'implied'>();
  readonly #limit: number;
  #bytes = 0;

  /** @param limit most entries, with the directories that are only named as a part of others */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * @returns the directories, upper ones first, that have to be made for it and with it, itself included
   * @throws AgentError BAD_VALUE when it contradicts what was named before, or is one too many
   */
  add(path: string, kind: EntryKind): readonly string[] {
    const made: string[] = [];
    const elements = path.split('/');
    for (let depth = 1; depth < elements.length; depth++) {
      const parent = elements.slice(0, depth).join('/');
      const known = this.#kinds.get(parent);
      if (known === 'file') throw refusal('it lies below what is a file in the same archive', path);
      if (known === undefined) {
        this.#put(parent, 'implied');
        made.push(parent);
      }
    }
    const known = this.#kinds.get(path);
    if (known !== undefined && !(known === 'implied' && kind === 'directory'))
      throw refusal('the archive has it twice; each name may be there once', path);
    this.#put(path, kind);
    return kind === 'directory' && known === undefined && path !== '' ? [...made, path] : made;
  }

  #put(path: string, kind: EntryKind | 'implied'): void {
    this.#kinds.set(path, kind);
    this.#bytes += path.length;
    if (this.#kinds.size > this.#limit || this.#bytes > ALL_PATHS_BYTES)
      throw refusal(`the archive has more than ${this.#limit} entries, or too long names; fewer are needed`, path);
  }
}
