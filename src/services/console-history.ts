import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { makePrivateDirectory } from '../host/atomic-file.ts';
import { RotatingFile } from '../host/rotating-file.ts';

/** The older of the two files (see RotatingFile). */
const OLDER = '.1';

/**
 * The last bytes that a guest printed, on the disk: a newer file that grows and an older one that is full, each of at
 * most half the limit. A byte is there as soon as it was appended, whatever happens to the agent.
 */
export class ConsoleHistory {
  readonly #path: string;
  readonly #halfBytes: number;
  #file: RotatingFile | undefined;

  /** @param limitBytes most that both files hold together */
  constructor(path: string, limitBytes: number) {
    this.#path = path;
    this.#halfBytes = Math.max(1, Math.floor(limitBytes / 2));
  }

  /** @throws the system's error, such as ENOSPC */
  append(data: Uint8Array): void {
    this.#file ??= this.#open();
    for (let offset = 0; offset < data.length; offset += this.#halfBytes) {
      this.#file.write(data.subarray(offset, offset + this.#halfBytes));
    }
  }

  /**
   * The last bytes, at most as many as asked for.
   * @throws the system's error, such as EIO
   */
  tail(bytes: number): Buffer {
    const newer = endOf(this.#path, bytes);
    if (newer.length === bytes) return newer;
    return Buffer.concat([endOf(this.#path + OLDER, bytes - newer.length), newer]);
  }

  /** Lets go of the file; a later append opens it again. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  remove(): void {
    this.close();
    for (const path of [this.#path, this.#path + OLDER]) rmSync(path, { force: true });
  }

  #open(): RotatingFile {
    makePrivateDirectory(dirname(this.#path));
    return new RotatingFile(this.#path, this.#halfBytes, 1);
  }
}

function endOf(path: string, bytes: number): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const { size } = fstatSync(descriptor);
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, size - length));
  } finally {
    closeSync(descriptor);
  }
}
