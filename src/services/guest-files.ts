import { createHash, randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import type { FileFacts } from '../files/file-work.ts';
import type { Found, RepositoryFiles } from '../files/repository-files.ts';
import type { PathMap } from '../files/repository-places.ts';
import type { GuestConfig } from '../model/guest-config.ts';
import { DEFAULT_REPOSITORY, guestNameOf, type GuestPath, MOUNT_DIRECTORY, quote } from '../model/guest-path.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';

export interface GuestFilesParts {
  readonly paths: PathMap;
  readonly files: RepositoryFiles;
  readonly reader: GuestReader;
}

/** A guest file as it was read, and by which a later change is told. */
export interface GuestText {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, in hexadecimal digits. */
  readonly digest: string;
}

/** Largest guest file that is read. */
const GUEST_FILE_LIMIT_BYTES = 256 * 1024;

/** Guests as they lie in repositories: their directories, guest files and images. */
export class GuestFiles {
  readonly #parts: GuestFilesParts;

  constructor(parts: GuestFilesParts) {
    this.#parts = parts;
  }

  /** @throws AgentError NO_SUCH_GUEST, BAD_CONFIG */
  async readConfig(path: GuestPath): Promise<GuestConfig> {
    const { bytes } = await this.read(path);
    return this.#parts.reader.readConfig(bytes, path);
  }

  /**
   * A guest as its file describes it, and a digest of what the file says, whatever its layout.
   * @throws AgentError NO_SUCH_GUEST, BAD_CONFIG
   */
  async readMeaning(path: GuestPath): Promise<{ readonly config: GuestConfig; readonly digest: string }> {
    const { reader } = this.#parts;
    const file = reader.readFile((await this.read(path)).bytes, path);
    return { config: reader.configOf(file, path), digest: reader.meaningOf(file) };
  }

  /** @throws AgentError NO_SUCH_GUEST, BAD_CONFIG when it has no guest file */
  async read(path: GuestPath): Promise<GuestText> {
    const { given } = await this.#findGuestFile(path);
    const bytes = await this.#parts.files.read(given, GUEST_FILE_LIMIT_BYTES);
    return { bytes, digest: digestOf(bytes) };
  }

  /**
   * Writes a guest file, so that a crash leaves the old one or the new one.
   * @param before digest of the file that was changed: an edit of somebody else in between is not lost
   * @returns the digest of the new file
   * @throws AgentError STALE when the file is no longer that one
   */
  async write(path: GuestPath, bytes: Uint8Array, before: string): Promise<string> {
    const { files } = this.#parts;
    const { facts, given } = await this.#findGuestFile(path);
    const now = digestOf(await files.read(given, GUEST_FILE_LIMIT_BYTES));
    if (now !== before) {
      throw new AgentError(
        'STALE',
        `change ${path}: its vm.cfg was changed by somebody else; read it again, then change it`,
      );
    }
    await files.write(given, bytes, { mode: facts.mode, owner: { uid: facts.uid, gid: facts.gid } });
    return digestOf(bytes);
  }

  /** A name beside a guest's directory under which it is out of sight; nothing is there yet. */
  nameAside(path: GuestPath): string {
    return `.deleted-${guestNameOf(path)}-${randomUUID()}`;
  }

  /** Puts a guest's directory out of sight, in one step. @throws AgentError NO_SUCH_GUEST */
  async setAside(path: GuestPath, name: string): Promise<void> {
    await this.requireDirectory(path);
    await this.#parts.files.rename(path, beside(path, name));
  }

  /** Puts it back, where it was set aside. */
  async putBack(path: GuestPath, name: string): Promise<void> {
    const { files } = this.#parts;
    const aside = beside(path, name);
    if ((await files.find(aside)).outcome === 'there') await files.rename(aside, path);
  }

  /** Removes what was set aside, file by file. */
  removeAside(path: GuestPath, name: string): Promise<void> {
    return this.#parts.files.remove(beside(path, name));
  }

  /**
   * Where a file lies that vm.cfg names: it must be inside a repository, whatever links lead to it.
   * @param act what the file is wanted for, such as `start`
   * @param alsoBelow further directories in which it may be
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG, TIMEOUT
   */
  async findFile(
    act: string,
    path: string,
    label: string,
    given: string,
    alsoBelow: readonly string[] = [],
  ): Promise<string> {
    const found = await this.#parts.files.find(given, alsoBelow);
    if (found.outcome === 'outside') throw outside(act, path, label, given, alsoBelow);
    if (found.outcome === 'absent' || found.facts.kind !== 'file') {
      throw new AgentError(
        'NO_SUCH_FILE',
        `${act} ${path}: ${label} ${quote(given)} is not there; put the file there, or name another`,
      );
    }
    return found.place;
  }

  /**
   * Where a file that is to be made lies: its directory must be there, inside a repository or one of the others, whatever links
   * lead to it.
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG, TIMEOUT
   */
  async findPlace(
    act: string,
    path: string,
    label: string,
    given: string,
    alsoBelow: readonly string[] = [],
  ): Promise<string> {
    const directory = await this.#parts.files.find(posix.dirname(given), alsoBelow);
    if (directory.outcome === 'outside') throw outside(act, path, label, given, alsoBelow);
    if (directory.outcome === 'absent') {
      throw new AgentError(
        'NO_SUCH_FILE',
        `${act} ${path}: ${label} ${quote(given)}: its directory is not there; make it`,
      );
    }
    return posix.join(directory.place, posix.basename(given));
  }

  async #findGuestFile(path: GuestPath): Promise<{ readonly given: string; readonly facts: FileFacts }> {
    const { files, paths } = this.#parts;
    const given = `${path}/vm.cfg`;
    const found = await files.find(given);
    // Where no link is on the way, what the path says is where the file is.
    if (found.outcome !== 'there' || found.place !== paths.onDisk(given)) await this.#requireOwnFile(path, found);
    if (found.outcome !== 'there' || found.facts.kind !== 'file') {
      throw new AgentError('BAD_CONFIG', `guest ${path}: it has no vm.cfg; a guest's directory must hold one`);
    }
    if (found.facts.sizeBytes > GUEST_FILE_LIMIT_BYTES) {
      throw new AgentError(
        'BAD_CONFIG',
        `guest ${path}: its vm.cfg is larger than ${GUEST_FILE_LIMIT_BYTES / 1024} KiB`,
      );
    }
    return { given: paths.asGiven(found.place), facts: found.facts };
  }

  /** A link out of the guest's directory would make the agent read a stranger's file; one above it is a repository's. */
  async #requireOwnFile(path: GuestPath, file: Found): Promise<void> {
    const directory = await this.requireDirectory(path);
    if (file.outcome !== 'absent' && posix.dirname(file.place) !== directory) {
      throw new AgentError('BAD_CONFIG', `guest ${path}: its vm.cfg is a link to elsewhere; it must be a file`);
    }
  }

  /** Where a guest's directory is. @throws AgentError NO_SUCH_GUEST when it is not there, or a link */
  async requireDirectory(path: GuestPath): Promise<string> {
    const { files } = this.#parts;
    const [pool, directory] = [await files.find(posix.dirname(path)), await files.find(path)];
    if (directory.outcome === 'absent' || pool.outcome !== 'there') throw noSuchDirectory(path);
    if (directory.outcome === 'outside' || posix.dirname(directory.place) !== pool.place) {
      throw new AgentError(
        'NO_SUCH_GUEST',
        `guest ${path}: it is a link to outside its repository; it must be a directory`,
      );
    }
    if (directory.facts.kind !== 'directory') throw noSuchDirectory(path);
    return directory.place;
  }
}

function noSuchDirectory(path: GuestPath): AgentError {
  return new AgentError('NO_SUCH_GUEST', `guest ${path}: there is no such directory; make it, with a vm.cfg in it`);
}

function outside(act: string, path: string, label: string, given: string, alsoBelow: readonly string[]): AgentError {
  const where = [`the repositories (${DEFAULT_REPOSITORY}, ${MOUNT_DIRECTORY})`, ...alsoBelow].join(' or ');
  return new AgentError(
    'BAD_CONFIG',
    `${act} ${path}: ${label} ${quote(given)} lies outside ${where}; it must lie inside`,
  );
}

function beside(path: GuestPath, name: string): string {
  return posix.join(posix.dirname(path), name);
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
