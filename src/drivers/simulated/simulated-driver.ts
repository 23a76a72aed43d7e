import { writeFileSync } from 'node:fs';
import type { Duplex, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AgentError } from '../../errors.ts';
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
  type Probe,
  type SaveOptions,
  type ShutdownWay,
  type StartPlan,
} from '../driver.ts';
import type { SimulatedDomain, SimulatedMachine } from './simulated-machine.ts';
import type { SimulatedSerialPort } from './simulated-serial-port.ts';

/** How states of simulated domains begin. */
const STATE_MAGIC = 'simulated state: ';

/** A driver without a hypervisor, for pools of many servers in one process. It keeps the preconditions of the real ones. */
export class SimulatedDriver implements Driver {
  readonly name = 'simulated';
  readonly migration = undefined;
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

  capacity(): Promise<undefined> {
    return Promise.resolve(undefined);
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
      id: processId,
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
      return { path, state, id: processId, vcpus, memoryMib, maxMemoryMib, ...used, answerAgeMs: 0 };
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

  crash(path: GuestPath): Promise<void> {
    return this.#act('crash', path, () => this.#machine.crash(path));
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
      this.#hold(path, { disks: source === undefined ? others : [...others, { target, source, mode: 'r' }] }, false);
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

  async saveState(path: GuestPath, sink: Writable, _context: ActContext, options: SaveOptions = {}): Promise<void> {
    const { onProgress, signal } = options;
    const domain = this.#machine.domains.get(path);
    if (!domain) throw new AgentError('HYPERVISOR', `save ${path}: there is no domain of this guest`);
    if (domain.isAltered) {
      throw new AgentError(
        'NOT_SUPPORTED',
        `save ${path}: it got or lost devices while it ran; stop and start it first`,
      );
    }
    const before = domain.state;
    this.#machine.set(path, 'paused');
    try {
      onProgress?.(0, 1);
      await pipeline([Buffer.from(`${STATE_MAGIC}${domain.memory}\n`)], sink, signal ? { signal } : {});
      onProgress?.(1, 1);
    } catch (error) {
      this.#machine.set(path, before);
      throw signal?.aborted ? new AgentError('CANCELLED', `save ${path}: it was given up`, { cause: error }) : error;
    }
  }

  async restoreState(plan: StartPlan, source: Readable, _context: ActContext, signal?: AbortSignal): Promise<Domain> {
    const parts: Buffer[] = [];
    for await (const part of source) parts.push(part as Buffer);
    if (signal?.aborted) throw new AgentError('CANCELLED', `restore ${plan.path}: it was given up`);
    const text = Buffer.concat(parts).toString();
    if (!text.startsWith(STATE_MAGIC) || !text.endsWith('\n')) {
      throw new AgentError('HYPERVISOR', `restore ${plan.path}: the state cannot be read`);
    }
    await this.start(plan);
    const domain = this.#machine.domains.get(plan.path)!;
    domain.memory = text.slice(STATE_MAGIC.length, -1);
    this.#machine.set(plan.path, 'paused');
    return this.inspect(plan.path);
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

  messages(): Promise<string> {
    return Promise.resolve(`simulated guests: ${this.#machine.domains.size}\n`);
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

  /** @param isDevice whether the machine itself is changed, and not a medium in a drive of it */
  #hold(path: GuestPath, change: Partial<Holdings>, isDevice = true): void {
    const domain = this.#machine.domains.get(path);
    if (!domain) return;
    domain.holdings = { ...domain.holdings, ...change };
    domain.isAltered ||= isDevice;
  }
}

/** As QEMU: a domain goes by itself only where that is right whichever way its system ends. */
function noAgent(path: GuestPath): AgentError {
  return new AgentError('NOT_SUPPORTED', `stop ${path}: no guest agent answers inside; use the power button`);
}

function notSupported(path: GuestPath, why: string): AgentError {
  return new AgentError('NOT_SUPPORTED', `change ${path}: ${why}; stop it first`);
}
