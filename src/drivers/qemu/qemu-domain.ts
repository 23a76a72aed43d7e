import { AgentError } from '../../errors.ts';
import { removeTaps } from '../../host/bridges.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { killProcess } from '../../host/processes.ts';
import { removeProcessorGroup } from '../../host/processor-groups.ts';
import { type QuietEnd, saferEnd } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import type { Domain, Holdings } from '../driver.ts';
import { DiskErrors } from './disk-errors.ts';
import { type EndActions, endActionsOf } from './end-actions.ts';
import { GuestAgent } from './guest-agent.ts';
import { isQemuOf, type QemuProcess } from './process.ts';
import { QmpConnection, type QmpEvent } from '../qmp-connection.ts';
import { Resets } from './resets.ts';
import type { RunDirectory, RunNote } from './run-directory.ts';

/** Time for one answer of a QEMU that lives. */
const ANSWER_MS = 5_000;
/** Time for a QEMU to end by itself after its system powered off. */
const ENDING_MS = 1_000;
/** Time to write a guest's whole memory. */
const DUMP_MS = 3_600_000;
/** Time for a QEMU to end after it was told to, before it is killed. */
const QUIT_MS = 3_000;

/** Run states of QEMU (QAPI RunState) as states of a domain. */
const STATE_OF_RUN_STATE: Readonly<Record<string, DomainState>> = {
  running: 'running',
  // The guest's own sleep (ACPI S3) is a way of running.
  suspended: 'running',
  // Reset while it was paused, and not told to go on: an agent that was killed between the two leaves it so.
  prelaunch: 'paused',
  inmigrate: 'starting',
  'io-error': 'stuck',
  shutdown: 'halted',
  'guest-panicked': 'crashed',
  'internal-error': 'crashed',
};

/** Ends of the system inside by the reasons of QAPI's ShutdownCause. */
const END_OF_REASON: Readonly<Record<string, QuietEnd>> = { 'guest-shutdown': 'poweroff', 'guest-reset': 'reboot' };

/** One QEMU of this server: its process, its monitor, and what was written down when it was started. */
export class QemuDomain {
  readonly path: GuestPath;
  readonly place: RunDirectory;
  readonly process: QemuProcess;
  readonly agent: GuestAgent;
  readonly diskErrors = new DiskErrors();
  vncPort: number | undefined;
  readonly #clock: Clock;
  readonly #resets: Resets;
  readonly #log: Log;
  readonly #onEvent: (event: QmpEvent, isReboot: boolean) => void;
  readonly #onEnd: (reason: string) => void;
  #ending: Promise<void> | undefined;
  /**
   * Its system powered off, and QEMU ends or pauses. One that ends is not asked meanwhile: QEMU 7.2 may wait for ever for a
   * question that comes while it clears up its monitors.
   */
  #isShuttingDown = false;
  /** Whether QEMU pauses when its system powers off; an earlier agent may have told it to do so. */
  #staysAtEnd: boolean;
  /** Aborted when the domain is let go of. */
  readonly #gone = new AbortController();
  readonly #watchers = new Set<(event: QmpEvent) => void>();
  #note: RunNote;
  #monitor: QmpConnection | undefined;
  #connecting: Promise<QmpConnection> | undefined;
  #endReason = 'its process ended unexpectedly';
  #ended = false;

  constructor(parts: {
    readonly note: RunNote;
    readonly place: RunDirectory;
    readonly process: QemuProcess;
    readonly clock: Clock;
    readonly log: Log;
    /** Told with whether it says that the system restarted of its own accord. */
    readonly onEvent: (event: QmpEvent, isReboot: boolean) => void;
    readonly onEnd: (reason: string) => void;
  }) {
    this.path = parts.note.path;
    this.#note = parts.note;
    this.place = parts.place;
    this.process = parts.process;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#onEvent = parts.onEvent;
    this.#onEnd = parts.onEnd;
    this.#staysAtEnd = endActionsOf(this.#note.ends).shutdown === 'pause';
    this.#resets = new Resets(this.#clock);
    this.agent = new GuestAgent({ path: this.path, socketPath: this.place.files.agent, clock: this.#clock });
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** What was written down of the guest, with what it got and lost since. */
  get note(): RunNote {
    return this.#note;
  }

  /** Writes down that it gets or loses a device. */
  alter(): void {
    if (this.#note.isAltered) return;
    this.#note = { ...this.#note, isAltered: true };
    this.place.write(this.#note);
  }

  /** Writes down what it holds on to now. */
  hold(holdings: Partial<Holdings>, taps = this.#note.taps): void {
    this.#note = { ...this.#note, taps, holdings: { ...this.#note.holdings, ...holdings } };
    this.place.write(this.#note);
  }

  /**
   * Sends one command, over a new connection where the earlier one was lost.
   * @param timeoutMs time for the answer; a QEMU that is just starting needs more than one that runs
   * @throws the socket's error, or AgentError TIMEOUT or HYPERVISOR
   */
  async execute(command: string, args?: Readonly<Record<string, unknown>>, timeoutMs = ANSWER_MS): Promise<unknown> {
    const monitor = this.#monitor?.isOpen ? this.#monitor : await this.#connect(timeoutMs);
    return monitor.execute(command, args, timeoutMs);
  }

  /**
   * Does something and waits for an event that follows from it.
   * @param signal ends the waiting, as the end of QEMU does
   * @returns undefined when it does not come in time
   */
  async eventAfter(
    isIt: (event: QmpEvent) => boolean,
    timeoutMs: number,
    act: () => Promise<unknown>,
    signal?: AbortSignal,
  ): Promise<QmpEvent | undefined> {
    const stop = new AbortController();
    let found: QmpEvent | undefined;
    const watcher = (event: QmpEvent): void => {
      if (!isIt(event)) return;
      found = event;
      stop.abort();
    };
    this.#watchers.add(watcher);
    try {
      await act();
      const either = AbortSignal.any([stop.signal, this.#gone.signal, ...(signal ? [signal] : [])]);
      await this.#clock.sleep(timeoutMs, either).catch(() => undefined);
      return found;
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #connect(timeoutMs: number): Promise<QmpConnection> {
    this.#connecting ??= QmpConnection.connect(this.place.files.monitor, timeoutMs, this.#clock, {
      onEvent: event => this.#heard(event),
      onClose: () => void this.#monitorClosed(),
    })
      .then(monitor => {
        this.#monitor = monitor;
        return monitor;
      })
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }

  /** Asks QEMU for its run state. A QEMU that has ended is absent; one that does not answer is unreachable. */
  async inspect(): Promise<Domain> {
    const state = await this.#state();
    const facts = this.factsWith(state);
    return state === 'stuck' ? { ...facts, problem: await this.#problem() } : facts;
  }

  async #problem(): Promise<Domain['problem']> {
    const blocks = await this.execute('query-block').catch((error: unknown) =>
      this.#log.debug({ err: error, guest: this.path }, 'QEMU does not say which disk failed'),
    );
    return this.diskErrors.problem(blocks);
  }

  factsWith(state: DomainState): Domain {
    return {
      path: this.path,
      state,
      id: this.process.id,
      vncPort: this.vncPort,
      ends: this.#note.ends,
      endedBy: state === 'halted' ? (this.#note.endedBy ?? saferEnd(this.#note.ends)) : undefined,
      problem: undefined,
    };
  }

  async readVncPort(): Promise<void> {
    const answer = (await this.execute('query-vnc')) as { enabled?: unknown; service?: unknown };
    const port = Number(answer.service);
    this.vncPort = answer.enabled === true && Number.isInteger(port) ? port : undefined;
  }

  /**
   * @param password empty: nobody can log in any more
   * @throws AgentError NOT_SUPPORTED when the display was started without a login
   */
  async setVncPassword(password: string): Promise<void> {
    const { auth, enabled } = (await this.execute('query-vnc')) as { enabled?: unknown; auth?: unknown };
    if (enabled !== true || auth !== 'vnc') {
      throw new AgentError(
        'NOT_SUPPORTED',
        `change ${this.path}: it runs with ${enabled === true ? 'a display that asks for no password' : 'no display'}, which ` +
          'stays so while it runs; stop it first',
      );
    }
    // An empty password would let those in who send an empty one; one that has expired lets nobody in.
    if (password !== '') await this.execute('set_password', { protocol: 'vnc', password });
    await this.execute('expire_password', { protocol: 'vnc', time: password === '' ? 'now' : 'never' });
  }

  /** @throws AgentError HYPERVISOR when QEMU cannot write the file, which is then incomplete */
  async dumpCore(file: string, signal?: AbortSignal): Promise<void> {
    const done = await this.eventAfter(
      ({ event }) => event === 'DUMP_COMPLETED',
      DUMP_MS,
      () => this.execute('dump-guest-memory', { paging: false, protocol: `file:${file}`, detach: true }),
      signal,
    );
    const { status } = (done?.data['result'] ?? {}) as { status?: unknown };
    if (status !== 'completed') {
      throw new AgentError(
        'HYPERVISOR',
        `dump ${this.path}: QEMU could not write its memory; see to the space on the disk`,
        {
          cause: done?.data['error'],
        },
      );
    }
  }

  /** What QEMU is to do of its own at an end of its system. */
  async setEndActions(actions: Partial<EndActions>): Promise<void> {
    await this.execute('set-action', actions);
    if (actions.shutdown) this.#staysAtEnd = actions.shutdown === 'pause';
  }

  /** Ends QEMU: by its own quit, or by a signal where it does not answer. Returns once the process is gone. */
  async destroy(): Promise<void> {
    this.#endReason = 'it was destroyed';
    await this.execute('quit').catch((error: unknown) =>
      this.#log.debug({ err: error }, 'QEMU did not answer to quit'),
    );
    const stop = new AbortController();
    const patience = this.#clock.sleep(QUIT_MS, stop.signal).then(
      () => killProcess(this.process.id),
      () => undefined,
    );
    await this.process.ended;
    stop.abort();
    await patience;
    await this.ended();
  }

  /** Lets go of the monitor; the guest lives on. */
  release(): void {
    this.#ended = true;
    this.#gone.abort();
    this.#monitor?.close();
  }

  /** To be called once the process is known to have ended; removes what was made for it and forgets the domain. */
  ended(): Promise<void> {
    if (this.#ended) return this.#ending ?? Promise.resolve();
    this.release();
    this.#ending = this.#clearUp();
    return this.#ending;
  }

  async #clearUp(): Promise<void> {
    try {
      await clearUpAfter(this.#note, this.place, this.#clock);
    } catch (error) {
      this.#log.error({ err: error, guest: this.path }, 'what was made for a guest could not be removed');
    }
    this.#onEnd(this.#endReason);
  }

  /** @throws as `execute` does */
  async askState(timeoutMs?: number): Promise<DomainState> {
    const answer = (await this.execute('query-status', undefined, timeoutMs)) as { status?: unknown };
    return STATE_OF_RUN_STATE[String(answer.status)] ?? 'paused';
  }

  async #state(): Promise<DomainState> {
    if (this.#isShuttingDown) await this.#endOr(ENDING_MS);
    try {
      const state = await this.askState();
      // It was told to stay.
      this.#isShuttingDown = false;
      return state;
    } catch (error) {
      if (!this.#ended && this.isAlive()) {
        this.#log.warn({ err: error, guest: this.path }, 'QEMU does not answer');
        if (!this.#isShuttingDown) return 'unreachable';
        this.#log.warn({ guest: this.path }, 'its system powered off, and QEMU hangs at its end; it is ended');
        killProcess(this.process.id);
        await this.process.ended;
      }
      await this.ended();
      return 'absent';
    }
  }

  /** Waits for the process to end, but no longer than that. */
  async #endOr(timeoutMs: number): Promise<void> {
    const stop = new AbortController();
    const late = this.#clock.sleep(timeoutMs, stop.signal).catch(() => undefined);
    await Promise.race([this.process.ended, late]);
    stop.abort();
  }

  isAlive(): boolean {
    return isQemuOf(this.process.id, this.place.files.monitor);
  }

  #heard(event: QmpEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
    this.diskErrors.heard(event);
    if (event.event === 'SHUTDOWN') {
      const reason = String(event.data['reason']);
      this.#endReason = endReason(reason);
      const end = END_OF_REASON[reason];
      if (end && !this.#ended) this.rememberEnd(end);
      // Told to end by anybody else, QEMU ends.
      this.#isShuttingDown = !end || !this.#staysAtEnd;
    }
    this.#onEvent(event, this.#resets.isReboot(event));
  }

  /** Written down at once: QEMU says it but once, and a later agent must know. */
  rememberEnd(endedBy: QuietEnd | undefined): void {
    this.#note = { ...this.#note, endedBy };
    try {
      this.place.write(this.#note);
    } catch (error) {
      this.#log.error({ err: error, guest: this.path }, 'how the system of a guest ended could not be written down');
    }
  }

  /** QEMU closes its monitor when it ends, and only then. */
  async #monitorClosed(): Promise<void> {
    if (this.#ended) return;
    const stop = new AbortController();
    const late = this.#clock.sleep(QUIT_MS, stop.signal).then(
      () => 'late',
      () => 'stopped',
    );
    const first = await Promise.race([this.process.ended.then(() => 'ended'), late]);
    stop.abort();
    if (first === 'ended') await this.ended();
    else this.#log.warn({ guest: this.path }, 'the monitor of QEMU was closed and its process lives');
  }
}

/** Removes what was made on this server for a guest that has ended: its interfaces, its group, its note last. */
export async function clearUpAfter(note: RunNote, place: RunDirectory, clock: Clock): Promise<void> {
  await removeTaps(Object.values(note.taps), clock);
  removeProcessorGroup(place.unitName);
  place.clear();
}

/** Sentences for the reasons of QAPI's ShutdownCause. */
function endReason(cause: string): string {
  const sentences: Readonly<Record<string, string>> = {
    'guest-shutdown': 'its system powered off',
    'guest-reset': 'its system rebooted, and on_reboot is destroy',
    'guest-panic': 'its system crashed',
    'host-qmp-quit': 'it was destroyed',
    'host-signal': 'its process was told to end by a signal',
    'host-error': 'QEMU failed',
  };
  return sentences[cause] ?? `it ended (${cause})`;
}

/** @throws AgentError HYPERVISOR */
export function refused(act: string, path: string, why: string, cause?: unknown): AgentError {
  return new AgentError('HYPERVISOR', `${act} ${path}: ${why}`, { cause });
}
