import { mkdirSync, rmdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { PathMap } from '../files/repository-places.ts';
import type { Clock } from '../host/clock.ts';
import { fileSystemOf, type Mount, mount, readMounts, unmount } from '../host/mounts.ts';
import { quote } from '../model/guest-path.ts';
import { isKnownFileSystem, knownFileSystems, mountOptions } from '../model/mount-options.ts';
import { mountPlaceOf, type RepositoryId, type RepositorySource, sourceText } from '../model/repository.ts';
import type { ListedRepository } from '../model/repository-list.ts';
import { parseStamp, type RepositoryStamp, STAMP_FILE, STAMP_LIMIT_BYTES } from '../model/repository-stamp.ts';

export interface RepositoryMountsParts {
  readonly paths: PathMap;
  readonly files: RepositoryFiles;
  readonly clock: Clock;
}

/** Mounts repositories where they belong, and knows which are. */
export class RepositoryMounts {
  readonly #parts: RepositoryMountsParts;

  constructor(parts: RepositoryMountsParts) {
    this.#parts = parts;
  }

  /** The file system of a repository, where one is mounted. */
  find(id: RepositoryId): Mount | undefined {
    const place = this.#parts.paths.onDisk(mountPlaceOf(id));
    return readMounts().findLast(found => found.place === place);
  }

  /**
   * Mounts a repository and checks that it is the one that is meant; one that is not is unmounted again.
   * @param options as /etc/ovs/repositories.options has them
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG, IN_USE, TIMEOUT, HOST
   */
  async mountChecked({ id, source }: ListedRepository, options: string): Promise<RepositoryStamp> {
    await this.mount(id, source, options);
    try {
      const stamp = await this.readStamp(id);
      if (stamp === undefined) {
        throw new AgentError(
          'BAD_CONFIG',
          `mount ${sourceText(source)}: it has no ${STAMP_FILE} and is no repository; ovs-makerepo makes it one`,
        );
      }
      if (stamp.id !== id) {
        throw new AgentError(
          'BAD_CONFIG',
          `mount ${sourceText(source)}: it is repository ${stamp.id}, and ${id} was expected; correct /etc/ovs/repositories`,
        );
      }
      return stamp;
    } catch (error) {
      await this.unmount(id);
      throw error;
    }
  }

  /** Mounts a source at the place of a repository. It stays as it is where something is mounted there already. */
  async mount(id: RepositoryId, source: RepositorySource, options: string): Promise<void> {
    const { clock, files, paths } = this.#parts;
    if (this.find(id)) return;
    const { mounted, type } = await this.#requireMountable(source);
    const chosen = mountOptions(options, type);
    const place = paths.onDisk(mountPlaceOf(id));
    mkdirSync(place, { recursive: true, mode: 0o755 });
    files.letGo(mountPlaceOf(id));
    try {
      await mount({ source: mounted, type, place, options: chosen }, clock);
    } catch (error) {
      removeEmpty(place);
      throw error;
    }
    files.letGo(mountPlaceOf(id));
  }

  /** Unmounts a repository and removes its place. @throws AgentError IN_USE while a process has files of it open, TIMEOUT, HOST */
  async unmount(id: RepositoryId): Promise<void> {
    const { clock, files, paths } = this.#parts;
    const place = paths.onDisk(mountPlaceOf(id));
    files.letGo(mountPlaceOf(id));
    while (this.find(id)) await unmount(place, clock);
    files.letGo(mountPlaceOf(id));
    removeEmpty(place);
  }

  /**
   * What a mounted repository says of itself; undefined when it says nothing.
   * @throws AgentError BAD_CONFIG when that is damaged, TIMEOUT, HOST
   */
  async readStamp(id: RepositoryId): Promise<RepositoryStamp | undefined> {
    const { files } = this.#parts;
    const file = `${mountPlaceOf(id)}/${STAMP_FILE}`;
    const found = await files.find(file);
    if (found.outcome === 'absent') return undefined;
    return parseStamp((await files.read(file, STAMP_LIMIT_BYTES)).toString('utf8'), mountPlaceOf(id));
  }

  async #requireMountable(source: RepositorySource): Promise<{ readonly mounted: string; readonly type: string }> {
    const { clock, paths } = this.#parts;
    const text = sourceText(source);
    if (source.kind === 'nfs') return { mounted: text, type: 'nfs' };
    const place = source.kind === 'device' ? source.path : paths.onDisk(source.path);
    const facts = await stat(place).catch(() => undefined);
    if (source.kind === 'directory') {
      if (facts?.isDirectory()) return { mounted: place, type: 'bind' };
      throw new AgentError('NO_SUCH_FILE', `mount ${quote(text)}: there is no such directory; make it`);
    }
    if (!facts?.isBlockDevice()) {
      throw new AgentError('NO_SUCH_FILE', `mount ${quote(text)}: there is no such block device; attach it, see lsblk`);
    }
    const type = await fileSystemOf(place, clock);
    if (type !== undefined && isKnownFileSystem(type)) return { mounted: place, type };
    throw new AgentError(
      'BAD_CONFIG',
      type === undefined
        ? `mount ${quote(text)}: there is no file system on it; if nothing on it is needed, make one with "mkfs.ext4 ${text}"`
        : `mount ${quote(text)}: it holds ${quote(type)}; a repository lies on ${knownFileSystems().join(', ')}`,
    );
  }
}

/** Whatever lies at a place that is not mounted stays. */
function removeEmpty(place: string): void {
  try {
    rmdirSync(place);
  } catch {
    // It holds something, or is gone.
  }
}
