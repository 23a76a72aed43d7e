import { randomUUID } from 'node:crypto';
import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { type GuestPath, isGuestName, parseGuestPath, quote } from '../model/guest-path.ts';
import { requireStatus, statusFrom } from '../model/guest-state.ts';
import { parseTemplatePath, repositoryOf } from '../model/template-path.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { ConfigChanges } from '../vmcfg/changes.ts';
import { becomeCopy } from '../vmcfg/copied-guest.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';
import type { Caller } from './caller.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';
import { nameUnfinished, type Placing, placingSteps, requireNoGuest } from './guest-placing.ts';
import { newMac } from './new-mac.ts';
import { copyInto, openArchive, unpackInto } from './template-content.ts';
import type { Templates } from './templates.ts';

export interface GuestCopiesParts {
  readonly driver: Driver;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly templates: Templates;
  readonly reader: GuestReader;
  readonly lanes: { run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T> };
  readonly operations: Operations;
  readonly clock: Clock;
}

interface Copying extends Placing {
  /** Directory or archive whose files are copied, as given. */
  readonly from: string;
  readonly isArchive: boolean;
  readonly uuid: string;
  readonly values: ConfigChanges;
}

/** A guest file that is larger is none. */
const GUEST_FILE_LIMIT_BYTES = 256 * 1024;

/** Guests that are made from templates, or from other guests (guide, 4.4). */
export class GuestCopies {
  readonly #parts: GuestCopiesParts;
  readonly #copying: Operation<Copying>;

  constructor(parts: GuestCopiesParts) {
    this.#parts = parts;
    this.#copying = parts.operations.define<Copying>(this.#steps());
  }

  /**
   * Makes a guest from a template.
   * @param name of the guest, beside the template's repository, or its path
   * @param values of vm.cfg that are to be different, such as memory and vcpus
   * @throws AgentError NO_SUCH_FILE, EXISTS, BAD_VALUE, BAD_CONFIG, NO_RESOURCES, CANCELLED, HOST
   */
  async fromTemplate(caller: Caller, template: string, name: string, values: ConfigChanges): Promise<GuestPath> {
    const { templates } = this.#parts;
    const { form, path: from } = await templates.find(parseTemplatePath(template));
    const path = guestPathFrom(repositoryOf(from), name);
    await this.#parts.lanes.run(from, 'create from template', () =>
      this.#parts.lanes.run(path, 'create', () =>
        this.#copy(caller, { from, isArchive: form === 'archive', path, values }),
      ),
    );
    return path;
  }

  /** Makes a guest like one that is DOWN. @throws AgentError NO_SUCH_GUEST, WRONG_STATE, and as `fromTemplate` */
  async clone(caller: Caller, from: GuestPath, path: GuestPath): Promise<void> {
    const { driver, files, lanes, operations, records } = this.#parts;
    if (from === path)
      throw new AgentError('EXISTS', `clone ${from}: a guest cannot be cloned to itself; name another path`);
    const work = async (): Promise<void> => {
      await operations.settle(from);
      const record = records.get(from);
      const { state } = await driver.inspect(from);
      requireStatus('clone', from, statusFrom(record.status, state), record.reason);
      await files.requireDirectory(from);
      await this.#copy(caller, { from, isArchive: false, path, values: {} });
    };
    // Two that are cloned to each other's names must not wait for each other.
    const [first, second] = from < path ? [from, path] : [path, from];
    await lanes.run(first, 'clone', () => lanes.run(second, 'clone', work));
  }

  async #copy(
    caller: Caller,
    { from, isArchive, path, values }: Pick<Copying, 'from' | 'isArchive' | 'path' | 'values'>,
  ): Promise<void> {
    const { operations } = this.#parts;
    await operations.settle(path);
    await requireNoGuest('create', path, this.#parts);
    const aside = nameUnfinished(path);
    const copying: Copying = { from, isArchive, path, aside, uuid: randomUUID(), values, user: caller.user };
    await operations.run(this.#copying, path, copying, caller);
    caller.log.info({ guest: path, from }, 'guest created');
  }

  #steps(): Operation<Copying> {
    const { reader, repositoryFiles } = this.#parts;
    return {
      name: 'copy a guest',
      finishFrom: 'place',
      steps: [
        {
          name: 'copy',
          title: 'copies its files',
          weight: 96,
          run: (state, context) => this.#fill(state, context),
          undo: ({ aside }) => repositoryFiles.remove(aside),
        },
        {
          name: 'configure',
          title: 'writes its vm.cfg',
          weight: 2,
          run: async ({ aside, path, uuid, values }) => {
            const file = `${aside}/vm.cfg`;
            const files = (await repositoryFiles.list(aside)).map(({ name }) => name);
            if (!files.includes('vm.cfg')) {
              throw new AgentError(
                'BAD_CONFIG',
                `create ${path}: there is no vm.cfg in the template; it must hold one`,
              );
            }
            const bytes = await repositoryFiles.read(file, GUEST_FILE_LIMIT_BYTES);
            const copy = { path, uuid, files, newMac, values };
            await repositoryFiles.write(
              file,
              reader.edit(bytes, path, editor => becomeCopy(editor, copy)),
              { mode: 0o600 },
            );
          },
        },
        ...placingSteps(this.#parts),
      ],
    };
  }

  async #fill({ aside, from, isArchive, path }: Copying, { report, signal }: StepContext): Promise<void> {
    const { clock, repositoryFiles } = this.#parts;
    await repositoryFiles.makeDirectory(aside);
    const [source, target] = [await repositoryFiles.find(from), await repositoryFiles.find(aside)];
    if (source.outcome !== 'there' || target.outcome !== 'there') {
      throw new AgentError('NO_SUCH_FILE', `create ${path}: ${quote(from)} is gone; try again`);
    }
    const options = { clock, signal, report };
    if (!isArchive) {
      await copyInto(target.place, source.place, options);
      return;
    }
    const { stream, totalBytes } = await openArchive(source.place);
    await unpackInto(target.place, stream, totalBytes, options);
    await this.#flatten(aside);
  }

  /** Some archives hold the directory of a guest rather than its files. */
  async #flatten(aside: string): Promise<void> {
    const { repositoryFiles } = this.#parts;
    const [only, ...more] = await repositoryFiles.list(aside);
    if (only?.kind !== 'directory' || more.length > 0) return;
    for (const { name } of await repositoryFiles.list(`${aside}/${only.name}`)) {
      await repositoryFiles.rename(`${aside}/${only.name}/${name}`, `${aside}/${name}`);
    }
    await repositoryFiles.remove(`${aside}/${only.name}`);
  }
}

function guestPathFrom(repository: string, name: string): GuestPath {
  if (name.includes('/')) return parseGuestPath(name);
  if (isGuestName(name)) return parseGuestPath(`${repository}/running_pool/${name}`);
  throw new AgentError('BAD_VALUE', `guest ${quote(name)}: it is no name of a guest; letters, digits and _ . + - are`);
}
