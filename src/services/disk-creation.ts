import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Clock } from '../host/clock.ts';
import { AgentError } from '../errors.ts';
import { type ImagePath, parseImagePath } from '../model/pool-path.ts';
import type { Caller } from './caller.ts';
import type { GuestFiles } from './guest-files.ts';
import type { ImageUsers } from './image-users.ts';
import { makeNewImage, requireImageRoom } from './new-image.ts';

export interface DiskCreationParts {
  readonly files: GuestFiles;
  readonly repositoryFiles: RepositoryFiles;
  readonly lanes: { run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T> };
  readonly users: ImageUsers;
  readonly clock: Clock;
}

const QCOW2_MAGIC = Buffer.from('QFI\xfb', 'latin1');

/** Empty disks that are made by themselves: their images take no space until they are written to. */
export class DiskCreation {
  readonly #parts: DiskCreationParts;

  constructor(parts: DiskCreationParts) {
    this.#parts = parts;
  }

  /**
   * @param file where nothing is yet, in a directory of a repository
   * @throws AgentError EXISTS, BAD_CONFIG when it lies outside the repositories, NO_SUCH_FILE, NO_RESOURCES, HOST
   */
  async create(caller: Caller, file: string, sizeMib: number): Promise<void> {
    const { clock, files, lanes, repositoryFiles } = this.#parts;
    const image = { file, sizeMib, preallocate: false };
    await lanes.run(file, 'create disk', async () => {
      await files.findPlace('create', file, 'disk', file);
      if ((await repositoryFiles.find(file)).outcome !== 'absent')
        throw new AgentError('EXISTS', `create ${file}: it is there already; choose another name, or delete it first`);
      await requireImageRoom(`create ${file}`, [image], { repositoryFiles });
      await makeNewImage(image, { clock, repositoryFiles, signal: caller.signal });
    });
    caller.log.info({ disk: file, size_mib: sizeMib }, 'disk created');
  }

  /**
   * Makes a raw image larger. The systems inside see that when they are started the next time.
   * @throws AgentError BAD_VALUE when it is larger already, IN_USE while a guest runs with it, NOT_SUPPORTED for a qcow2 image,
   *   NO_SUCH_FILE, NO_RESOURCES, HOST
   */
  async grow(caller: Caller, file: string, sizeMib: number): Promise<void> {
    const { files, lanes, repositoryFiles, users } = this.#parts;
    await lanes.run(file, 'grow disk', async () => {
      await files.findFile('grow', file, 'disk', file);
      const running = ((await users.of([file], caller.log)).get(file) ?? []).filter(({ isRunning }) => isRunning);
      if (running.length > 0) {
        const names = running.map(({ path, target }) => `${path} runs with it as ${target}`);
        throw new AgentError('IN_USE', `grow ${file}: ${names.join(', ')}; stop the guest first`);
      }
      const magic = await repositoryFiles.readPiece(file, 0, QCOW2_MAGIC.length);
      if (magic.equals(QCOW2_MAGIC))
        throw new AgentError('NOT_SUPPORTED', `grow ${file}: it is a qcow2 image; "qemu-img resize -f qcow2" does it`);
      await requireImageRoom(`grow ${file}`, [{ file, sizeMib, preallocate: false }], { repositoryFiles });
      await repositoryFiles.growImage(file, sizeMib * 2 ** 20);
    });
    caller.log.info({ disk: file, size_mib: sizeMib }, 'disk grown');
  }

  /** One that several guests can have. @param name of it, or its path */
  async createShared(caller: Caller, name: string, sizeMib: number): Promise<ImagePath> {
    const path = parseImagePath('sharedDisk', name);
    await this.create(caller, path, sizeMib);
    return path;
  }
}
