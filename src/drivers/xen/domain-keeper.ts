import { mkdirSync } from 'node:fs';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { ActContext, Domain, DomainEvent, StartPlan } from '../driver.ts';
import { GuestDirectory } from '../guest-directory.ts';
import type { KeptBoot } from './kept-boot.ts';
import type { Maker } from './making.ts';
import { stateOf, XenDomain, type XenNote } from './xen-domain.ts';
import type { DomainRow } from './xl-output.ts';
import type { Xl } from './xl.ts';

export interface DomainKeeperParts {
  readonly runtimeDirectory: string;
  readonly xl: Xl;
  readonly maker: Maker;
  readonly keptBoot: KeptBoot;
  readonly clock: Clock;
  readonly log: Log;
  readonly tell: (event: DomainEvent) => void;
}

/** The domains of this agent's guests: how they begin, are found again, and what becomes of them when their systems end. */
export class DomainKeeper {
  readonly #parts: DomainKeeperParts;
  readonly #domains = new Map<GuestPath, XenDomain>();

  constructor(parts: DomainKeeperParts) {
    this.#parts = parts;
  }

  get all(): readonly XenDomain[] {
    return [...this.#domains.values()];
  }

  find(path: GuestPath): XenDomain | undefined {
    return this.#domains.get(path);
  }

  /** Finds the domains of earlier agents, and goes on with what those were about to do. */
  async adopt(context: ActContext): Promise<void> {
    const { keptBoot, runtimeDirectory } = this.#parts;
    mkdirSync(runtimeDirectory, { recursive: true, mode: 0o700 });
    const known = GuestDirectory.ids(runtimeDirectory).flatMap(id => {
      const place = new GuestDirectory<XenNote>(runtimeDirectory, id);
      const note = readNote(place);
      return note ? [new XenDomain(place, note)] : [];
    });
    await Promise.all(
      known.map(domain =>
        this.#adoptOne(domain, context).catch((error: unknown) => {
          // The others have to be served all the same, and this one can be destroyed.
          this.#domains.set(domain.path, domain);
          context.log.error({ err: error, guest: domain.path }, 'a guest of an earlier agent could not be seen to');
        }),
      ),
    );
    keptBoot.forgetAllBut(new Set(this.all.map(({ place }) => place.id)));
  }

  /**
   * Makes the domain of a guest that has none.
   * @throws AgentError HYPERVISOR, and what `make` throws; nothing is left behind then
   */
  async makeFirst(
    act: string,
    plan: StartPlan,
    { log }: ActContext,
    make: (domain: XenDomain) => Promise<DomainRow>,
  ): Promise<Domain> {
    const { bootIsTemporary = false, config, path } = plan;
    if (this.#domains.has(path)) throw refused(act, path, 'there is a domain of this guest already');
    const place = new GuestDirectory<XenNote>(this.#parts.runtimeDirectory, GuestDirectory.idOf(path));
    const boot = bootIsTemporary ? this.#parts.keptBoot.keep(place.id, config.boot) : config.boot;
    const note: XenNote = {
      path,
      config: { ...config, boot },
      domainId: undefined,
      phase: 'making',
      rebootAsked: false,
      isAltered: false,
      vncPort: undefined,
    };
    place.prepare(note);
    const domain = new XenDomain(place, note);
    this.#domains.set(path, domain);
    return domain.inTurn(async () => {
      try {
        const row = await make(domain);
        log.info({ guest: path, domain: row.id }, 'Xen made a domain');
        return this.see(domain, [row]);
      } catch (error) {
        await this.#forgetIfGone(domain);
        throw error;
      }
    });
  }

  /** Destroys what is left of the domain and makes it again; a later agent goes on with it where this one is killed. */
  async replace(domain: XenDomain): Promise<void> {
    const { maker, tell, xl } = this.#parts;
    const others = (await xl.list()).filter(
      row => row.uuid === domain.note.config.uuid && row.id !== domain.note.domainId,
    );
    const earlier = domain.note.phase === 'replacing' ? domain.note.earlier : others.map(row => row.id);
    domain.change({ phase: 'replacing', rebootAsked: false, earlier, sealedDrives: undefined });
    try {
      await maker.remove(domain);
      await maker.create(domain);
      domain.lastState = 'running';
    } catch (error) {
      if (await this.#forgetIfGone(domain)) {
        tell({ path: domain.path, kind: 'ended', reason: 'it could not be made again' });
      }
      throw error;
    }
  }

  async remove(domain: XenDomain, reason: string): Promise<void> {
    await this.#parts.maker.remove(domain);
    this.#forget(domain);
    this.#parts.tell({ path: domain.path, kind: 'ended', reason });
  }

  /** Runs an act in the domain's turn, once Xen has said that the domain is there. */
  async act(act: string, path: GuestPath, work: (domain: XenDomain, row: DomainRow) => Promise<void>): Promise<void> {
    const domain = this.#domains.get(path);
    if (!domain) throw noDomain(act, path);
    await domain.inTurn(async () => {
      const row = domain.rowIn(await this.#parts.xl.list());
      if (!row || this.#domains.get(path) !== domain) throw noDomain(act, path);
      if (domain.hasLeft(row)) {
        throw refused(
          act,
          path,
          'it was moving to another server when the agent was killed; when it runs there, or is not to go on, destroy this copy',
        );
      }
      await work(domain, row);
    });
  }

  /** Looks at all domains, after something has changed with one. */
  look(): void {
    if (this.#domains.size === 0) return;
    this.#parts.xl.list().then(
      rows => {
        for (const domain of this.all) this.see(domain, rows);
      },
      (error: unknown) => this.#parts.log.warn({ err: error }, 'Xen did not tell of its domains'),
    );
  }

  /** What a domain is like, and what is to be done of that. */
  see(domain: XenDomain, rows: readonly DomainRow[]): Domain {
    const row = domain.rowIn(rows);
    const facts = domain.facts(row);
    if (domain.note.phase !== 'there' || !this.#has(domain)) return facts;
    const before = domain.lastState;
    domain.lastState = facts.state;
    if (facts.state === 'absent' || domain.ownAct(row)) this.#serveEnd(domain);
    else if (before !== undefined && before !== facts.state) {
      this.#parts.tell({ path: domain.path, kind: 'changed' });
    }
    return facts;
  }

  /** Lets go of all of them, once what is being done to each is done. */
  async release(): Promise<void> {
    const domains = this.all;
    this.#domains.clear();
    await Promise.all(domains.map(domain => domain.inTurn(() => Promise.resolve())));
  }

  #has(domain: XenDomain): boolean {
    return this.#domains.get(domain.path) === domain;
  }

  #forget(domain: XenDomain): void {
    if (this.#has(domain)) this.#domains.delete(domain.path);
    domain.place.clear();
    this.#parts.keptBoot.forget(domain.place.id);
  }

  /** What is not known to be gone stays known: it can be destroyed, and a later agent sees to it as well. */
  async #forgetIfGone(domain: XenDomain): Promise<boolean> {
    const { log, xl } = this.#parts;
    if (!wasBegun(domain)) {
      this.#forget(domain);
      return true;
    }
    const rows = await xl.list().catch(() => undefined);
    if (rows && domain.ownRows(rows).length === 0) {
      this.#forget(domain);
      return true;
    }
    if (rows && domain.rowIn(rows)) domain.change({ phase: 'there' });
    log.error({ guest: domain.path }, 'a domain may be left of a guest that could not be made');
    return false;
  }

  async #adoptOne(domain: XenDomain, { log }: ActContext): Promise<void> {
    const { maker, tell, xl } = this.#parts;
    const { note, path } = domain;
    await maker.untilLeftToItself(domain, log);
    const [found] = wasBegun(domain) ? domain.ownRows(await xl.list()) : [];
    if (found && isWhole(domain, found)) {
      if (note.phase !== 'there') await maker.take(domain, found);
      this.#domains.set(path, domain);
      log.info({ guest: path, domain: found.id, state: stateOf(found) }, 'found a guest of an earlier agent');
    } else if (note.phase === 'replacing') {
      log.info({ guest: path }, 'an earlier agent was about to make a guest again; that is done now');
      this.#domains.set(path, domain);
      domain
        .inTurn(() => this.replace(domain))
        .then(() => tell({ path, kind: 'rebooted' }))
        .catch((error: unknown) => log.error({ err: error, guest: path }, 'a guest could not be made again'));
    } else {
      // Half-made domains run nothing yet; where Xen has none any more there is nothing to remove.
      if (note.phase === 'making' && wasBegun(domain)) await maker.remove(domain);
      this.#forget(domain);
      log.info({ guest: path }, 'a guest of an earlier agent has ended');
    }
  }

  /** In its turn, by when it may be another's doing, or done. */
  #serveEnd(domain: XenDomain): void {
    const { log, tell, xl } = this.#parts;
    const { path } = domain;
    domain
      .inTurn(async () => {
        if (!this.#has(domain)) return;
        const row = domain.rowIn(await xl.list());
        if (!this.#has(domain) || domain.note.phase !== 'there') return;
        const own = domain.ownAct(row);
        if (!row) await this.remove(domain, 'it was destroyed');
        else if (own?.act === 'destroy') await this.remove(domain, own.reason);
        else if (own) {
          await this.replace(domain);
          tell({ path, kind: 'rebooted' });
        }
      })
      .catch((error: unknown) => log.error({ err: error, guest: path }, 'the end of a guest was not served'));
  }
}

/** Before others of its identity were looked for nothing was made, and whatever has it is another program's. */
function wasBegun({ note }: XenDomain): boolean {
  return note.phase !== 'making' || note.earlier !== undefined;
}

/** Whether what is there now is all of what an earlier agent wanted: a domain that is being made is paused until it is whole. */
function isWhole(domain: XenDomain, found: DomainRow): boolean {
  const { domainId, phase } = domain.note;
  if (phase === 'there') return found.id === domainId;
  return stateOf(found) === 'running' && found.id !== domainId;
}

function readNote(place: GuestDirectory<XenNote>): XenNote | undefined {
  const note = place.readNote(path => ({ path }) as XenNote);
  // The directory of a guest of QEMU has another note.
  return note && 'config' in note && 'phase' in note ? note : undefined;
}

export function noDomain(act: string, path: GuestPath): AgentError {
  return refused(act, path, 'there is no domain of this guest');
}

export function refused(act: string, path: GuestPath, why: string): AgentError {
  return new AgentError('HYPERVISOR', `${act} ${path}: ${why}`);
}
