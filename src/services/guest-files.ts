import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { AgentError } from '../errors.ts';
import { UNFINISHED_FILE, writeFileAtomically } from '../host/atomic-file.ts';
import type { GuestConfig } from '../model/guest-config.ts';
import { DEFAULT_REPOSITORY, guestNameOf, type GuestPath, MOUNT_DIRECTORY, quote } from '../model/guest-path.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';

/** Where paths as callers give them lie on this server's disk. */
export interface PathMap {
  onDisk(path: string): string;
  asGiven(place: string): string;
}

export interface GuestFilesParts {
  readonly paths: PathMap;
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
/** Guest files hold passwords of displays. */
const PERMISSION_BITS = 0o777;

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
    const bytes = await readFile(await this.#findGuestFile(path));
    return { bytes, digest: digestOf(bytes) };
  }

  /**
   * Writes a guest file, so that a crash leaves the old one or the new one.
   * @param before digest of the file that was changed: an edit of somebody else in between is not lost
   * @returns the digest of the new file
   * @throws AgentError STALE when the file is no longer that one
   */
  async write(path: GuestPath, bytes: Uint8Array, before: string): Promise<string> {
    const file = await this.#findGuestFile(path);
    const { gid, mode, uid } = await stat(file);
    const now = digestOf(await readFile(file));
    if (now !== before) {
      throw new AgentError(
        'STALE',
        `change ${path}: its vm.cfg was changed by somebody else; read it again, then change it`,
      );
    }
    await removeUnfinished(file);
    writeFileAtomically(file, bytes, mode & PERMISSION_BITS, { uid, gid });
    return digestOf(bytes);
  }

  /** A name beside a guest's directory under which it is out of sight; nothing is there yet. */
  nameAside(path: GuestPath): string {
    return `.deleted-${guestNameOf(path)}-${randomUUID()}`;
  }

  /** Puts a guest's directory out of sight, in one step. @throws AgentError NO_SUCH_GUEST */
  async setAside(path: GuestPath, name: string): Promise<void> {
    const directory = await this.#directoryOf(path);
    await rename(directory, join(dirname(directory), name));
  }

  /** Puts it back, where it was set aside. */
  async putBack(path: GuestPath, name: string): Promise<void> {
    const place = this.#parts.paths.onDisk(path);
    const aside = join(dirname(place), name);
    if (await findRealPath(aside)) await rename(aside, place);
  }

  /** Removes what was set aside, file by file. */
  removeAside(path: GuestPath, name: string): Promise<void> {
    return rm(join(dirname(this.#parts.paths.onDisk(path)), name), { recursive: true, force: true });
  }

  /**
   * Where a file lies that vm.cfg names: it must be inside a repository, whatever links lead to it.
   * @param act what the file is wanted for, such as `start`
   * @param alsoBelow further directories in which it may be
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG
   */
  async findFile(
    act: string,
    path: string,
    label: string,
    given: string,
    alsoBelow: readonly string[] = [],
  ): Promise<string> {
    const { paths } = this.#parts;
    const place = paths.onDisk(given);
    const [file, found] = await Promise.all([findRealPath(place), stat(place).catch(() => undefined)]);
    if (file === undefined || !found?.isFile()) {
      throw new AgentError(
        'NO_SUCH_FILE',
        `${act} ${path}: ${label} ${quote(given)} is not there; put the file there, or name another`,
      );
    }
    await this.#requireInside(act, path, label, given, file, alsoBelow);
    return file;
  }

  /**
   * Where a file that is to be made lies: its directory must be there, inside a repository or one of the others, whatever links
   * lead to it.
   * @throws AgentError NO_SUCH_FILE, BAD_CONFIG
   */
  async findPlace(
    act: string,
    path: string,
    label: string,
    given: string,
    alsoBelow: readonly string[] = [],
  ): Promise<string> {
    const place = this.#parts.paths.onDisk(given);
    const directory = await findRealPath(dirname(place));
    if (directory === undefined) {
      throw new AgentError(
        'NO_SUCH_FILE',
        `${act} ${path}: ${label} ${quote(given)}: its directory is not there; make it`,
      );
    }
    const file = join(directory, basename(place));
    await this.#requireInside(act, path, label, given, file, alsoBelow);
    return file;
  }

  async #requireInside(
    act: string,
    path: string,
    label: string,
    given: string,
    file: string,
    alsoBelow: readonly string[],
  ): Promise<void> {
    const { paths } = this.#parts;
    const roots = [DEFAULT_REPOSITORY, MOUNT_DIRECTORY, ...alsoBelow].map(root => paths.onDisk(root));
    // Where no link leads elsewhere, what the path says is where the file is.
    const realRoots = file === paths.onDisk(given) ? roots : await Promise.all(roots.map(findRealPath));
    if (realRoots.some(root => root !== undefined && file.startsWith(root + sep))) return;
    const where = [`the repositories (${DEFAULT_REPOSITORY}, ${MOUNT_DIRECTORY})`, ...alsoBelow].join(' or ');
    throw new AgentError(
      'BAD_CONFIG',
      `${act} ${path}: ${label} ${quote(given)} lies outside ${where}; it must lie inside`,
    );
  }

  async #findGuestFile(path: GuestPath): Promise<string> {
    const place = `${this.#parts.paths.onDisk(path)}/vm.cfg`;
    const [file, found] = await Promise.all([findRealPath(place), stat(place).catch(() => undefined)]);
    if (file !== place) await this.#requireOwnFile(path, file);
    if (file === undefined || !found?.isFile()) {
      throw new AgentError('BAD_CONFIG', `guest ${path}: it has no vm.cfg; a guest's directory must hold one`);
    }
    if (found.size > GUEST_FILE_LIMIT_BYTES) {
      throw new AgentError(
        'BAD_CONFIG',
        `guest ${path}: its vm.cfg is larger than ${GUEST_FILE_LIMIT_BYTES / 1024} KiB`,
      );
    }
    return file;
  }

  /** A link out of the guest's directory would make the agent read a stranger's file; one above it is a repository's. */
  async #requireOwnFile(path: GuestPath, file: string | undefined): Promise<void> {
    const directory = await this.#directoryOf(path);
    if (file !== undefined && dirname(file) !== directory) {
      throw new AgentError('BAD_CONFIG', `guest ${path}: its vm.cfg is a link to elsewhere; it must be a file`);
    }
  }

  async #directoryOf(path: GuestPath): Promise<string> {
    const place = this.#parts.paths.onDisk(path);
    const [pool, directory, found] = await Promise.all([
      findRealPath(dirname(place)),
      findRealPath(place),
      stat(place).catch(() => undefined),
    ]);
    if (pool === undefined || directory === undefined || !found?.isDirectory()) {
      throw new AgentError('NO_SUCH_GUEST', `guest ${path}: there is no such directory; make it, with a vm.cfg in it`);
    }
    if (dirname(directory) !== pool) {
      throw new AgentError(
        'NO_SUCH_GUEST',
        `guest ${path}: it is a link to outside its repository; it must be a directory`,
      );
    }
    return directory;
  }
}

/** Where a path leads, links and all; undefined when it leads nowhere. */
export function findRealPath(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

/** What an agent that was killed while it wrote has left beside a file. */
async function removeUnfinished(file: string): Promise<void> {
  const [directory, name] = [dirname(file), basename(file)];
  const unfinished = (await readdir(directory)).filter(
    entry => entry.startsWith(`${name}.`) && UNFINISHED_FILE.test(entry.slice(name.length)),
  );
  await Promise.all(unfinished.map(entry => rm(join(directory, entry), { force: true })));
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
