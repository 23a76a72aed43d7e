import { mkdirSync, watch } from 'node:fs';
import type { Duplex, Readable, Writable } from 'node:stream';
import { AgentError, messageOf } from '../../errors.ts';
import { makeTaps, requireRoomFor } from '../../host/bridges.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { killProcess } from '../../host/processes.ts';
import type { Disk, NetworkInterface } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import {
  absentDomain,
  type ActContext,
  type Domain,
  type DomainEvent,
  type DomainStatistics,
  type Driver,
  type ForeignDomain,
  type Holdings,
  holdingsOf,
  type Probe,
  type SaveOptions,
  type ShutdownWay,
  type StartPlan,
} from '../driver.ts';
import { qemuArguments, type QemuHost } from './arguments.ts';
import { endActionsOf } from './end-actions.ts';
import { findForeignQemus } from './foreign.ts';
import { whyNotHandedThrough } from './host-devices.ts';
import { HotPlug } from './hot-plug.ts';
import { findQemuByMonitor, isQemuOf, type QemuProcess, spawnQemu, watchProcess } from './process.ts';
import { momentOf, reachMonitor, said, settleIn, withWords } from './launch.ts';
import { clearUpAfter, QemuDomain, refused } from './qemu-domain.ts';
import type { QmpEvent } from '../qmp-connection.ts';
import { resetMachine } from './resets.ts';
import { Resources } from './resources.ts';
import { whyNotOnQemu } from './refusals.ts';
import { RunDirectory, type RunNote } from './run-directory.ts';
import { connectSerial } from './serial-port.ts';
import { StateTransfer } from './state-transfer.ts';
import { tapsOf } from './taps.ts';
import { QemuStatistics } from './statistics.ts';

export interface QemuDriverParts {
  /** Name or path of the emulator. */
  readonly program: string;
  /** Where each running guest has a directory. */
  readonly runtimeDirectory: string;
  /** Time for a guest to run after its QEMU was started. */
  readonly startTimeoutMs: number;
  readonly host: Omit<QemuHost, 'accelerator'>;
  /** Host processors of guests that name none; none stands for those of the agent. */
  readonly processors: readonly number[];
  readonly probe: () => Promise<Probe>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Time to find one guest of an earlier agent; one that is still starting needs some. */
const ADOPT_MS = 10_000;

/** Guests as QEMU processes of this server, asked and told over QMP. */
export class QemuDriver implements Driver {
  readonly name = 'qemu';
  readonly migration = undefined;
  readonly #parts: QemuDriverParts;
  readonly #domains = new Map<GuestPath, QemuDomain>();
  readonly #listeners: ((event: DomainEvent) => void)[] = [];
  readonly #statistics: QemuStatistics;
  #accelerator: 'kvm' | 'tcg' = 'tcg';

  constructor(parts: QemuDriverParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#statistics = new QemuStatistics({ domains: () => this.#domains.values(), clock, log });
  }

  async probe(): Promise<Probe> {
    const result = await this.#parts.probe();
    if (result.usable) this.#accelerator = result.accelerator === 'kvm' ? 'kvm' : 'tcg';
    return result;
  }

  capacity(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async adopt(context: ActContext): Promise<readonly Domain[]> {
    mkdirSync(this.#parts.runtimeDirectory, { recursive: true, mode: 0o700 });
    const found = await Promise.all(
      RunDirectory.all(this.#parts.runtimeDirectory).map(({ place, note }) => this.#adoptOne(place, note, context)),
    );
    return found.filter(domain => domain !== undefined);
  }

  list(): Promise<readonly Domain[]> {
    return Promise.all([...this.#domains.values()].map(domain => domain.inspect()));
  }

  inspect(path: GuestPath): Promise<Domain> {
    return this.#domains.get(path)?.inspect() ?? Promise.resolve(absentDomain(path));
  }

  statistics(): Promise<readonly DomainStatistics[]> {
    return this.#statistics.read();
  }

  check({ config, path }: StartPlan): void {
    const reason = whyNotOnQemu(config) ?? whyNotHandedThrough(config.pciDevices);
    if (reason !== undefined) throw new AgentError('NOT_SUPPORTED', `start ${path}: ${reason}`);
  }

  start(plan: StartPlan, context: ActContext): Promise<Domain> {
    return this.#launch(plan, context, [], async domain => {
      if (domain.state !== 'running') throw refused('start', plan.path, `QEMU says ${domain.state}`);
      return Promise.resolve(domain);
    });
  }

  saveState(path: GuestPath, sink: Writable, _context: ActContext, options: SaveOptions = {}): Promise<void> {
    const domain = this.#get('save', path);
    if (domain.note.isAltered) {
      throw new AgentError(
        'NOT_SUPPORTED',
        `save ${path}: it got or lost devices while it ran, and could not be put together again as it is; stop and start it first`,
      );
    }
    return new StateTransfer(domain, this.#parts.clock).save(sink, options);
  }

  restoreState(plan: StartPlan, source: Readable, context: ActContext, signal?: AbortSignal): Promise<Domain> {
    return this.#launch(plan, context, ['-incoming', 'defer', '-S'], async () => {
      const domain = this.#get('restore', plan.path);
      await new StateTransfer(domain, this.#parts.clock).load(source, signal);
      return domain.inspect();
    });
  }

  /**
   * Starts a QEMU, and ends it where what follows fails.
   * @param up what is to be done once it answers, with what it says then
   */
  async #launch(
    plan: StartPlan,
    context: ActContext,
    more: readonly string[],
    up: (domain: Domain) => Promise<Domain>,
  ): Promise<Domain> {
    const { clock, host, program, runtimeDirectory } = this.#parts;
    const { config, path } = plan;
    if (this.#domains.has(path)) throw refused('start', path, 'there is a QEMU of this guest already');
    const place = RunDirectory.of(runtimeDirectory, path);
    const taps = tapsOf(config, place);
    requireRoomFor(taps);
    const note: RunNote = {
      path,
      ends: config.ends,
      kind: config.kind,
      holdings: holdingsOf(plan),
      hasConsole: config.serialPorts.includes('console'),
      taps: Object.fromEntries(taps.map(tap => [tap.mac, tap.name])),
    };
    place.prepare(note);
    const moment = momentOf(clock);
    const args = [...qemuArguments(config, { ...host, accelerator: this.#accelerator }, place.files, moment), ...more];
    // Watched from before QEMU is there: its socket appears without anybody looking for it again and again.
    const watcher = watch(place.directory);
    let domain: QemuDomain | undefined;
    try {
      await makeTaps(taps, clock);
      const pinned = [...new Set(config.pinning.flat())].sort((left, right) => left - right);
      const processors = pinned.length > 0 ? pinned : this.#parts.processors;
      const qemu = spawnQemu(program, args, place.logFile, place.unitName, processors, config.share);
      context.log.info({ guest: path, processId: qemu.id, accelerator: this.#accelerator }, 'QEMU started');
      domain = this.#keep(note, place, qemu);
      const state = await reachMonitor(domain, watcher, clock, this.#parts.startTimeoutMs);
      const reached = await up(domain.factsWith(state));
      await settleIn(domain, config, clock, context);
      return domain.factsWith(reached.state);
    } catch (error) {
      const words = said(place);
      if (domain) await this.#abandon(domain);
      else await clearUpAfter(note, place, clock);
      throw withWords(error, words);
    } finally {
      watcher.close();
    }
  }

  async requestShutdown(path: GuestPath, by: ShutdownWay): Promise<void> {
    const domain = this.#get('stop', path);
    if (by === 'agent') await domain.agent.shutDown();
    else await domain.execute('system_powerdown');
  }

  async requestReboot(path: GuestPath): Promise<void> {
    const domain = this.#get('reboot', path);
    // QEMU has no button for a reboot: the system powers off, is kept, and is then reset.
    await domain.setEndActions({ shutdown: 'pause' });
    await domain.execute('system_powerdown');
  }

  async destroy(path: GuestPath): Promise<void> {
    await this.#domains.get(path)?.destroy();
  }

  async reset(path: GuestPath): Promise<void> {
    await resetMachine(this.#get('reset', path), this.#parts.clock);
  }

  async crash(path: GuestPath): Promise<void> {
    await this.#get('crash', path).execute('inject-nmi');
  }

  async pause(path: GuestPath): Promise<void> {
    await this.#get('pause', path).execute('stop');
  }

  async unpause(path: GuestPath): Promise<void> {
    await this.#get('unpause', path).execute('cont');
  }

  foreign(): Promise<readonly ForeignDomain[]> {
    return Promise.resolve().then(() => findForeignQemus(this.#parts.runtimeDirectory));
  }

  holdings(): readonly Holdings[] {
    return [...this.#domains.values()].map(domain => domain.note.holdings);
  }

  attachDisk(path: GuestPath, disk: Disk): Promise<void> {
    return this.#altering('change', path).attachDisk(disk);
  }

  detachDisk(path: GuestPath, target: string): Promise<void> {
    return this.#altering('change', path).detachDisk(target);
  }

  changeMedium(path: GuestPath, drive: Disk): Promise<void> {
    return this.#hotPlug('change', path).changeMedium(drive);
  }

  attachNetworkInterface(path: GuestPath, card: NetworkInterface): Promise<void> {
    return this.#altering('change', path).attachNetworkInterface(card);
  }

  detachNetworkInterface(path: GuestPath, mac: string): Promise<void> {
    return this.#altering('change', path).detachNetworkInterface(mac);
  }

  setMemory(path: GuestPath, memoryMib: number): Promise<void> {
    return this.#changeResources(path, resources => resources.setMemory(memoryMib));
  }

  setVcpus(path: GuestPath, count: number): Promise<void> {
    return this.#changeResources(path, resources => resources.setVcpus(count));
  }

  setVncPassword(path: GuestPath, password: string): Promise<void> {
    return this.#get('change', path).setVncPassword(password);
  }

  dumpCore(path: GuestPath, file: string, _context: ActContext, signal?: AbortSignal): Promise<void> {
    return this.#get('dump', path).dumpCore(file, signal);
  }

  async openSerial(path: GuestPath): Promise<Duplex> {
    const { note, place } = this.#get('open the serial port of', path);
    if (!note.hasConsole) {
      throw new AgentError(
        'NOT_SUPPORTED',
        `open the serial port of ${path}: it has none; write serial = 'pty' in its vm.cfg`,
      );
    }
    return connectSerial(path, place.files.serial);
  }

  messages(): Promise<string> {
    return Promise.resolve(RunDirectory.messages(this.#parts.runtimeDirectory));
  }

  onEvent(listener: (event: DomainEvent) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    for (const domain of this.#domains.values()) domain.release();
    this.#domains.clear();
    return Promise.resolve();
  }

  async #changeResources(path: GuestPath, change: (resources: Resources) => Promise<void>): Promise<void> {
    const domain = this.#get('change', path);
    try {
      await change(new Resources(domain, this.#parts.clock));
    } finally {
      this.#statistics.changed(domain, { vcpus: true });
    }
  }

  /** For what changes the machine itself: a medium in a drive does not. */
  #altering(act: string, path: GuestPath): HotPlug {
    this.#get(act, path).alter();
    return this.#hotPlug(act, path);
  }

  #hotPlug(act: string, path: GuestPath): HotPlug {
    return new HotPlug(this.#get(act, path), this.#parts.clock, this.#parts.host.userNetwork);
  }

  #get(act: string, path: GuestPath): QemuDomain {
    const domain = this.#domains.get(path);
    if (!domain) throw refused(act, path, 'there is no QEMU of this guest');
    return domain;
  }

  #keep(note: RunNote, place: RunDirectory, qemu: QemuProcess): QemuDomain {
    const { path } = note;
    const domain: QemuDomain = new QemuDomain({
      note,
      place,
      process: qemu,
      clock: this.#parts.clock,
      log: this.#parts.log,
      onEvent: (event, isReboot) => this.#heard(path, event, isReboot),
      onEnd: reason => {
        if (this.#domains.get(path) === domain) this.#domains.delete(path);
        this.#tell({ path, kind: 'ended', reason });
      },
    });
    this.#domains.set(path, domain);
    return domain;
  }

  async #abandon(domain: QemuDomain): Promise<void> {
    killProcess(domain.process.id);
    await domain.process.ended;
    await domain.ended();
  }

  async #adoptOne(place: RunDirectory, note: RunNote, { log }: ActContext): Promise<Domain | undefined> {
    const written = place.findProcessId();
    const { monitor } = place.files;
    const id = written !== undefined && isQemuOf(written, monitor) ? written : findQemuByMonitor(monitor);
    if (id === undefined) {
      await clearUpAfter(note, place, this.#parts.clock);
      log.info({ guest: note.path }, 'a guest of an earlier agent has ended');
      return undefined;
    }
    const domain = this.#keep(note, place, watchProcess(id, monitor, this.#parts.clock));
    const deadline = this.#parts.clock.monotonic() + ADOPT_MS;
    while (domain.isAlive() && this.#parts.clock.monotonic() < deadline) {
      try {
        await domain.askState(ADOPT_MS);
        await domain.readVncPort();
        // An agent that was killed in the middle of a reset leaves another.
        await domain.setEndActions({ reboot: endActionsOf(note.ends).reboot });
        break;
      } catch (error) {
        log.debug({ guest: note.path, reason: messageOf(error) }, 'QEMU is not ready yet');
        await this.#parts.clock.sleep(10);
      }
    }
    const found = await domain.inspect();
    log.info({ guest: note.path, processId: id, state: found.state }, 'found a guest of an earlier agent');
    return found.state === 'absent' ? undefined : found;
  }

  #heard(path: GuestPath, event: QmpEvent, isReboot: boolean): void {
    const telling = ['STOP', 'RESUME', 'SHUTDOWN', 'GUEST_PANICKED', 'RESET', 'BLOCK_IO_ERROR', 'DUMP_COMPLETED'];
    if (!telling.includes(event.event)) return;
    this.#parts.log.debug({ guest: path, event: event.event, data: event.data }, 'QEMU tells');
    const domain = this.#domains.get(path);
    if (domain) this.#statistics.changed(domain);
    this.#tell({ path, kind: isReboot ? 'rebooted' : 'changed' });
    if (event.event !== 'STOP') return;
    const failures = domain?.diskErrors.takeUntold() ?? [];
    for (const { reason, target } of failures) this.#tell({ path, kind: 'disk-error', target, reason });
  }

  #tell(event: DomainEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
