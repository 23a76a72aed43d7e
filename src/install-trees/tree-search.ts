import { AgentError } from '../errors.ts';
import type { ReachOptions } from '../transfers/origin.ts';
import { describeSource, sourceInside, type TransferSource } from '../transfers/source.ts';
import { fetchText, openTransfer } from '../transfers/transfer.ts';
import type { TreeFile } from './install-tree.ts';
import type { KnownPlace } from './known-places.ts';

/** Kernel and ramdisk that are there. */
export interface FoundPlace {
  readonly place: KnownPlace;
  readonly kernel: TreeFile;
  readonly ramdisk: TreeFile;
}

const TEXT_LIMIT_BYTES = 1024 * 1024;

/** Looks into one tree, and remembers what was not there. */
export class TreeSearch {
  readonly #location: TransferSource;
  readonly #options: ReachOptions;
  readonly #missed: string[] = [];
  #isDenied = false;

  constructor(location: TransferSource, options: ReachOptions) {
    this.#location = location;
    this.#options = options;
  }

  /** The first place that has both files. @throws AgentError as `openTransfer` */
  async firstOf(places: readonly KnownPlace[]): Promise<FoundPlace | undefined> {
    for (const place of places) {
      const kernel = await this.#lookAt(place.kernel);
      const ramdisk = kernel && (await this.#lookAt(place.ramdisk));
      if (ramdisk) return { place, kernel, ramdisk };
    }
    return undefined;
  }

  /** The first of these small texts that is there. @throws AgentError as `openTransfer` */
  async readFirst(paths: readonly string[]): Promise<string | undefined> {
    for (const path of paths) {
      const text = await this.#unlessMissed(
        path,
        fetchText(sourceInside(this.#location, path), TEXT_LIMIT_BYTES, this.#options),
      );
      if (text !== undefined) return text;
    }
    return undefined;
  }

  nothingFound(): AgentError {
    const where = describeSource(this.#location);
    return new AgentError(
      this.#isDenied ? 'DENIED' : 'NO_SUCH_FILE',
      `find the kernel of the installation tree ${where}: there is none of ${this.#missed.join(', ')}${this.#isDenied ? ', or they may not be read' : ''}; the directory of a tree that has one is needed`,
    );
  }

  #lookAt(path: string): Promise<TreeFile | undefined> {
    const source = sourceInside(this.#location, path);
    const opened = openTransfer(source, { ...this.#options, limitBytes: Number.MAX_SAFE_INTEGER });
    return this.#unlessMissed(
      path,
      opened.then(({ stream, totalBytes }) => {
        stream.destroy();
        return { path, source, totalBytes };
      }),
    );
  }

  /** Servers often refuse files whose names begin with a dot, whether they are there or not. */
  async #unlessMissed<T>(path: string, result: Promise<T>): Promise<T | undefined> {
    try {
      return await result;
    } catch (error) {
      if (!(error instanceof AgentError) || !['DENIED', 'NO_SUCH_FILE'].includes(error.code)) throw error;
      this.#isDenied ||= error.code === 'DENIED';
      this.#missed.push(path);
      return undefined;
    }
  }
}
