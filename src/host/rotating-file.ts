import { closeSync, fstatSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

/**
 * A log file that starts anew when it is full: `name` is the newest, then `name.1`, `name.2` and so on. Lines are handed
 * to the kernel one by one, so none is lost when the process is killed, and none is split between two files.
 * A file that another program moved away (logrotate) is opened anew by `reopen`.
 */
export class RotatingFile {
  readonly path: string;
  readonly #maximumBytes: number;
  readonly #kept: number;
  #descriptor: number;
  #size: number;
  #isClosed = false;

  /**
   * @param maximumBytes size at which a new file is begun
   * @param kept how many full files are kept beside the newest
   */
  constructor(path: string, maximumBytes: number, kept: number) {
    this.path = path;
    this.#maximumBytes = maximumBytes;
    this.#kept = kept;
    this.#descriptor = openForAppending(path);
    this.#size = fstatSync(this.#descriptor).size;
  }

  /** @param line what is not split between two files */
  write(line: string | Uint8Array): void {
    if (this.#isClosed) return;
    const bytes = typeof line === 'string' ? Buffer.from(line) : line;
    if (this.#size > 0 && this.#size + bytes.length > this.#maximumBytes) this.#rotate();
    for (let offset = 0; offset < bytes.length; ) {
      offset += writeSync(this.#descriptor, bytes, offset);
    }
    this.#size += bytes.length;
  }

  reopen(): void {
    const previous = this.#descriptor;
    this.#descriptor = openForAppending(this.path);
    this.#size = fstatSync(this.#descriptor).size;
    closeSync(previous);
  }

  /** What is written later is dropped: a call may still come while everything ends. */
  close(): void {
    this.#isClosed = true;
    closeSync(this.#descriptor);
  }

  #rotate(): void {
    rmSync(`${this.path}.${this.#kept}`, { force: true });
    for (let age = this.#kept - 1; age >= 0; age--) {
      const from = age === 0 ? this.path : `${this.path}.${age}`;
      if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${this.path}.${age + 1}`);
    }
    if (this.#kept === 0) rmSync(this.path, { force: true });
    this.reopen();
  }
}

function openForAppending(path: string): number {
  return openSync(path, 'a', 0o600);
}
