import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { AgentError, messageOf } from '../../errors.ts';
import { attachToBridge } from '../../host/bridges.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { killProcess } from '../../host/processes.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import {
  absentDomain,
  type ActContext,
  type Domain,
  type DomainEvent,
  type Driver,
  type Probe,
  type StartPlan,
} from '../driver.ts';
import { qemuArguments, type QemuHost, tapInterfaceName } from './arguments.ts';
import { findQemuByMonitor, isQemuOf, type QemuProcess, spawnQemu, watchProcess } from './process.ts';
import { QemuDomain, refused } from './qemu-domain.ts';
import type { QmpEvent } from './qmp-connection.ts';
import { RunDirectory, type RunNote } from './run-directory.ts';

export interface QemuDriverParts {
  /** Name or path of the emulator. */
  readonly program: string;
  /** Where each running guest has a directory. */
  readonly runtimeDirectory: string;
  /** Time for a guest to run after its QEMU was started. */
  readonly startTimeoutMs: number;
  readonly host: Omit<QemuHost, 'accelerator'>;
  readonly probe: () => Promise<Probe>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Time to find one guest of an earlier agent; one that is still starting needs some. */
const ADOPT_MS = 10_000;

/** Guests as QEMU processes of this server, asked and told over QMP. */
export class QemuDriver implements Driver {
  readonly name = 'qemu';
  readonly #parts: QemuDriverParts;
  readonly #domains = new Map<GuestPath, QemuDomain>();
  readonly #listeners: ((event: DomainEvent) => void)[] = [];
  #accelerator: 'kvm' | 'tcg' = 'tcg';

  constructor(parts: QemuDriverParts) {
    this.#parts = parts;
  }

  async probe(): Promise<Probe> {
    const result = await this.#parts.probe();
    if (result.usable) this.#accelerator = result.accelerator === 'kvm' ? 'kvm' : 'tcg';
    return result;
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

  check(plan: StartPlan): void {
    const { boot, ends, disks, kind } = plan.config;
    const refuse = (text: string): never => {
      throw new AgentError('NOT_SUPPORTED', `start ${plan.path}: ${text}`);
    };
    if (boot.from === 'bootloader') {
      refuse(`bootloader = ${boot.bootloader} is not run on QEMU; give kernel and ramdisk, or builder = 'hvm'`);
    }
    if (ends.reboot === 'preserve')
      refuse("on_reboot = 'preserve' cannot be kept on QEMU; write 'restart' or 'destroy'");
    if (ends.reboot === 'destroy' && ends.poweroff !== 'destroy') {
      refuse(
        "on_reboot = 'destroy' needs on_poweroff = 'destroy' on QEMU, which cannot tell the one end from the other",
      );
    }
    for (const disk of disks) {
      if (kind === 'hvm' && disk.mode === 'r' && !disk.isCdrom && disk.target.startsWith('hd')) {
        refuse(
          `disk ${disk.target} is read only, which an IDE disk cannot be; use xvd${disk.target.slice(2)} or :cdrom`,
        );
      }
    }
  }

  async start(plan: StartPlan, context: ActContext): Promise<Domain> {
    const { config, path } = plan;
    if (this.#domains.has(path)) throw refused('start', path, 'there is a QEMU of this guest already');
    const place = RunDirectory.of(this.#parts.runtimeDirectory, path);
    const note = { path, ends: config.ends, bridges: config.networkInterfaces.map(card => card.bridge) };
    place.prepare(note);
    const args = qemuArguments(config, { ...this.#parts.host, accelerator: this.#accelerator }, place.files);
    // Watched from before QEMU is there: its socket appears without anybody looking for it again and again.
    const watcher = watch(place.directory);
    let domain: QemuDomain | undefined;
    try {
      const qemu = spawnQemu(this.#parts.program, args, place.logFile, `ovs-guest-${place.files.interfacePrefix}`);
      context.log.info({ guest: path, processId: qemu.id, accelerator: this.#accelerator }, 'QEMU started');
      domain = this.#keep(note, place, qemu);
      const state = await this.#reach(domain, watcher);
      if (state !== 'running') throw refused('start', path, `QEMU says ${state}${said(place)}`);
      await this.#afterStart(domain, plan);
      return domain.factsWith(state);
    } catch (error) {
      if (domain) await this.#abandon(domain);
      else place.clear();
      throw error;
    } finally {
      watcher.close();
    }
  }

  async requestShutdown(path: GuestPath): Promise<void> {
    await this.#get('stop', path).execute('system_powerdown');
  }

  async requestReboot(path: GuestPath): Promise<void> {
    const domain = this.#get('reboot', path);
    // QEMU has no button for a reboot: the system powers off, is kept, and is then reset.
    await domain.execute('set-action', { shutdown: 'pause' });
    await domain.execute('system_powerdown');
  }

  async destroy(path: GuestPath): Promise<void> {
    await this.#domains.get(path)?.destroy();
  }

  async reset(path: GuestPath): Promise<void> {
    const domain = this.#get('reset', path);
    await domain.execute('set-action', { shutdown: domain.ends.poweroff === 'destroy' ? 'poweroff' : 'pause' });
    await domain.execute('system_reset');
    await domain.execute('cont');
  }

  async pause(path: GuestPath): Promise<void> {
    await this.#get('pause', path).execute('stop');
  }

  async unpause(path: GuestPath): Promise<void> {
    await this.#get('unpause', path).execute('cont');
  }

  onEvent(listener: (event: DomainEvent) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    for (const domain of this.#domains.values()) domain.release();
    this.#domains.clear();
    return Promise.resolve();
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
      onEvent: event => this.#heard(path, event),
      onEnd: reason => {
        if (this.#domains.get(path) === domain) this.#domains.delete(path);
        this.#tell({ path, kind: 'ended', reason });
      },
    });
    this.#domains.set(path, domain);
    return domain;
  }

  /** Asks for the state as soon as the monitor's socket is there. */
  async #reach(domain: QemuDomain, watcher: FSWatcher): Promise<DomainState> {
    const { clock, startTimeoutMs } = this.#parts;
    const deadline = clock.monotonic() + startTimeoutMs;
    const ended = domain.process.ended.then(() => 'ended' as const);
    const socketName = 'qmp';
    const appeared = new Promise<'appeared'>(resolve => {
      watcher.on('change', (_kind, name) => {
        if (name === socketName) resolve('appeared');
      });
    });
    const stop = new AbortController();
    const late = clock.sleep(startTimeoutMs, stop.signal).then(
      () => 'late' as const,
      () => 'late' as const,
    );
    const first = await Promise.race([appeared, ended, late]);
    stop.abort();
    if (first === 'ended') throw refused('start', domain.path, `QEMU ended at once${said(domain.place)}`);
    if (first === 'late') throw this.#tooLate(domain.path);
    for (;;) {
      try {
        return await domain.askState(startTimeoutMs);
      } catch (error) {
        if (!domain.isAlive()) throw refused('start', domain.path, `QEMU ended at once${said(domain.place)}`, error);
        if (clock.monotonic() > deadline) throw this.#tooLate(domain.path);
        // Between bind and listen of QEMU's socket there is a moment in which it refuses.
        await clock.sleep(1);
      }
    }
  }

  #tooLate(path: GuestPath): AgentError {
    return new AgentError(
      'TIMEOUT',
      `start ${path}: QEMU did not answer within ${this.#parts.startTimeoutMs / 1000} s; it was ended; see start_timeout`,
    );
  }

  async #afterStart(domain: QemuDomain, plan: StartPlan): Promise<void> {
    const { display, networkInterfaces } = plan.config;
    if (display) {
      if (display.password) await domain.execute('set_password', { protocol: 'vnc', password: display.password });
      await domain.readVncPort();
    }
    for (const [index, card] of networkInterfaces.entries()) {
      if (card.bridge === undefined) continue;
      await attachToBridge(tapInterfaceName(domain.place.files.interfacePrefix, index), card.bridge, this.#parts.clock);
    }
  }

  async #abandon(domain: QemuDomain): Promise<void> {
    killProcess(domain.process.id);
    await domain.process.ended;
    domain.ended();
  }

  async #adoptOne(place: RunDirectory, note: RunNote, { log }: ActContext): Promise<Domain | undefined> {
    const written = place.findProcessId();
    const { monitor } = place.files;
    const id = written !== undefined && isQemuOf(written, monitor) ? written : findQemuByMonitor(monitor);
    if (id === undefined) {
      place.clear();
      log.info({ guest: note.path }, 'a guest of an earlier agent has ended');
      return undefined;
    }
    const domain = this.#keep(note, place, watchProcess(id, monitor, this.#parts.clock));
    const deadline = this.#parts.clock.monotonic() + ADOPT_MS;
    while (domain.isAlive() && this.#parts.clock.monotonic() < deadline) {
      try {
        await domain.askState(ADOPT_MS);
        await domain.readVncPort();
        await this.#bridgeAgain(domain, note);
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

  /** The earlier agent may have ended between the start of QEMU and the bridging of its interfaces. */
  async #bridgeAgain(domain: QemuDomain, note: RunNote): Promise<void> {
    for (const [index, bridge] of note.bridges.entries()) {
      if (typeof bridge !== 'string') continue;
      await attachToBridge(tapInterfaceName(domain.place.files.interfacePrefix, index), bridge, this.#parts.clock);
    }
  }

  #heard(path: GuestPath, event: QmpEvent): void {
    const telling = ['STOP', 'RESUME', 'SHUTDOWN', 'GUEST_PANICKED', 'RESET', 'BLOCK_IO_ERROR'];
    if (!telling.includes(event.event)) return;
    this.#parts.log.debug({ guest: path, event: event.event, data: event.data }, 'QEMU tells');
    this.#tell({ path, kind: 'changed' });
  }

  #tell(event: DomainEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** What QEMU wrote before it ended, ready to be appended to a sentence. */
function said(place: RunDirectory): string {
  const text = place.logTail();
  return text === '' ? '' : `: ${text}`;
}
