import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { convertImage } from '../images/convert-image.ts';
import { inspectForeignImage } from '../images/foreign-image.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import { RESERVE_BYTES, watchedCopy, writeNewFile } from './disk-room.ts';
import type { GuestFiles } from './guest-files.ts';
import type { ImportSource, ImportSources } from './import-sources.ts';
import { requireImageRoom } from './new-image.ts';

export interface ImageImportsParts {
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly sources: ImportSources;
  readonly lanes: { run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T> };
  readonly operations: Operations;
  readonly clock: Clock;
}

interface Importing extends ImportSource {
  /** Where the disk is to be, as given. */
  readonly file: string;
  /** The image as it came. */
  readonly fetched: string;
  readonly unfinished: string;
}

const LONGEST_MS = 24 * 3_600_000;
const MIB = 2 ** 20;

/** Brings disks of other hypervisors into repositories, as raw images. */
export class ImageImports {
  readonly #parts: ImageImportsParts;
  readonly #importing: Operation<Importing>;

  constructor(parts: ImageImportsParts) {
    this.#parts = parts;
    this.#importing = parts.operations.define<Importing>(this.#steps());
  }

  /**
   * @param url of a raw, qcow2, vmdk, vdi, vhdx or vhd image: http, https or ftp, or a file in a repository
   * @param file where nothing is yet, in a directory of a repository
   * @param sum SHA-256 that the image must have; when left out, that of a file beside it with `.sha256`, where there is one
   * @throws AgentError BAD_VALUE, BAD_CONFIG, EXISTS, NO_SUCH_FILE, NOT_SUPPORTED, NO_RESOURCES, STALE, CANCELLED, TIMEOUT, HOST
   */
  async import(caller: Caller, url: string, file: string, sum: string | undefined): Promise<void> {
    const { files, lanes, operations, repositoryFiles, sources } = this.#parts;
    const source = await sources.plan(url, sum);
    await lanes.run(file, 'import image', async () => {
      await operations.settle(file);
      await files.findPlace('import', file, 'disk', file);
      if ((await repositoryFiles.find(file)).outcome !== 'absent')
        throw new AgentError('EXISTS', `import ${file}: it is there already; choose another name, or delete it first`);
      const beside = (kind: string): string => `${posix.dirname(file)}/.${kind}-${randomUUID()}`;
      const importing = { ...source, file, fetched: beside('fetching'), unfinished: beside('importing') };
      await operations.run(this.#importing, file, importing, caller);
    });
    caller.log.info({ disk: file }, 'image imported');
  }

  #steps(): Operation<Importing> {
    const { repositoryFiles } = this.#parts;
    return {
      name: 'import an image',
      finishFrom: 'place',
      steps: [
        {
          name: 'fetch',
          title: 'fetches it',
          weight: 49,
          run: (state, context) => this.#fetch(state, context),
          undo: ({ fetched }) => repositoryFiles.remove(fetched),
        },
        {
          name: 'convert',
          title: 'makes a raw image of it',
          weight: 49,
          run: (state, context) => this.#convert(state, context),
          undo: ({ unfinished }) => repositoryFiles.remove(unfinished),
        },
        {
          name: 'place',
          title: 'puts it in its place',
          weight: 2,
          run: async ({ fetched, file, unfinished }) => {
            if ((await repositoryFiles.find(unfinished)).outcome === 'there') {
              await repositoryFiles.rename(unfinished, file);
            }
            await repositoryFiles.remove(fetched);
          },
        },
      ],
    };
  }

  async #fetch({ fetched, file, sum, url }: Importing, { report, signal }: StepContext): Promise<void> {
    const { files, sources } = this.#parts;
    const place = await files.findPlace('import', file, 'disk', fetched);
    const { stream, totalBytes } = await sources.open({ url, sum }, signal);
    try {
      await writeNewFile(`import ${file}`, place, output =>
        pipeline(stream, watchedCopy(posix.dirname(place), totalBytes, report), output, { signal }),
      );
    } finally {
      stream.destroy();
    }
  }

  async #convert({ fetched, file, unfinished }: Importing, { report, signal }: StepContext): Promise<void> {
    const { clock, files, repositoryFiles } = this.#parts;
    const source = await files.findFile('import', file, 'image', fetched);
    const image = await inspectForeignImage(source);
    const sizeMib = Math.ceil(image.virtualBytes / MIB);
    await requireImageRoom(`import ${file}`, [{ file: unfinished, sizeMib, preallocate: false }], { repositoryFiles });
    await repositoryFiles.makeImage(unfinished, image.virtualBytes);
    const target = await files.findFile('import', file, 'disk', unfinished);
    await convertImage(source, image, target, {
      clock,
      signal,
      timeoutMs: LONGEST_MS,
      reserveBytes: RESERVE_BYTES,
      onProgress: share => report(share, share * image.virtualBytes),
    });
  }
}
