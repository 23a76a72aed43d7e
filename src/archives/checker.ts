import { Transform, type TransformCallback } from 'node:stream';
import { AgentError } from '../errors.ts';
import type { TarReader } from './tar-reader.ts';

interface CheckerOptions {
  readonly reader: TarReader;
  /** Bytes of data for which there is space. */
  readonly spaceBytes: number;
  /** Called with the bytes of the archive that were checked. */
  readonly onProgress: (checkedBytes: number) => void;
}

/** Takes an archive, and gives what of it was checked; it ends with the first fault, of which nothing gets through. */
export class Checker extends Transform {
  /** Why it has ended early. */
  failure: unknown;
  bytes = 0;
  readonly #options: CheckerOptions;

  constructor(options: CheckerOptions) {
    super();
    this.#options = options;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const { onProgress, reader } = this.#options;
    this.#attempt(callback, () => {
      const pieces = reader.push(chunk);
      this.#requireSpace(reader.storedBytes);
      this.bytes += chunk.length;
      onProgress(this.bytes);
      return pieces;
    });
  }

  override _flush(callback: TransformCallback): void {
    this.#attempt(callback, () => [this.#options.reader.end()]);
  }

  #attempt(callback: TransformCallback, work: () => readonly Buffer[]): void {
    try {
      for (const piece of work()) if (piece.length > 0) this.push(piece);
    } catch (error) {
      this.failure = error;
      callback(error as Error);
      return;
    }
    callback();
  }

  #requireSpace(neededBytes: number): void {
    const { spaceBytes } = this.#options;
    if (neededBytes <= spaceBytes) return;
    throw new AgentError(
      'NO_RESOURCES',
      `unpack the archive: its files take ${neededBytes} bytes or more, and there is space for ${Math.max(0, spaceBytes)}; make room in the repository`,
    );
  }
}
