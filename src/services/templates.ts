import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { packDirectory } from '../archives/pack.ts';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { type GuestPath, quote } from '../model/guest-path.ts';
import { requireStatus, statusFrom } from '../model/guest-state.ts';
import {
  isArchive,
  parseTemplatePath,
  repositoryOf,
  templateNameOf,
  type TemplatePath,
} from '../model/template-path.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Driver } from '../drivers/driver.ts';
import type { Caller } from './caller.ts';
import { writeNewFile } from './disk-room.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';
import type { ImportSources } from './import-sources.ts';
import type { PoolRemoval } from './pool-removal.ts';
import { TemplateImports } from './template-imports.ts';

export interface TemplatesParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly lanes: { run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T> };
  readonly operations: Operations;
  readonly sources: ImportSources;
  readonly removal: PoolRemoval;
  readonly clock: Clock;
}

/** A template as people and managers see it. */
export interface TemplateFacts {
  readonly name: string;
  readonly path: TemplatePath;
  readonly form: 'directory' | 'archive';
  /** Of an archive; the files of a directory are not counted. */
  readonly sizeBytes: number | undefined;
}

interface Packing {
  readonly path: GuestPath;
  readonly archive: TemplatePath;
  readonly unfinished: string;
}

const LONGEST_MS = 24 * 3_600_000;

/** The templates of all repositories (guide, 4.4): they are imported, made of guests, listed and deleted. */
export class Templates {
  readonly #parts: TemplatesParts;
  readonly #imports: TemplateImports;
  readonly #packing: Operation<Packing>;

  constructor(parts: TemplatesParts) {
    this.#parts = parts;
    this.#imports = new TemplateImports(parts);
    this.#packing = parts.operations.define<Packing>(this.#packingSteps());
  }

  /** Those of repositories that answer. */
  async list(): Promise<readonly TemplateFacts[]> {
    const { repositoryFiles } = this.#parts;
    const found = await Promise.all(
      repositoryFiles.repositories().map(async repository => {
        const entries = await repositoryFiles.list(`${repository}/seed_pool`).catch(() => []);
        const visible = entries.filter(({ name }) => !name.startsWith('.'));
        return Promise.all(visible.map(({ name }) => this.#factsOf(`${repository}/seed_pool/${name}`)));
      }),
    );
    return found.flat().filter(facts => facts !== undefined);
  }

  /**
   * Where the files of a template are: its directory, or its archive.
   * @throws AgentError NO_SUCH_FILE
   */
  async find(path: TemplatePath): Promise<TemplateFacts & { readonly place: string }> {
    const { repositoryFiles } = this.#parts;
    for (const candidate of [path, `${path}.tgz`, `${path}.tar.gz`, `${path}.tar.zst`, `${path}.tar`]) {
      const facts = await this.#factsOf(candidate);
      const found = facts && (await repositoryFiles.find(candidate));
      if (found?.outcome === 'there') return { ...facts!, place: found.place };
    }
    throw new AgentError('NO_SUCH_FILE', `template ${path}: it is not there; list_templates shows those there are`);
  }

  /**
   * Brings a template from elsewhere into the seed_pool of a repository, unpacked.
   * @param url http, https or ftp, or a file in a repository
   * @param name of the template, or its path
   * @param sum SHA-256 that the archive must have; when left out, that of a file beside it with `.sha256`, where there is one
   * @throws AgentError BAD_VALUE, EXISTS, NO_SUCH_FILE, NO_RESOURCES, STALE, CANCELLED, TIMEOUT, HOST
   */
  async import(caller: Caller, url: string, name: string, sum: string | undefined): Promise<TemplatePath> {
    const path = parseTemplatePath(name);
    const plan = await this.#imports.plan(url, path, sum);
    await this.#parts.lanes.run(path, 'import template', async () => {
      await this.#parts.operations.settle(path);
      await this.#requireAbsent('import', path);
      await this.#imports.run(caller, plan);
    });
    caller.log.info({ template: path }, 'template imported');
    return path;
  }

  /** Makes a template, an archive, of a guest that is DOWN. @throws AgentError EXISTS, WRONG_STATE, NO_RESOURCES, CANCELLED, HOST */
  async pack(caller: Caller, path: GuestPath, name: string): Promise<TemplatePath> {
    const { files, lanes, operations } = this.#parts;
    const wanted = name.includes('/') ? name : `${repositoryOf(path)}/seed_pool/${name}`;
    const template = parseTemplatePath(wanted);
    const archive = (isArchive(template) ? template : `${template}.tgz`) as TemplatePath;
    if (!/\.(?:tgz|tar\.gz)$/.test(archive)) {
      throw new AgentError(
        'BAD_VALUE',
        `pack ${path}: ${quote(name)}: templates are packed as .tgz; leave the ending out`,
      );
    }
    await lanes.run(path, 'pack', () =>
      lanes.run(archive, 'pack template', async () => {
        await operations.settle(path);
        await this.#requireDown('pack', path);
        await files.readConfig(path);
        await this.#requireAbsent(
          'pack',
          parseTemplatePath(posix.join(posix.dirname(archive), templateNameOf(posix.basename(archive)))),
        );
        const unfinished = `${posix.dirname(archive)}/.packing-${randomUUID()}`;
        await operations.run(this.#packing, path, { path, archive, unfinished }, caller);
      }),
    );
    caller.log.info({ guest: path, template: archive }, 'guest packed');
    return archive;
  }

  /** @throws AgentError NO_SUCH_FILE, HOST */
  async delete(caller: Caller, name: string): Promise<void> {
    const { lanes, operations, removal } = this.#parts;
    const { path } = await this.find(parseTemplatePath(name));
    await lanes.run(path, 'delete template', async () => {
      await operations.settle(path);
      await removal.run(caller, path);
    });
    caller.log.info({ template: path }, 'template deleted');
  }

  async #requireDown(act: 'pack', path: GuestPath): Promise<void> {
    const { driver, records } = this.#parts;
    const record = records.get(path);
    const { state } = await driver.inspect(path);
    requireStatus(act, path, statusFrom(record.status, state), record.reason);
  }

  async #factsOf(candidate: string): Promise<TemplateFacts | undefined> {
    const { repositoryFiles } = this.#parts;
    const name = posix.basename(candidate);
    const found = await repositoryFiles.find(candidate);
    if (found.outcome !== 'there') return undefined;
    const path = candidate as TemplatePath;
    const { kind, sizeBytes } = found.facts;
    if (kind === 'file' && isArchive(name)) return { name: templateNameOf(name), path, form: 'archive', sizeBytes };
    if (kind !== 'directory' || (await repositoryFiles.find(`${candidate}/vm.cfg`)).outcome !== 'there')
      return undefined;
    return { name, path, form: 'directory', sizeBytes: undefined };
  }

  async #requireAbsent(act: string, path: TemplatePath): Promise<void> {
    const found = await this.find(path).catch(() => undefined);
    if (!found && (await this.#parts.repositoryFiles.find(path)).outcome === 'absent') return;
    throw new AgentError(
      'EXISTS',
      `${act} ${path}: there is a template of that name; delete_template removes it, or name another`,
    );
  }

  #packingSteps(): Operation<Packing> {
    const { repositoryFiles } = this.#parts;
    return {
      name: 'pack a guest',
      finishFrom: 'place',
      steps: [
        {
          name: 'write',
          title: 'packs its files',
          weight: 98,
          run: (state, context) => this.#write(state, context),
          undo: ({ unfinished }) => repositoryFiles.remove(unfinished),
        },
        {
          name: 'place',
          title: 'gives it its name',
          weight: 2,
          run: async ({ archive, unfinished }) => {
            if ((await repositoryFiles.find(unfinished)).outcome === 'there')
              await repositoryFiles.rename(unfinished, archive);
          },
        },
      ],
    };
  }

  async #write({ path, unfinished }: Packing, { report, signal }: StepContext): Promise<void> {
    const { clock, files } = this.#parts;
    const directory = await files.requireDirectory(path);
    const place = await files.findPlace('pack', path, 'template', unfinished);
    await writeNewFile(`pack ${path}`, place, output =>
      packDirectory(directory, {
        output,
        compression: 'gzip',
        clock,
        signal,
        timeoutMs: LONGEST_MS,
        onProgress: (done, total) => report(done / Math.max(1, total), done),
      }),
    );
  }
}
