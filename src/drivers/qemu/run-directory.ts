import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { EndPolicy, GuestConfig, QuietEnd } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { Holdings } from '../driver.ts';
import { GuestDirectory } from '../guest-directory.ts';
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

/** Files of a guest that runs as a QEMU. */
export class RunDirectory {
  readonly files: QemuFiles;
  /** What QEMU itself writes to its outputs. */
  readonly logFile: string;
  /** Name of the guest's scope or control group. */
  readonly unitName: string;
  readonly #place: GuestDirectory<RunNote>;

  constructor(parent: string, id: string) {
    this.#place = new GuestDirectory(parent, id);
    this.files = {
      monitor: join(this.directory, 'qmp'),
      serial: join(this.directory, 'serial'),
      agent: join(this.directory, 'agent'),
      processId: join(this.directory, 'pid'),
      interfacePrefix: `vm${id.slice(0, 6)}`,
    };
    this.unitName = `ovs-guest-${id}`;
    this.logFile = join(this.directory, 'qemu.log');
  }

  static of(parent: string, path: GuestPath): RunDirectory {
    return new RunDirectory(parent, GuestDirectory.idOf(path));
  }

  /** All directories that hold a note, with what it says. */
  static all(parent: string): { readonly place: RunDirectory; readonly note: RunNote }[] {
    return GuestDirectory.ids(parent).flatMap(id => {
      const place = new RunDirectory(parent, id);
      const note = place.#readNote();
      return note ? [{ place, note }] : [];
    });
  }

  /** What QEMU wrote of its own accord, for each guest that runs or was the last to run there. */
  static messages(parent: string): string {
    return GuestDirectory.ids(parent)
      .map(id => {
        const place = new RunDirectory(parent, id);
        const words = place.#lastWords(MESSAGES_BYTES).trim();
        const title = place.#readNote()?.path ?? `a guest that has ended (${id})`;
        return words === '' ? '' : `${title}:\n${words.replace(/^/gm, '  ')}\n`;
      })
      .join('');
  }

  get directory(): string {
    return this.#place.directory;
  }

  /** Makes the directory, clears what an earlier run left, and writes the note. */
  prepare(note: RunNote): void {
    this.#place.prepare(note);
  }

  /** Writes the note anew, when the guest got or lost something. */
  write(note: RunNote): void {
    this.#place.write(note);
  }

  /** To be called once QEMU has ended. Its log stays until the next start. */
  clear(): void {
    this.#place.clear([basename(this.logFile)]);
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

  #readNote(): RunNote | undefined {
    // Release 0.1 wrote down less.
    return this.#place.readNote(path => ({
      path,
      ends: { poweroff: 'destroy', reboot: 'restart', crash: 'restart', dumpsCore: false },
      kind: 'para',
      hasConsole: true,
      holdings: { path, uuid: '', macs: [], disks: [] },
      taps: {},
    }));
  }
}
