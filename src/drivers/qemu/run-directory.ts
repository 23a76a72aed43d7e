import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { EndPolicy, GuestConfig, QuietEnd } from '../../model/guest-config.ts';
import { type GuestPath, parseGuestPath } from '../../model/guest-path.ts';
import { writeFileAtomically } from '../../host/atomic-file.ts';
import type { Holdings } from '../driver.ts';
import type { QemuFiles } from './arguments.ts';

/** What is written down of a guest before its QEMU is started. */
export interface RunNote {
  readonly path: GuestPath;
  readonly ends: EndPolicy;
  readonly kind: GuestConfig['kind'];
  readonly holdings: Holdings;
  readonly hasConsole: boolean;
  /** Names of the tap interfaces that were made for it, by the addresses of the cards. */
  readonly taps: Readonly<Record<string, string>>;
  /** Whether it got or lost devices since its start: what it is made of is then no longer what its plan says. */
  readonly isAltered?: boolean | undefined;
  /** How its system ended, where it was kept. */
  readonly endedBy?: QuietEnd | undefined;
}

/** Of each guest that many are shown. */
const MESSAGES_BYTES = 16 * 1024;

/**
 * The directory of one running guest below the agent's runtime directory. Its note is written before QEMU starts and
 * removed after QEMU has ended, so that every guest is found again whatever happened to the agent in between.
 */
export class RunDirectory {
  readonly directory: string;
  readonly files: QemuFiles;
  /** What QEMU itself writes to its outputs. */
  readonly logFile: string;
  /** Name of the guest's scope or control group. */
  readonly unitName: string;
  readonly #noteFile: string;

  constructor(parent: string, id: string) {
    this.directory = join(parent, id);
    this.files = {
      monitor: join(this.directory, 'qmp'),
      serial: join(this.directory, 'serial'),
      agent: join(this.directory, 'agent'),
      processId: join(this.directory, 'pid'),
      interfacePrefix: `vm${id.slice(0, 6)}`,
    };
    this.unitName = `ovs-guest-${id}`;
    this.logFile = join(this.directory, 'qemu.log');
    this.#noteFile = join(this.directory, 'guest.json');
  }

  static of(parent: string, path: GuestPath): RunDirectory {
    // Paths are longer than the 107 bytes that a socket's name may have; a digest of the path is not.
    return new RunDirectory(parent, createHash('sha256').update(path).digest('hex').slice(0, 16));
  }

  /** All directories that hold a note, with what it says. */
  static all(parent: string): { readonly place: RunDirectory; readonly note: RunNote }[] {
    if (!existsSync(parent)) return [];
    return readdirSync(parent).flatMap(id => {
      const place = new RunDirectory(parent, id);
      const note = place.#readNote();
      return note ? [{ place, note }] : [];
    });
  }

  /** What QEMU wrote of its own accord, for each guest that runs or was the last to run there. */
  static messages(parent: string): string {
    if (!existsSync(parent)) return '';
    return readdirSync(parent)
      .sort()
      .map(id => {
        const place = new RunDirectory(parent, id);
        const words = place.#lastWords(MESSAGES_BYTES).trim();
        const title = place.#readNote()?.path ?? `a guest that has ended (${id})`;
        return words === '' ? '' : `${title}:\n${words.replace(/^/gm, '  ')}\n`;
      })
      .join('');
  }

  /** Makes the directory, clears what an earlier run left, and writes the note. */
  prepare(note: RunNote): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.#removeAllBut([]);
    writeFileSync(this.#noteFile, JSON.stringify(note), { mode: 0o600 });
  }

  /** Writes the note anew, when the guest got or lost something. */
  write(note: RunNote): void {
    writeFileAtomically(this.#noteFile, JSON.stringify(note), 0o600);
  }

  /** To be called once QEMU has ended. Its log stays until the next start. */
  clear(): void {
    this.#removeAllBut([basename(this.logFile)]);
  }

  /** Process id that QEMU wrote, where it has. */
  findProcessId(): number | undefined {
    try {
      const id = Number.parseInt(readFileSync(this.files.processId, 'utf8'), 10);
      return id > 0 ? id : undefined;
    } catch {
      return undefined;
    }
  }

  /** The last lines that QEMU wrote to its outputs. */
  logTail(): string {
    return this.#lastWords(MESSAGES_BYTES).trim().split('\n').slice(-3).join(' ').slice(-600);
  }

  #lastWords(bytes: number): string {
    try {
      return readFileSync(this.logFile, 'utf8').slice(-bytes);
    } catch {
      return '';
    }
  }

  #removeAllBut(kept: readonly string[]): void {
    for (const name of readdirSync(this.directory)) {
      if (!kept.includes(name)) rmSync(join(this.directory, name), { force: true });
    }
  }

  #readNote(): RunNote | undefined {
    try {
      const { path: text, ...written } = JSON.parse(readFileSync(this.#noteFile, 'utf8')) as Partial<RunNote> &
        Pick<RunNote, 'ends' | 'path'>;
      const path = parseGuestPath(text);
      // Release 0.1 wrote down less.
      return {
        kind: 'para',
        hasConsole: true,
        holdings: { path, uuid: '', macs: [], disks: [] },
        taps: {},
        ...written,
        path,
      };
    } catch {
      return undefined;
    }
  }
}
