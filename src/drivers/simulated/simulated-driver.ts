import { writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import { type Disk, type EndPolicy, type NetworkInterface, type QuietEnd, saferEnd } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import {
  absentDomain,
  type Domain,
  type DomainEvent,
  type DomainStatistics,
  type DomainProblem,
  type Driver,
  type ForeignDomain,
  type Holdings,
  holdingsOf,
  type Probe,
  type ShutdownWay,
  type StartPlan,
} from '../driver.ts';
import { SimulatedSerialPort } from './simulated-serial-port.ts';
import { type SimulatedUse, steadyWork, sumOf, UNUSED } from './simulated-use.ts';

interface SimulatedDomain {
  state: DomainState;
  readonly ends: EndPolicy;
  readonly processId: number;
  readonly vncPort: number | undefined;
  readonly drives: readonly string[];
  readonly hasLogin: boolean;
  readonly serial: SimulatedSerialPort | undefined;
  readonly maxMemoryMib: number;
  readonly maxVcpus: number;
  holdings: Holdings;
  memoryMib: number;
  vcpus: number;
  used: SimulatedUse;
  /** Whether the system inside answers the power button. */
  answers: boolean;
  /** Whether an agent inside does. */
  agentAnswers: boolean;
  endedBy: QuietEnd | undefined;
  problem: DomainProblem | undefined;
  rebooting: boolean;
}

/**
 * The machine on which simulated domains live. It outlasts drivers, as a server outlasts its agents, and has hands for
 * what systems inside guests do of their own accord.
 */
export class SimulatedMachine {
  readonly domains = new Map<GuestPath, SimulatedDomain>();
  /** What others run on this machine. */
  readonly strangers: ForeignDomain[] = [];
  readonly listeners = new Set<(event: DomainEvent) => void>();
  readonly #clock: Clock | undefined;
  #nextProcessId = 1000;
  #workedUntil: number;

  /** @param clock by which running domains work at a steady pace; without one they work when `work` is called only */
  constructor(clock?: Clock) {
    this.#clock = clock;
    this.#workedUntil = clock?.monotonic() ?? 0;
  }

  /** Lets running domains have done what they do in the time since the last call. */
  passTime(): void {
    if (!this.#clock) return;
    const now = this.#clock.monotonic();
    const elapsedMs = now - this.#workedUntil;
    this.#workedUntil = now;
    for (const [path, { processId, state }] of this.domains) {
      // Each at a pace of its own: 1 to 10 % of a processor.
      if (state === 'running') this.work(path, steadyWork(elapsedMs, (processId % 10) + 1));
    }
  }

  boot(plan: StartPlan): void {
    const id = this.#nextProcessId++;
    const { disks, display, maxMemoryMib, maxVcpus, memoryMib, vcpus } = plan.config;
    this.domains.set(plan.path, {
      drives: disks.filter(disk => disk.isCdrom).map(disk => disk.target),
      hasLogin: display?.password !== undefined,
      holdings: holdingsOf(plan),
      serial: plan.config.serialPorts.includes('console') ? new SimulatedSerialPort() : undefined,
      maxMemoryMib,
      maxVcpus,
      memoryMib,
      vcpus,
      used: UNUSED,
      state: 'running',
      ends: plan.config.ends,
      processId: id,
      vncPort: plan.config.display ? 5900 + (id % 100) : undefined,
      answers: true,
      agentAnswers: false,
      endedBy: undefined,
      problem: undefined,
      rebooting: false,
    });
  }

  /** The system inside powers off. */
  powerOff(path: GuestPath): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    if (domain.rebooting || !endsByItself(domain.ends)) this.#halt(path, domain, 'poweroff');
    else this.remove(path, 'its system powered off');
  }

  /** The system inside restarts. */
  reboot(path: GuestPath): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    if (domain.ends.reboot === 'restart') this.tell({ path, kind: 'rebooted' });
    else if (domain.rebooting || !endsByItself(domain.ends)) this.#halt(path, domain, 'reboot');
    else this.remove(path, 'its system rebooted, and on_reboot is destroy');
  }

  /** The system inside works: it uses that much more. */
  work(path: GuestPath, more: SimulatedUse): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    domain.used = sumOf(domain.used, more);
  }

  /** The system inside crashes. */
  crash(path: GuestPath): void {
    this.set(path, 'crashed');
  }

  /** Nobody inside answers any more, neither to the power button nor to the hypervisor. */
  hang(path: GuestPath): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    domain.answers = false;
    domain.agentAnswers = false;
  }

  /** An agent inside begins to answer, or stops doing so. */
  answerAgent(path: GuestPath, answers = true): void {
    const domain = this.domains.get(path);
    if (domain) domain.agentAnswers = answers;
  }

  /** A disk fails; each time that it is unpaused it fails again, until `mendDisk`. */
  failDisk(path: GuestPath, target: string, reason = 'no space is left for its image'): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    domain.problem = { kind: 'disk', target, reason };
    domain.state = 'stuck';
    this.tell({ path, kind: 'disk-error', target, reason });
  }

  /** The disk works again; the domain goes on when it is unpaused. */
  mendDisk(path: GuestPath): void {
    const domain = this.domains.get(path);
    if (domain) domain.problem = undefined;
  }

  /** Somebody else starts a domain on this machine. */
  plantStranger(stranger: Omit<ForeignDomain, 'kind' | 'id'>): ForeignDomain {
    const planted: ForeignDomain = { id: this.#nextProcessId++, kind: 'unmanaged', ...stranger };
    this.strangers.push(planted);
    return planted;
  }

  set(path: GuestPath, state: DomainState): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    domain.state = state;
    if (state !== 'halted') domain.endedBy = undefined;
    this.tell({ path, kind: 'changed' });
  }

  #halt(path: GuestPath, domain: SimulatedDomain, endedBy: QuietEnd): void {
    // Where nobody listens nobody knows.
    domain.endedBy = this.listeners.size > 0 ? endedBy : saferEnd(domain.ends);
    this.set(path, 'halted');
  }

  remove(path: GuestPath, reason: string): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    this.domains.delete(path);
    domain.serial?.end();
    this.tell({ path, kind: 'ended', reason });
  }

  tell(event: DomainEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

/** A driver without a hypervisor, for pools of many servers in one process. It keeps the preconditions of the real ones. */
export class SimulatedDriver implements Driver {
  readonly name = 'simulated';
  readonly #machine: SimulatedMachine;
  #listeners: ((event: DomainEvent) => void)[] = [];

  constructor(machine: SimulatedMachine) {
    this.#machine = machine;
  }

  probe(): Promise<Probe> {
    return Promise.resolve({
      usable: true,
      description: 'simulated guests: nothing runs',
      version: '1',
      accelerator: 'none',
    });
  }

  adopt(): Promise<readonly Domain[]> {
    return this.list();
  }

  list(): Promise<readonly Domain[]> {
    return Promise.all([...this.#machine.domains.keys()].map(path => this.inspect(path)));
  }

  inspect(path: GuestPath): Promise<Domain> {
    const domain = this.#machine.domains.get(path);
    if (!domain) return Promise.resolve(absentDomain(path));
    const { endedBy, ends, problem, processId, state, vncPort } = domain;
    return Promise.resolve({
      path,
      state,
      processId,
      vncPort,
      ends,
      endedBy: state === 'halted' ? endedBy : undefined,
      problem: state === 'stuck' ? problem : undefined,
    });
  }

  statistics(): Promise<readonly DomainStatistics[]> {
    this.#machine.passTime();
    const all = [...this.#machine.domains].map(([path, domain]): DomainStatistics => {
      const { maxMemoryMib, memoryMib, processId, state, used, vcpus } = domain;
      return { path, state, processId, vcpus, memoryMib, maxMemoryMib, ...used, answerAgeMs: 0 };
    });
    return Promise.resolve(all);
  }

  check(): void {
    // It simulates every configuration.
  }

  async start(plan: StartPlan): Promise<Domain> {
    if (this.#machine.domains.has(plan.path)) {
      throw new AgentError('HYPERVISOR', `start ${plan.path}: there is a domain of this guest already`);
    }
    this.#machine.boot(plan);
    return this.inspect(plan.path);
  }

  requestShutdown(path: GuestPath, by: ShutdownWay): Promise<void> {
    return this.#act('stop', path, domain => {
      const isAnswered = domain.agentAnswers && domain.state === 'running';
      if (by === 'agent' && !isAnswered) throw noAgent(path);
      if ((by === 'agent' || domain.answers) && domain.state === 'running') this.#machine.powerOff(path);
    });
  }

  requestReboot(path: GuestPath): Promise<void> {
    return this.#act('reboot', path, domain => {
      domain.rebooting = true;
      if (domain.answers && domain.state === 'running') this.#machine.powerOff(path);
    });
  }

  destroy(path: GuestPath): Promise<void> {
    this.#machine.remove(path, 'it was destroyed');
    return Promise.resolve();
  }

  reset(path: GuestPath): Promise<void> {
    return this.#act('reset', path, domain => {
      domain.rebooting = false;
      domain.answers = true;
      this.#machine.set(path, 'running');
    });
  }

  pause(path: GuestPath): Promise<void> {
    return this.#act('pause', path, () => this.#machine.set(path, 'paused'));
  }

  unpause(path: GuestPath): Promise<void> {
    return this.#act('unpause', path, ({ problem }) => {
      if (problem) this.#machine.failDisk(path, problem.target, problem.reason);
      else this.#machine.set(path, 'running');
    });
  }

  foreign(): Promise<readonly ForeignDomain[]> {
    return Promise.resolve([...this.#machine.strangers]);
  }

  holdings(): readonly Holdings[] {
    return [...this.#machine.domains.values()].map(domain => domain.holdings);
  }

  attachDisk(path: GuestPath, { mode, source, target }: Disk): Promise<void> {
    return this.#act('change', path, ({ holdings }) => {
      if (source === undefined || holdings.disks.some(disk => disk.target === target)) {
        throw notSupported(path, `disk ${target} cannot be given to it`);
      }
      this.#hold(path, { disks: [...holdings.disks, { target, source, mode }] });
    });
  }

  detachDisk(path: GuestPath, target: string): Promise<void> {
    return this.#act('change', path, ({ holdings }) => {
      if (!holdings.disks.some(disk => disk.target === target)) throw notSupported(path, `it has no disk ${target}`);
      this.#hold(path, { disks: holdings.disks.filter(disk => disk.target !== target) });
    });
  }

  changeMedium(path: GuestPath, { source, target }: Disk): Promise<void> {
    return this.#act('change', path, ({ drives, holdings }) => {
      if (!drives.includes(target)) throw notSupported(path, `it runs without the drive ${target}`);
      const others = holdings.disks.filter(disk => disk.target !== target);
      this.#hold(path, { disks: source === undefined ? others : [...others, { target, source, mode: 'r' }] });
    });
  }

  attachNetworkInterface(path: GuestPath, { mac }: NetworkInterface): Promise<void> {
    return this.#act('change', path, ({ holdings }) => {
      if (holdings.macs.includes(mac)) throw notSupported(path, `it has a card ${mac}`);
      this.#hold(path, { macs: [...holdings.macs, mac] });
    });
  }

  detachNetworkInterface(path: GuestPath, mac: string): Promise<void> {
    return this.#act('change', path, ({ holdings }) => {
      if (!holdings.macs.includes(mac)) throw notSupported(path, `it has no card ${mac}`);
      this.#hold(path, { macs: holdings.macs.filter(other => other !== mac) });
    });
  }

  setMemory(path: GuestPath, memoryMib: number): Promise<void> {
    return this.#act('change', path, domain => {
      if (memoryMib > domain.maxMemoryMib) throw notSupported(path, `it runs with room for ${domain.maxMemoryMib} MiB`);
      domain.memoryMib = memoryMib;
    });
  }

  setVcpus(path: GuestPath, count: number): Promise<void> {
    return this.#act('change', path, domain => {
      if (count > domain.maxVcpus) throw notSupported(path, `it runs with room for ${domain.maxVcpus} processors`);
      domain.vcpus = count;
    });
  }

  setVncPassword(path: GuestPath): Promise<void> {
    return this.#act('change', path, domain => {
      if (!domain.hasLogin) throw notSupported(path, 'it runs with a display that asks for no password');
    });
  }

  dumpCore(path: GuestPath, file: string): Promise<void> {
    return this.#act('dump', path, domain =>
      writeFileSync(file, `simulated memory of ${domain.memoryMib} MiB\n`, { mode: 0o600 }),
    );
  }

  async openSerial(path: GuestPath): Promise<Duplex> {
    const act = 'open the serial port of';
    let serial: SimulatedSerialPort | undefined;
    await this.#act(act, path, domain => {
      serial = domain.serial;
    });
    if (!serial) throw new AgentError('NOT_SUPPORTED', `${act} ${path}: it has none`);
    return serial.connect();
  }

  onEvent(listener: (event: DomainEvent) => void): void {
    this.#listeners.push(listener);
    this.#machine.listeners.add(listener);
  }

  close(): Promise<void> {
    for (const listener of this.#listeners) this.#machine.listeners.delete(listener);
    this.#listeners = [];
    return Promise.resolve();
  }

  #act(act: string, path: GuestPath, change: (domain: SimulatedDomain) => void): Promise<void> {
    return Promise.resolve().then(() => {
      const domain = this.#machine.domains.get(path);
      if (!domain) throw new AgentError('HYPERVISOR', `${act} ${path}: there is no domain of this guest`);
      change(domain);
    });
  }

  #hold(path: GuestPath, change: Partial<Holdings>): void {
    const domain = this.#machine.domains.get(path);
    if (domain) domain.holdings = { ...domain.holdings, ...change };
  }
}

/** As QEMU: a domain goes by itself only where that is right whichever way its system ends. */
function endsByItself({ poweroff, reboot }: EndPolicy): boolean {
  return poweroff === 'destroy' && (reboot === 'restart' || reboot === 'destroy');
}

function noAgent(path: GuestPath): AgentError {
  return new AgentError('NOT_SUPPORTED', `stop ${path}: no guest agent answers inside; use the power button`);
}

function notSupported(path: GuestPath, why: string): AgentError {
  return new AgentError('NOT_SUPPORTED', `change ${path}: ${why}; stop it first`);
}
