import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateDirectory } from '../host/atomic-file.ts';
import { RotatingFile } from '../host/rotating-file.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';

/** What a guest printed on its console, the last of it, in files that survive the guest and the agent. */
export class ConsoleHistory {
  readonly #directory: string;
  readonly #file: string;
  readonly #limitBytes: number;
  #open: RotatingFile | undefined;

  /** @param limitBytes most bytes that are kept */
  constructor(directory: string, path: GuestPath, limitBytes: number) {
    const digest = createHash('sha256').update(path).digest('hex').slice(0, 8);
    this.#directory = directory;
    this.#file = join(directory, `${guestNameOf(path)}-${digest}.log`);
    this.#limitBytes = limitBytes;
  }

  add(bytes: Uint8Array): void {
    if (!this.#open) {
      makePrivateDirectory(this.#directory);
      // Two files of half the size: the older half goes as a whole.
      this.#open = new RotatingFile(this.#file, Math.ceil(this.#limitBytes / 2), 1);
    }
    this.#open.write(bytes);
  }

  /** The last bytes, or all there are. */
  tail(bytes: number): Buffer {
    const newest = readTail(this.#file, bytes);
    return newest.length < bytes ? Buffer.concat([readTail(`${this.#file}.1`, bytes - newest.length), newest]) : newest;
  }

  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }

  remove(): void {
    this.close();
    for (const file of [this.#file, `${this.#file}.1`]) rmSync(file, { force: true });
  }
}

function readTail(file: string, bytes: number): Buffer {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const length = Math.min(size, bytes);
  if (length <= 0) return Buffer.alloc(0);
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, size - length));
  } finally {
    closeSync(descriptor);
  }
}
