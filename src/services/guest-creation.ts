import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { NewGuest } from '../model/new-guest.ts';
import type { Operation, StepContext } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';
import { newGuestFile, placeDisks } from '../vmcfg/new-guest-file.ts';
import type { Caller } from './caller.ts';
import type { GuestDisks } from './guest-disks.ts';
import type { GuestFiles } from './guest-files.ts';
import { nameUnfinished, type Placing, placingSteps, requireNoGuest } from './guest-placing.ts';
import type { GuestRecords } from './guest-records.ts';
import { makeNewImage, type NewImage, requireImageRoom } from './new-image.ts';
import { newMac } from './new-mac.ts';
import type { StartPlanner } from './start-planner.ts';

export interface GuestCreationParts {
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly disks: GuestDisks;
  readonly planner: Pick<StartPlanner, 'requireOwnIdentity'>;
  readonly repositoryFiles: RepositoryFiles;
  readonly reader: GuestReader;
  readonly lanes: { run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T> };
  readonly operations: Operations;
  readonly clock: Clock;
}

/** An image outside of the guest's directory: it has another name until the guest is whole. */
interface ImageElsewhere extends NewImage {
  readonly unfinished: string;
}

interface Creating extends Placing {
  /** Text of its vm.cfg. */
  readonly text: string;
  /** Images in its directory, by their names there. */
  readonly images: readonly NewImage[];
  readonly elsewhere: readonly ImageElsewhere[];
}

/** Guests that are made new, with empty disks (guide, 4.5). */
export class GuestCreation {
  readonly #parts: GuestCreationParts;
  readonly #creating: Operation<Creating>;

  constructor(parts: GuestCreationParts) {
    this.#parts = parts;
    this.#creating = parts.operations.define<Creating>(this.#steps());
  }

  /**
   * Makes a guest: its directory, its images and its vm.cfg. It is DOWN then.
   * @throws AgentError EXISTS, BAD_VALUE, BAD_CONFIG, NO_SUCH_FILE, NO_RESOURCES, IN_USE, CANCELLED, HOST; nothing is left then
   */
  async create(caller: Caller, path: GuestPath, guest: NewGuest): Promise<void> {
    const { lanes, operations } = this.#parts;
    await lanes.run(path, 'create', async () => {
      await operations.settle(path);
      const creating = await this.#plan(caller, path, guest);
      await operations.run(this.#creating, path, creating, caller);
    });
    caller.log.info({ guest: path }, 'guest created');
  }

  /** Checks what `create` checks before it begins, and changes nothing. @throws AgentError as `create` does */
  async requirePossible(caller: Caller, path: GuestPath, guest: NewGuest): Promise<void> {
    await this.#plan(caller, path, guest);
  }

  /** Everything that can be known before is checked here. */
  async #plan({ user }: Caller, path: GuestPath, guest: NewGuest): Promise<Creating> {
    const { disks, planner, reader, repositoryFiles } = this.#parts;
    await requireNoGuest('create', path, this.#parts);
    const pool = posix.dirname(path);
    if ((await repositoryFiles.find(pool)).outcome !== 'there') {
      throw new AgentError('NO_SUCH_FILE', `create ${path}: there is no ${pool}; see list_repositories`);
    }
    const text = newGuestFile(path, guest, { uuid: randomUUID(), macs: guest.vifs.map(newMac) });
    const config = reader.readConfig(Buffer.from(text), path);
    planner.requireOwnIdentity('create', path, config);
    const aside = nameUnfinished(path);
    const images: NewImage[] = [];
    const elsewhere: ImageElsewhere[] = [];
    for (const { preallocate, sizeMib, source, ...disk } of placeDisks(path, guest)) {
      if (sizeMib === undefined) {
        await disks.resolve('create', path, { ...disk, source });
        continue;
      }
      const file = source!;
      if (posix.dirname(file) === path) images.push({ file: `${aside}/${posix.basename(file)}`, sizeMib, preallocate });
      else elsewhere.push(await this.#planElsewhere(path, { file, sizeMib, preallocate }));
    }
    const inPool = images.map(image => ({ ...image, file: `${pool}/${posix.basename(image.file)}` }));
    await requireImageRoom(`create ${path}`, [...inPool, ...elsewhere], this.#parts);
    return { path, aside, user, text, images, elsewhere };
  }

  async #planElsewhere(path: GuestPath, image: NewImage): Promise<ImageElsewhere> {
    const { files, repositoryFiles } = this.#parts;
    await files.findPlace('create', path, 'disk', image.file);
    if ((await repositoryFiles.find(image.file)).outcome !== 'absent') {
      throw new AgentError(
        'EXISTS',
        `create ${path}: ${image.file} is there already; leave its size out, or name another file`,
      );
    }
    return { ...image, unfinished: `${posix.dirname(image.file)}/.creating-${randomUUID()}` };
  }

  #steps(): Operation<Creating> {
    const { repositoryFiles } = this.#parts;
    return {
      name: 'create a guest',
      finishFrom: 'place',
      steps: [
        {
          name: 'make',
          title: 'makes its disks',
          weight: 94,
          run: (state, context) => this.#make(state, context),
          undo: async ({ aside, elsewhere }) => {
            await repositoryFiles.remove(aside);
            for (const { unfinished } of elsewhere) await repositoryFiles.remove(unfinished);
          },
        },
        {
          name: 'configure',
          title: 'writes its vm.cfg',
          weight: 2,
          run: ({ aside, text }) => repositoryFiles.write(`${aside}/vm.cfg`, Buffer.from(text), { mode: 0o600 }),
        },
        {
          name: 'place disks',
          title: 'puts its disks in their places',
          weight: 2,
          run: async ({ elsewhere }) => {
            for (const { file, unfinished } of elsewhere) await repositoryFiles.rename(unfinished, file);
          },
          undo: async ({ elsewhere }) => {
            for (const { file, unfinished } of elsewhere) {
              // What still has its other name was not put there by us.
              if ((await repositoryFiles.find(unfinished)).outcome === 'absent') await repositoryFiles.remove(file);
            }
          },
        },
        ...placingSteps(this.#parts),
      ],
    };
  }

  async #make({ aside, elsewhere, images }: Creating, { report, signal }: StepContext): Promise<void> {
    const { clock, repositoryFiles } = this.#parts;
    await repositoryFiles.makeDirectory(aside);
    const all = [...images, ...elsewhere.map(image => ({ ...image, file: image.unfinished }))];
    const wholeMib = all.reduce((sum, { preallocate, sizeMib }) => sum + (preallocate ? sizeMib : 0), 0);
    let doneMib = 0;
    for (const image of all) {
      if (signal.aborted) throw new AgentError('CANCELLED', `make ${image.file}: it was given up`);
      await makeNewImage(image, { clock, repositoryFiles, signal });
      if (!image.preallocate) continue;
      doneMib += image.sizeMib;
      report(doneMib / wholeMib, doneMib * 2 ** 20);
    }
  }
}
