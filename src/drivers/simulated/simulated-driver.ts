import { AgentError } from '../../errors.ts';
import type { EndPolicy } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import { absentDomain, type Domain, type DomainEvent, type Driver, type Probe, type StartPlan } from '../driver.ts';

interface SimulatedDomain {
  state: DomainState;
  readonly ends: EndPolicy;
  readonly processId: number;
  readonly vncPort: number | undefined;
  /** Whether the system inside answers the power button. */
  answers: boolean;
  rebooting: boolean;
}

/**
 * The machine on which simulated domains live. It outlasts drivers, as a server outlasts its agents, and has hands for
 * what systems inside guests do of their own accord.
 */
export class SimulatedMachine {
  readonly domains = new Map<GuestPath, SimulatedDomain>();
  readonly listeners = new Set<(event: DomainEvent) => void>();
  #nextProcessId = 1000;

  boot(plan: StartPlan): void {
    const id = this.#nextProcessId++;
    this.domains.set(plan.path, {
      state: 'running',
      ends: plan.config.ends,
      processId: id,
      vncPort: plan.config.display ? 5900 + (id % 100) : undefined,
      answers: true,
      rebooting: false,
    });
  }

  /** The system inside powers off. */
  powerOff(path: GuestPath): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    if (domain.rebooting || domain.ends.poweroff !== 'destroy') {
      domain.state = 'halted';
      this.tell({ path, kind: 'changed' });
    } else {
      this.remove(path, 'its system powered off');
    }
  }

  /** The system inside crashes. */
  crash(path: GuestPath): void {
    this.set(path, 'crashed');
  }

  /** The system inside no longer answers the power button. */
  hang(path: GuestPath): void {
    const domain = this.domains.get(path);
    if (domain) domain.answers = false;
  }

  set(path: GuestPath, state: DomainState): void {
    const domain = this.domains.get(path);
    if (!domain) return;
    domain.state = state;
    this.tell({ path, kind: 'changed' });
  }

  remove(path: GuestPath, reason: string): void {
    if (this.domains.delete(path)) this.tell({ path, kind: 'ended', reason });
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
    const { state, processId, vncPort, ends } = domain;
    return Promise.resolve({ path, state, processId, vncPort, ends });
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

  requestShutdown(path: GuestPath): Promise<void> {
    return this.#act('stop', path, domain => {
      if (domain.answers && domain.state === 'running') this.#machine.powerOff(path);
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
    return this.#act('unpause', path, () => this.#machine.set(path, 'running'));
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
    const domain = this.#machine.domains.get(path);
    if (!domain) {
      return Promise.reject(new AgentError('HYPERVISOR', `${act} ${path}: there is no domain of this guest`));
    }
    change(domain);
    return Promise.resolve();
  }
}
