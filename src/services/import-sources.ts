import { pipeline, type Readable } from 'node:stream';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { quote } from '../model/guest-path.ts';
import { ChecksumStream, fetchChecksum, parseSha256, type Sha256 } from '../transfers/checksums.ts';
import { parseSource, type TransferSource } from '../transfers/source.ts';
import { openTransfer } from '../transfers/transfer.ts';

export interface ImportSourcesParts {
  readonly repositoryFiles: RepositoryFiles;
  readonly clock: Clock;
}

/** A file that is to be brought into a repository, and what is known of it. */
export interface ImportSource {
  /** http, https or ftp, or a file in a repository. */
  readonly url: string;
  readonly sum: Sha256 | undefined;
}

/** A server may say nothing for so long. */
const IDLE_MS = 60_000;
const LARGEST_BYTES = 16 * 2 ** 40;

/** Files that are brought into repositories from elsewhere, checked by their sum while they come. */
export class ImportSources {
  readonly #parts: ImportSourcesParts;

  constructor(parts: ImportSourcesParts) {
    this.#parts = parts;
  }

  /**
   * Checks what can be checked before anything is fetched but the file of its checksum.
   * @param sum SHA-256 that it must have; when left out, that of a file beside it with `.sha256`, where there is one
   * @throws AgentError BAD_VALUE, NO_SUCH_FILE, and what the server answers
   */
  async plan(url: string, sum: string | undefined): Promise<ImportSource> {
    const source = parseSource(url);
    if (source.kind === 'file') await this.#ownFile(source.path);
    return { url, sum: sum === undefined ? await this.#sumBeside(source) : parseSha256(sum) };
  }

  /**
   * The bytes of the source; the stream fails at its end when they do not have the sum.
   * @throws AgentError BAD_VALUE, NO_SUCH_FILE, STALE, CANCELLED, TIMEOUT, HOST
   */
  async open(
    { sum, url }: ImportSource,
    signal: AbortSignal,
  ): Promise<{ readonly stream: Readable; readonly totalBytes: number | undefined }> {
    const given = parseSource(url);
    const source = given.kind === 'file' ? { ...given, path: await this.#ownFile(given.path) } : given;
    const limits = { limitBytes: LARGEST_BYTES, idleTimeoutMs: IDLE_MS };
    const { stream, totalBytes } = await openTransfer(source, { ...limits, clock: this.#parts.clock, signal });
    const checked = new ChecksumStream(source, sum);
    // Its failure is told by the stream that is read.
    pipeline(stream, checked, () => undefined);
    return { stream: checked, totalBytes };
  }

  /** @throws AgentError BAD_VALUE when it lies outside the repositories: nobody is to read files of this server in that way */
  async #ownFile(given: string): Promise<string> {
    const found = await this.#parts.repositoryFiles.find(given);
    if (found.outcome === 'there' && found.facts.kind === 'file') return found.place;
    throw new AgentError(
      found.outcome === 'outside' ? 'BAD_VALUE' : 'NO_SUCH_FILE',
      `import ${quote(given)}: ${found.outcome === 'outside' ? 'it lies outside the repositories' : 'it is not there'}; name a file in a repository`,
    );
  }

  async #sumBeside(source: TransferSource): Promise<Sha256 | undefined> {
    const { clock, repositoryFiles } = this.#parts;
    const options = { clock, idleTimeoutMs: IDLE_MS };
    try {
      if (source.kind !== 'file') return await fetchChecksum(source, options);
      const found = await repositoryFiles.find(`${source.path}.sha256`);
      if (found.outcome !== 'there') return undefined;
      return await fetchChecksum({ ...source, path: found.place.replace(/\.sha256$/, '') }, options);
    } catch (error) {
      if (error instanceof AgentError && (error.code === 'NO_SUCH_FILE' || error.code === 'DENIED')) return undefined;
      throw error;
    }
  }
}
