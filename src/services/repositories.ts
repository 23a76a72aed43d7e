import { AgentError, messageOf } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { PathMap } from '../files/repository-places.ts';
import type { Clock, Timer } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import { DEFAULT_REPOSITORY } from '../model/guest-path.ts';
import { mountPlaceOf, type RepositoryId, type RepositorySource, sourceText } from '../model/repository.ts';
import type { ListedRepository } from '../model/repository-list.ts';
import type { RepositoryStamp, SharedForm } from '../model/repository-stamp.ts';
import type { Operations } from '../operations/operations.ts';
import type { Caller } from './caller.ts';
import { defaultPlaceOf, linkDefault } from './default-repository.ts';
import type { GuestRecords } from './guest-records.ts';
import { type NewRepository, RepositoryMaker, REPOSITORIES_LANE } from './repository-making.ts';
import { RepositoryMounts } from './repository-mounts.ts';
import { LIST_FILE, RepositoryRegistry } from './repository-registry.ts';
import { type RepositoryUsersParts, usersOf } from './repository-users.ts';

export interface RepositoriesParts extends Omit<RepositoryUsersParts, 'lanes' | 'records'> {
  readonly paths: PathMap;
  readonly files: RepositoryFiles;
  readonly lanes: RepositoryUsersParts['lanes'] & {
    run<T>(subject: string, act: string, work: () => Promise<T>): Promise<T>;
  };
  readonly records: Pick<GuestRecords, 'list'>;
  readonly operations: Operations;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest that a start waits for all repositories, in milliseconds; those that take longer come later. */
  readonly startMs: number;
}

/** `refused`: it is not what it should be. `unreachable`: it may come by itself, and is tried again. `hung`: it does not answer. */
export type RepositoryState = 'mounted' | 'hung' | 'offline' | 'refused' | 'unreachable';

/** A repository as people and managers see it. */
export interface RepositoryFacts {
  readonly id: RepositoryId | undefined;
  readonly source: string;
  readonly description: string;
  readonly shared: SharedForm | undefined;
  readonly isDefault: boolean;
  readonly state: RepositoryState;
  /** Why it has that state, where there is more to say. */
  readonly reason: string | undefined;
  readonly mountPoint: string;
  readonly type: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly freeBytes: number | undefined;
}

interface Trouble {
  readonly state: 'offline' | 'refused' | 'unreachable';
  readonly reason: string | undefined;
}

const RETRY_MS = 30_000;

/** Failures that may pass by themselves. */
const PASSING = new Set(['HOST', 'TIMEOUT', 'IN_USE', 'NO_SUCH_FILE']);

/** The storage repositories of this server: they are made, mounted at each start, watched, and taken offline (guide, chapter 7). */
export class Repositories {
  readonly #parts: RepositoriesParts;
  readonly #mounts: RepositoryMounts;
  readonly #registry: RepositoryRegistry;
  readonly #stamps = new Map<RepositoryId, RepositoryStamp>();
  readonly #troubles = new Map<RepositoryId, Trouble>();
  readonly #maker: RepositoryMaker;
  #retry: Timer | undefined;

  constructor(parts: RepositoriesParts) {
    this.#parts = parts;
    this.#mounts = new RepositoryMounts(parts);
    this.#registry = new RepositoryRegistry(parts.paths);
    this.#maker = new RepositoryMaker({
      ...parts,
      mounts: this.#mounts,
      registry: this.#registry,
      onListed: entry => this.#takeUp(entry),
    });
  }

  /** Mounts all that are listed; those that cannot be reached are tried again from time to time. */
  async start(): Promise<void> {
    const { clock, log, startMs } = this.#parts;
    for (const problem of this.#registry.read().problems) log.warn(problem, `a line of ${LIST_FILE} cannot be used`);
    const all = this.#mountListed(() => true);
    const patience = new AbortController();
    await Promise.race([all, clock.sleep(startMs, patience.signal).catch(() => undefined)]);
    patience.abort();
    this.#retry = clock.every(RETRY_MS, () => {
      const isWaiting = [...this.#troubles.values()].some(({ state }) => state === 'unreachable');
      if (isWaiting) void this.#mountListed(id => this.#troubles.get(id)?.state === 'unreachable');
    });
  }

  stop(): void {
    this.#retry?.cancel();
  }

  /**
   * Mounts all that are listed and not mounted, those among them that were taken offline by hand.
   * @throws AgentError HOST with all that could not be mounted, and why; the others are mounted then
   */
  async mountAll(): Promise<void> {
    await this.#mountListed(() => true);
    const reasons = [...this.#troubles.values()].map(({ reason }) => reason ?? '');
    if (reasons.length > 0) throw new AgentError('HOST', reasons.join('\n'));
  }

  /** Takes all offline. @throws AgentError IN_USE with all that are needed and by whom; the others are offline then */
  async unmountAll(caller: Caller): Promise<void> {
    const refusals: string[] = [];
    for (const { id, source } of this.#registry.read().entries) {
      await this.offline(caller, id, sourceText(source), false).catch((error: unknown) =>
        refusals.push(messageOf(error)),
      );
    }
    if (refusals.length > 0) throw new AgentError('IN_USE', refusals.join('\n'));
  }

  async list(): Promise<readonly RepositoryFacts[]> {
    const { entries } = this.#registry.read();
    const [first] = entries;
    const listed = await Promise.all(entries.map(entry => this.#factsOf(entry, entry === first)));
    // A directory at the place of the default repository is one, though nobody has listed it.
    return defaultPlaceOf(this.#parts.paths) === 'directory' ? [await this.#plainDefault(), ...listed] : listed;
  }

  /**
   * Makes a repository of a source and mounts it. One that is a repository already keeps its uuid and all that is in it.
   * @throws AgentError EXISTS, IN_USE, BAD_VALUE, and those of mounting
   */
  make(caller: Caller, wish: NewRepository): Promise<RepositoryId> {
    return this.#parts.lanes.run(REPOSITORIES_LANE, 'make repository', () => this.#maker.make(caller, wish));
  }

  /** The uuid that a source has or is to have, without making it. */
  identify(caller: Caller, source: RepositorySource): Promise<RepositoryId> {
    return this.#parts.lanes.run(REPOSITORIES_LANE, 'look at repository', async () => {
      const listed = this.#registry.read().entries.find(entry => sourceText(entry.source) === sourceText(source));
      return listed?.id ?? this.#maker.identify(caller, source);
    });
  }

  isMounted(id: RepositoryId): boolean {
    return this.#mounts.find(id) !== undefined;
  }

  /**
   * Unmounts a repository.
   * @param source as it is listed: both must fit, so that a slip of the finger takes none offline that is not meant
   * @param isForgotten whether it is taken from the list as well
   * @throws AgentError NO_SUCH_RECORD, BAD_VALUE, IN_USE with who needs it
   */
  offline(caller: Caller, id: RepositoryId, source: string, isForgotten: boolean): Promise<void> {
    return this.#parts.lanes.run(REPOSITORIES_LANE, 'take repository offline', async () => {
      const entry = this.#registry.read().entries.find(listed => listed.id === id);
      if (!entry) {
        throw new AgentError(
          'NO_SUCH_RECORD',
          `take ${id} offline: it is not in ${LIST_FILE}; list_repositories shows those there are`,
        );
      }
      if (source !== sourceText(entry.source)) {
        throw new AgentError(
          'BAD_VALUE',
          `take ${id} offline: its source is ${sourceText(entry.source)}; give that one to say that it is meant`,
        );
      }
      const users = usersOf(this.#parts, mountPlaceOf(id));
      if (users.length > 0) {
        throw new AgentError('IN_USE', `take ${id} offline: ${users.join(', ')}; end that first`);
      }
      await this.#mounts.unmount(id);
      if (isForgotten) {
        this.#registry.remove(id);
        this.#troubles.delete(id);
        this.#stamps.delete(id);
      } else {
        this.#troubles.set(id, { state: 'offline', reason: undefined });
      }
      this.#linkDefault();
      caller.log.info({ repository: id, isForgotten }, 'repository offline');
    });
  }

  async #takeUp(entry: ListedRepository): Promise<void> {
    await this.#mountListedOne(entry);
    this.#linkDefault();
  }

  async #mountListed(isWanted: (id: RepositoryId) => boolean): Promise<void> {
    const wanted = this.#registry.read().entries.filter(({ id }) => isWanted(id));
    await Promise.all(wanted.map(entry => this.#mountListedOne(entry)));
    this.#linkDefault();
  }

  async #mountListedOne(entry: ListedRepository): Promise<void> {
    const { log } = this.#parts;
    const source = sourceText(entry.source);
    try {
      const isNew = !this.isMounted(entry.id);
      this.#stamps.set(entry.id, await this.#mounts.mountChecked(entry, this.#registry.optionsOf(entry.id)));
      this.#troubles.delete(entry.id);
      if (isNew) log.info({ repository: entry.id, source }, 'repository mounted');
    } catch (error) {
      const state = error instanceof AgentError && !PASSING.has(error.code) ? 'refused' : 'unreachable';
      const isKnown = this.#troubles.get(entry.id)?.reason === messageOf(error);
      this.#troubles.set(entry.id, { state, reason: messageOf(error) });
      if (!isKnown) log.warn({ repository: entry.id, source, err: error }, 'a repository could not be mounted');
    }
  }

  #linkDefault(): void {
    const { log, paths } = this.#parts;
    const first = this.#registry.read().entries[0]?.id;
    const mounted = first !== undefined && this.isMounted(first) ? first : undefined;
    if (!linkDefault(paths, mounted)) {
      log.warn({ repository: first }, `${DEFAULT_REPOSITORY} holds files and cannot lead to the default repository`);
    }
  }

  async #factsOf({ id, source }: ListedRepository, isDefault: boolean): Promise<RepositoryFacts> {
    const { files } = this.#parts;
    const mountPoint = mountPlaceOf(id);
    const mounted = this.#mounts.find(id);
    const stamp = this.#stamps.get(id);
    const space = mounted && (await files.space(mountPoint).catch(() => undefined));
    const hungSince = mounted && files.hungSince(mountPoint);
    const trouble = this.#troubles.get(id);
    const common = {
      id,
      source: sourceText(source),
      description: stamp?.description ?? '',
      shared: stamp?.shared,
      isDefault,
      mountPoint,
      type: mounted?.type,
      sizeBytes: space?.sizeBytes,
      freeBytes: space?.freeBytes,
    };
    if (hungSince !== undefined) {
      return { ...common, state: 'hung', reason: `it has not answered since ${new Date(hungSince).toISOString()}` };
    }
    // One that refused itself may have been mounted by hand since.
    if (mounted && trouble?.state !== 'refused') return { ...common, state: 'mounted', reason: undefined };
    return { ...common, state: trouble?.state ?? 'offline', reason: trouble?.reason };
  }

  async #plainDefault(): Promise<RepositoryFacts> {
    const space = await this.#parts.files.space(DEFAULT_REPOSITORY).catch(() => undefined);
    return {
      id: undefined,
      source: DEFAULT_REPOSITORY,
      description: '',
      shared: undefined,
      isDefault: true,
      state: 'mounted',
      reason: 'it is a directory of this server that was never made a repository',
      mountPoint: DEFAULT_REPOSITORY,
      type: 'directory',
      sizeBytes: space?.sizeBytes,
      freeBytes: space?.freeBytes,
    };
  }
}
