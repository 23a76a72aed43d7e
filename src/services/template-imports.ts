import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { quote } from '../model/guest-path.ts';
import type { TemplatePath } from '../model/template-path.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import type { ImportSource, ImportSources } from './import-sources.ts';
import { unpackInto } from './template-content.ts';

export interface TemplateImportsParts {
  readonly repositoryFiles: RepositoryFiles;
  readonly sources: ImportSources;
  readonly operations: Operations;
  readonly clock: Clock;
}

/** An import of which everything is known that has to be. */
export interface Importing extends ImportSource {
  readonly path: TemplatePath;
  /** Directory in which it is unfinished. */
  readonly aside: string;
}

/** Brings templates from elsewhere, whole or not at all. */
export class TemplateImports {
  readonly #parts: TemplateImportsParts;
  readonly #importing: Operation<Importing>;

  constructor(parts: TemplateImportsParts) {
    this.#parts = parts;
    this.#importing = parts.operations.define<Importing>(this.#importingSteps());
  }

  /**
   * Checks what can be checked before anything is fetched but the file of its checksum.
   * @throws AgentError as `ImportSources.plan` does
   */
  async plan(url: string, path: TemplatePath, sum: string | undefined): Promise<Importing> {
    const { sources } = this.#parts;
    return { ...(await sources.plan(url, sum)), path, aside: `${posix.dirname(path)}/.importing-${randomUUID()}` };
  }

  /** @throws AgentError BAD_VALUE, NO_RESOURCES, STALE, CANCELLED, TIMEOUT, HOST */
  run(caller: Caller, plan: Importing): Promise<void> {
    return this.#parts.operations.run(this.#importing, plan.path, plan, caller);
  }

  #importingSteps(): Operation<Importing> {
    const { repositoryFiles } = this.#parts;
    return {
      name: 'import a template',
      finishFrom: 'place',
      steps: [
        {
          name: 'fetch',
          title: 'fetches and unpacks it',
          weight: 96,
          run: (state, context) => this.#fetch(state, context),
          undo: ({ aside }) => repositoryFiles.remove(aside),
        },
        {
          name: 'check',
          title: 'looks for a guest in it',
          weight: 2,
          run: async ({ aside, url }) => {
            await this.#requireGuest(await this.#rootOf(aside), url);
          },
        },
        {
          name: 'place',
          title: 'puts it in its place',
          weight: 2,
          run: async ({ aside, path }) => {
            if ((await repositoryFiles.find(path)).outcome !== 'there') {
              await repositoryFiles.rename(await this.#rootOf(aside), path);
            }
            await repositoryFiles.remove(aside);
          },
        },
      ],
    };
  }

  async #fetch({ aside, sum, url }: Importing, { report, signal }: StepContext): Promise<void> {
    const { clock, repositoryFiles, sources } = this.#parts;
    await repositoryFiles.makeDirectory(aside);
    const found = await repositoryFiles.find(aside);
    if (found.outcome !== 'there')
      throw new AgentError('HOST', `import ${quote(url)}: its directory is gone; try again`);
    const { stream, totalBytes } = await sources.open({ url, sum }, signal);
    await unpackInto(found.place, stream, totalBytes, { clock, signal, report });
  }

  /** Some archives hold the files of a guest, others its directory. */
  async #rootOf(aside: string): Promise<string> {
    const entries = await this.#parts.repositoryFiles.list(aside);
    const [only] = entries;
    return entries.length === 1 && only!.kind === 'directory' ? `${aside}/${only!.name}` : aside;
  }

  async #requireGuest(directory: string, source: string): Promise<void> {
    const { repositoryFiles } = this.#parts;
    const names = (await repositoryFiles.list(directory)).map(({ name }) => name);
    const missing = ['vm.cfg', 'System.img'].filter(
      wanted =>
        !names.some(name => name === wanted || (wanted !== 'vm.cfg' && name.toLowerCase() === wanted.toLowerCase())),
    );
    if (missing.length === 0) return;
    throw new AgentError(
      'BAD_VALUE',
      `import ${quote(source)}: there is no ${missing.join(' and no ')} in it; a template is the directory of a guest`,
    );
  }
}
