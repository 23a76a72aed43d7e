import type { Clock } from '../../host/clock.ts';
import { type EndPolicy, type QuietEnd, saferEnd } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import {
  type DomainEvent,
  type DomainProblem,
  type ForeignDomain,
  type Holdings,
  holdingsOf,
  type StartPlan,
} from '../driver.ts';
import { SimulatedSerialPort } from './simulated-serial-port.ts';
import { type SimulatedUse, steadyWork, sumOf, UNUSED } from './simulated-use.ts';

export interface SimulatedDomain {
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
  /** Whether it got or lost devices since its start. */
  isAltered: boolean;
  /** Stands for what its system has in memory: made anew by each boot, and kept by what keeps memory. */
  memory: string;
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
      isAltered: false,
      memory: `memory of boot ${id}`,
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

function endsByItself({ poweroff, reboot }: EndPolicy): boolean {
  return poweroff === 'destroy' && (reboot === 'restart' || reboot === 'destroy');
}
