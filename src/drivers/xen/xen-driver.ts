import type { Duplex, Readable, Writable } from 'node:stream';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Disk, GuestConfig, NetworkInterface } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import {
  absentDomain,
  type ActContext,
  type Capacity,
  type Domain,
  type DomainEvent,
  type DomainStatistics,
  type Driver,
  type ForeignDomain,
  type Holdings,
  type LiveMigration,
  type MigrationOptions,
  type Probe,
  type SaveOptions,
  type ShutdownWay,
  type StartPlan,
} from '../driver.ts';
import { openConsole } from './console.ts';
import { DomainKeeper, noDomain, refused } from './domain-keeper.ts';
import { typeOf } from './domain-file.ts';
import { HotPlug } from './hot-plug.ts';
import { KeptBoot } from './kept-boot.ts';
import { Maker } from './making.ts';
import { receiveDomain, sendDomain } from './migration.ts';
import { untilSwitched } from './pausing.ts';
import { probeXen, type XenPrograms } from './probe.ts';
import { requirePossible } from './refusals.ts';
import { saveDomain } from './state-stream.ts';
import { statisticsOf } from './statistics.ts';
import { DomainWatch } from './watch.ts';
import { OWN_DOMAIN, type XenDomain } from './xen-domain.ts';
import type { DomainRow, XenInfo } from './xl-output.ts';
import { Xl } from './xl.ts';

export interface XenDriverParts {
  /** Where each running guest has a directory. */
  readonly runtimeDirectory: string;
  /** Where kernels that were found in images are kept while their guests run. */
  readonly keptBootDirectory: string;
  /** Directories of programs, as in PATH. */
  readonly searchPath: string;
  /** Time for xl to make a domain. */
  readonly startTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** What it keeps where xl takes memory of it for guests. */
const OWN_MEMORY_MIB = 1024;
const DUMP_MS = 24 * 3600_000;
const MESSAGES_BYTES = 64 * 1024;

/** Guests as domains of Xen, made and told by xl; which there are, and how they ended, is Xen's to say. */
export class XenDriver implements Driver {
  readonly name = 'xen';
  readonly migration: LiveMigration = {
    whyNot: config => this.#whyNotMoved(config),
    send: (path, stream, _context, options) => this.#send(path, stream, options),
    receive: (plan, stream, context, signal) => this.#receive(plan, stream, context, signal),
  };
  readonly #parts: XenDriverParts;
  readonly #listeners: ((event: DomainEvent) => void)[] = [];
  #xl: Xl;
  #maker: Maker;
  #keeper: DomainKeeper;
  #programs: XenPrograms | undefined;
  #info: XenInfo | undefined;
  #watch: DomainWatch | undefined;

  constructor(parts: XenDriverParts) {
    this.#parts = parts;
    [this.#xl, this.#maker, this.#keeper] = this.#make('xl');
  }

  async probe(): Promise<Probe> {
    const { clock, searchPath } = this.#parts;
    const { info, probe, programs } = await probeXen(program => new Xl(program, clock), searchPath);
    if (info && programs) {
      this.#programs = programs;
      this.#info = info;
      [this.#xl, this.#maker, this.#keeper] = this.#make(programs.xl);
    }
    return probe;
  }

  async capacity(): Promise<Capacity> {
    const { freeMemoryMib, hasFixedOwnMemory, processors, totalMemoryMib } = await this.#xl.info();
    const own = hasFixedOwnMemory ? undefined : (await this.#xl.list()).find(({ id }) => id === OWN_DOMAIN);
    const spare = Math.max(0, (own?.memoryMib ?? 0) - OWN_MEMORY_MIB);
    return { processors, totalMemoryMib, freeMemoryMib: freeMemoryMib + spare };
  }

  async adopt(context: ActContext): Promise<readonly Domain[]> {
    const { clock, log } = this.#parts;
    await this.#keeper.adopt(context);
    this.#watch ??= new DomainWatch(this.#programs!.xenstoreWatch, clock, log, () => this.#keeper.look());
    return this.list();
  }

  async list(): Promise<readonly Domain[]> {
    if (this.#keeper.all.length === 0) return [];
    const rows = await this.#rows();
    return this.#keeper.all.map(domain => this.#facts(domain, rows)).filter(({ state }) => state !== 'absent');
  }

  async inspect(path: GuestPath): Promise<Domain> {
    if (!this.#keeper.find(path)) return absentDomain(path);
    const rows = await this.#rows();
    const domain = this.#keeper.find(path);
    return domain ? this.#facts(domain, rows) : absentDomain(path);
  }

  async statistics(): Promise<readonly DomainStatistics[]> {
    if (this.#keeper.all.length === 0) return [];
    try {
      const rows = await this.#xl.list();
      return this.#keeper.all.flatMap(domain => {
        const row = domain.rowIn(rows);
        return row ? [statisticsOf(domain, row)] : [];
      });
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'Xen did not tell what its domains use');
      return [];
    }
  }

  async foreign(): Promise<readonly ForeignDomain[]> {
    const rows = await this.#xl.list();
    const own = new Set(this.#keeper.all.flatMap(domain => domain.ownRows(rows).map(row => row.id)));
    return rows
      .filter(row => row.id !== OWN_DOMAIN && !row.isDying && !own.has(row.id))
      .map(({ id, name }) => ({
        id,
        name: nameWithout(name),
        kind: 'unmanaged',
        controllable: false,
        reason: 'it was made by another program, and no guest file of it is known here',
      }));
  }

  holdings(): readonly Holdings[] {
    return this.#keeper.all.map(domain => domain.holdings);
  }

  check({ config, path }: StartPlan): void {
    requirePossible(path, config, this.#info?.hasHardwareGuests ?? false);
  }

  start(plan: StartPlan, context: ActContext): Promise<Domain> {
    return this.#keeper.makeFirst('start', plan, context, domain => this.#maker.create(domain));
  }

  restoreState(plan: StartPlan, source: Readable, context: ActContext, signal?: AbortSignal): Promise<Domain> {
    return this.#keeper.makeFirst('restore', plan, context, domain =>
      this.#maker.restore(domain, source, domain.untilGivenUp(signal)),
    );
  }

  saveState(path: GuestPath, sink: Writable, _context: ActContext, options: SaveOptions = {}): Promise<void> {
    return this.#act('save', path, async (domain, row) => {
      if (domain.note.isAltered) {
        throw new AgentError(
          'NOT_SUPPORTED',
          `save ${path}: it got or lost devices while it ran, and could not be put together again as it is; stop and start it first`,
        );
      }
      // The system inside has a part in it: one that is paused runs for a moment.
      await untilSwitched(this.#xl, 'unpause', domain, row);
      try {
        await saveDomain(this.#xl, domain, sink, this.#parts.clock, {
          ...options,
          signal: domain.untilGivenUp(options.signal),
        });
      } catch (error) {
        await this.#asBefore(domain, row);
        throw error;
      }
    });
  }

  requestShutdown(path: GuestPath, by: ShutdownWay): Promise<void> {
    return this.#act('stop', path, async domain => {
      if (by === 'agent') {
        throw new AgentError('NOT_SUPPORTED', `stop ${path}: guests of Xen are asked by Xen's own way; use that`);
      }
      // By xenstore where its drivers listen there, else by the button of its machine.
      await this.#xl.act(`stop ${path}`, ['shutdown', '-F', domain.target]);
    });
  }

  requestReboot(path: GuestPath): Promise<void> {
    return this.#act('reboot', path, async domain => {
      domain.change({ rebootAsked: true });
      try {
        await this.#xl.act(`reboot ${path}`, ['reboot', '-F', domain.target]);
      } catch (error) {
        domain.change({ rebootAsked: false });
        throw error;
      }
    });
  }

  async destroy(path: GuestPath): Promise<void> {
    const domain = this.#keeper.find(path);
    if (!domain) return;
    // What lasts long and is in vain from now on is not waited for.
    domain.giveUp();
    await domain.inTurn(async () => {
      try {
        if (this.#keeper.find(path) === domain) await this.#keeper.remove(domain, 'it was destroyed');
      } finally {
        domain.goOn();
      }
    });
  }

  reset(path: GuestPath): Promise<void> {
    return this.#act('reset', path, domain => this.#keeper.replace(domain));
  }

  crash(path: GuestPath): Promise<void> {
    return this.#act('crash', path, async domain => {
      await this.#xl.act(`crash ${path}`, ['trigger', domain.target, 'nmi']);
    });
  }

  pause(path: GuestPath): Promise<void> {
    return this.#switch('pause', path, 'paused');
  }

  unpause(path: GuestPath): Promise<void> {
    return this.#switch('unpause', path, 'running');
  }

  attachDisk(path: GuestPath, disk: Disk): Promise<void> {
    return this.#change(path, plug => plug.attachDisk(disk));
  }

  detachDisk(path: GuestPath, target: string): Promise<void> {
    return this.#change(path, plug => plug.detachDisk(target));
  }

  changeMedium(path: GuestPath, drive: Disk): Promise<void> {
    return this.#change(path, plug => plug.changeMedium(drive));
  }

  attachNetworkInterface(path: GuestPath, card: NetworkInterface): Promise<void> {
    return this.#change(path, plug => plug.attachNetworkInterface(card));
  }

  detachNetworkInterface(path: GuestPath, mac: string): Promise<void> {
    return this.#change(path, plug => plug.detachNetworkInterface(mac));
  }

  setMemory(path: GuestPath, memoryMib: number): Promise<void> {
    return this.#change(path, plug => plug.setMemory(memoryMib));
  }

  setVcpus(path: GuestPath, count: number): Promise<void> {
    return this.#change(path, plug => plug.setVcpus(count));
  }

  setVncPassword(path: GuestPath, password: string): Promise<void> {
    return this.#change(path, plug => plug.setVncPassword(password));
  }

  dumpCore(path: GuestPath, file: string, _context: ActContext, signal?: AbortSignal): Promise<void> {
    return this.#act('dump', path, async domain => {
      await this.#xl.act(`dump ${path}`, ['dump-core', domain.target, file], {
        timeoutMs: DUMP_MS,
        signal: domain.untilGivenUp(signal),
      });
    });
  }

  async openSerial(path: GuestPath): Promise<Duplex> {
    const act = 'open the serial port of';
    const domain = this.#keeper.find(path);
    const id = domain?.note.domainId;
    if (!domain || id === undefined) throw noDomain(act, path);
    const { config } = domain.note;
    if (!config.serialPorts.includes('console')) {
      throw new AgentError('NOT_SUPPORTED', `${act} ${path}: it has none; write serial = 'pty' in its vm.cfg`);
    }
    return openConsole(this.#programs!.xenconsole, path, id, config.kind === 'hvm' ? 'serial' : 'pv');
  }

  async messages(): Promise<string> {
    return (await this.#xl.act('read what Xen said', ['dmesg'])).slice(-MESSAGES_BYTES);
  }

  onEvent(listener: (event: DomainEvent) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#watch?.close();
    this.#watch = undefined;
    await this.#keeper.release();
  }

  /** Undefined where Xen does not answer. */
  async #rows(): Promise<readonly DomainRow[] | undefined> {
    try {
      return await this.#xl.list();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'Xen does not tell of its domains');
      return undefined;
    }
  }

  #facts(domain: XenDomain, rows: readonly DomainRow[] | undefined): Domain {
    return rows ? this.#keeper.see(domain, rows) : domain.unreachable();
  }

  #whyNotMoved(config: GuestConfig): string | undefined {
    if (typeOf(config) === 'pv' && !this.#info?.hasShadowPaging) {
      return "this Xen cannot follow the memory of a pv guest while it runs (it has no shadow paging); write type = 'pvh', or stop and start it there";
    }
    return config.pciDevices.length > 0 ? 'it has devices of this server' : undefined;
  }

  #send(path: GuestPath, stream: Duplex, options: MigrationOptions): Promise<void> {
    stream.on('error', () => undefined);
    return this.#act('migrate', path, async domain => {
      const reason = this.#whyNotMoved(domain.note.config);
      if (reason !== undefined) throw new AgentError('NOT_SUPPORTED', `migrate ${path}: ${reason}`);
      const signal = domain.untilGivenUp(options.signal);
      domain.change({ isLeaving: true });
      try {
        await sendDomain(this.#xl, domain, stream, this.#parts.clock, { ...options, signal });
      } catch (error) {
        const rows = await this.#rows();
        if (rows && !domain.hasLeft(domain.rowIn(rows))) domain.change({ isLeaving: false });
        throw error;
      }
      await this.#keeper.remove(domain, 'it moved to another server');
    });
  }

  async #receive(plan: StartPlan, stream: Duplex, context: ActContext, signal?: AbortSignal): Promise<Domain> {
    stream.on('error', () => undefined);
    this.check(plan);
    return this.#keeper.makeFirst('receive', plan, context, domain =>
      this.#maker.receive(domain, () => receiveDomain(this.#programs!.xl, stream, domain.untilGivenUp(signal))),
    );
  }

  /** xl says that it is done also where Xen refused: it is looked at. */
  #switch(act: 'pause' | 'unpause', path: GuestPath, wanted: 'paused' | 'running'): Promise<void> {
    return this.#act(act, path, async (domain, row) => {
      const state = await untilSwitched(this.#xl, act, domain, row);
      if (state !== wanted) throw refused(act, path, `Xen says ${state}`);
    });
  }

  /** Paused or running, as it was; whether that fails is not what its caller waits to hear. */
  async #asBefore(domain: XenDomain, { isPaused }: DomainRow): Promise<void> {
    try {
      const row = domain.rowIn(await this.#xl.list());
      if (row) await untilSwitched(this.#xl, isPaused ? 'pause' : 'unpause', domain, row);
    } catch (error) {
      this.#parts.log.warn({ err: error, guest: domain.path }, 'a guest may not go on as it was before');
    }
  }

  #change(path: GuestPath, change: (plug: HotPlug) => Promise<void>): Promise<void> {
    return this.#act('change', path, domain => change(new HotPlug(this.#xl, domain, this.#parts.clock)));
  }

  #act(act: string, path: GuestPath, work: (domain: XenDomain, row: DomainRow) => Promise<void>): Promise<void> {
    return this.#keeper.act(act, path, work);
  }

  #make(program: string): [Xl, Maker, DomainKeeper] {
    const { clock, keptBootDirectory, log, runtimeDirectory, startTimeoutMs } = this.#parts;
    const xl = new Xl(program, clock);
    const maker = new Maker(xl, clock, startTimeoutMs);
    const keptBoot = new KeptBoot(keptBootDirectory);
    const tell = (event: DomainEvent): void => this.#tell(event);
    return [xl, maker, new DomainKeeper({ runtimeDirectory, xl, maker, keptBoot, clock, log, tell })];
  }

  #tell(event: DomainEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** A name without what does not belong into one: whoever made the domain chose it. */
function nameWithout(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return name.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').slice(0, 128);
}
