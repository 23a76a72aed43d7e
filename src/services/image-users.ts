import type { Holdings } from '../drivers/driver.ts';
import { AgentError, messageOf } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Log } from '../host/log.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';

export interface ImageUsersParts {
  readonly records: Pick<GuestRecords, 'list'>;
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly holdings: () => readonly Holdings[];
}

/** A guest that has an image, now or when it is started. */
export interface ImageUser {
  readonly path: string;
  /** Its disk, such as `hdc`. */
  readonly target: string;
  readonly isRunning: boolean;
}

/** Tells which guests have an image as a disk: those that run, and those whose vm.cfg names it. */
export class ImageUsers {
  readonly #parts: ImageUsersParts;

  constructor(parts: ImageUsersParts) {
    this.#parts = parts;
  }

  /**
   * The guests of each image. A guest whose vm.cfg cannot be read has what it has open, and no more is known.
   * @param images as given
   */
  async of(images: readonly string[], log: Log): Promise<ReadonlyMap<string, readonly ImageUser[]>> {
    const { files, holdings, records, repositoryFiles } = this.#parts;
    const places = new Map<string, string>();
    for (const image of images) {
      const found = await repositoryFiles.find(image);
      if (found.outcome === 'there') places.set(found.place, image);
    }
    const users = new Map<string, Map<string, ImageUser>>(images.map(image => [image, new Map()]));
    const add = (place: string, user: ImageUser): void => {
      const known = users.get(places.get(place) ?? '');
      if (known && !known.has(user.path)) known.set(user.path, user);
    };
    for (const { disks, path } of holdings()) {
      for (const { source, target } of disks) add(source, { path, target, isRunning: true });
    }
    const look = async (path: GuestPath): Promise<void> => {
      try {
        for (const { source, target } of (await files.readConfig(path)).disks) {
          const found = source === undefined ? undefined : await repositoryFiles.find(source);
          if (found?.outcome === 'there') add(found.place, { path, target, isRunning: false });
        }
      } catch (error) {
        log.warn({ guest: path, reason: messageOf(error) }, 'the disks of a guest are not known');
      }
    };
    await Promise.all(records.list().map(({ path }) => look(path)));
    return new Map([...users].map(([image, known]) => [image, [...known.values()]]));
  }

  /** @throws AgentError IN_USE that names the guests */
  async requireUnused(act: string, image: string, log: Log): Promise<void> {
    const users = (await this.of([image], log)).get(image) ?? [];
    if (users.length === 0) return;
    const names = users.map(
      ({ isRunning, path, target }) => `${path} ${isRunning ? 'runs with it' : 'has it'} as ${target}`,
    );
    throw new AgentError('IN_USE', `${act} ${image}: ${names.join(', ')}; take it out of the guest first`);
  }
}
