import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../host/atomic-file.ts';
import { type GuestPath, parseGuestPath } from '../model/guest-path.ts';

/**
 * The directory of one running guest below the agent's runtime directory, with a note of what was started. The note is written
 * before the hypervisor acts and removed after the domain has ended, so that every guest is found again whatever happened to
 * the agent in between.
 */
export class GuestDirectory<Note extends { readonly path: GuestPath }> {
  readonly directory: string;
  /** A digest of the guest's path: paths are longer than the 107 bytes that the name of a socket may have. */
  readonly id: string;
  readonly #noteFile: string;

  constructor(parent: string, id: string) {
    this.id = id;
    this.directory = join(parent, id);
    this.#noteFile = join(this.directory, 'guest.json');
  }

  static idOf(path: GuestPath): string {
    return createHash('sha256').update(path).digest('hex').slice(0, 16);
  }

  /** The names below which guests have directories. */
  static ids(parent: string): readonly string[] {
    return existsSync(parent) ? readdirSync(parent).sort() : [];
  }

  /** Makes the directory, clears what an earlier run left, and writes the note. */
  prepare(note: Note): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.clear();
    writeFileSync(this.#noteFile, JSON.stringify(note), { mode: 0o600 });
  }

  /** Writes the note anew, when the guest got or lost something. */
  write(note: Note): void {
    writeFileAtomically(this.#noteFile, JSON.stringify(note), 0o600);
  }

  /** To be called once the domain has ended. */
  clear(kept: readonly string[] = []): void {
    for (const name of readdirSync(this.directory)) {
      if (!kept.includes(name)) rmSync(join(this.directory, name), { force: true });
    }
  }

  /** What the note says; `usual` gives what an earlier release did not write down. */
  readNote(usual: (path: GuestPath) => Note): Note | undefined {
    try {
      const { path: text, ...written } = JSON.parse(readFileSync(this.#noteFile, 'utf8')) as Partial<Note>;
      const path = parseGuestPath(String(text));
      return { ...usual(path), ...written, path };
    } catch {
      return undefined;
    }
  }
}
