import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { InterfaceCounters, ProcessTimes } from '../../host/kernel-counters.ts';
import type { Log } from '../../host/log.ts';
import { readInterfaces, readProcess } from '../../host/server-counters.ts';
import type { DomainState } from '../../model/guest-state.ts';
import type { DomainStatistics } from '../driver.ts';
import { argumentsOf } from './process.ts';
import type { QemuDomain } from './qemu-domain.ts';
import { type StartSizes, startSizes } from './start-sizes.ts';
import { balloonMib, blocksOf, networkOf, NOTHING, processorsOf } from './usage.ts';

/** Processes that are read before others get their turn: about a millisecond's work. */
const SLICE = 50;
/**
 * Guests that are asked each second, in the long run. What the kernel knows costs a hundredth of a millisecond for each
 * guest and is read each time; three questions to QEMU cost this process more than ten times as much, and QEMU's main loop too.
 */
const ASKED_PER_SECOND = 25;
/** Guests that are asked at once after a pause: as many are always up to date. */
const MOST_ASKED = 150;
const ASKED_TOGETHER = 8;
/** Time for which an answer holds, whoever asks how often, unless something happened. */
const ANSWER_HOLDS_MS = 900;
/** Time after which a guest's answer is no longer waited for; it counts when it comes. */
const PATIENCE_MS = 200;
/** Time for all questions of one reading. */
const READING_MS = 1_000;
/** Time after which a guest that did not answer is asked again. */
const AFTER_SILENCE_MS = 30_000;

/** What QEMU itself said of a guest. */
interface Answer {
  readonly at: number;
  readonly state: DomainState;
  readonly memoryMib: number;
  readonly blocks: DomainStatistics['blocks'];
}

interface Known {
  readonly sizes: StartSizes;
  /** Of its process: another one with the same number started later. */
  readonly startedAtTicks: number;
  answer: Answer | undefined;
  vcpus: number | undefined;
  isBeingAsked: boolean;
  /** Something happened since it was asked. */
  isStale: boolean;
  notBefore: number;
}

/** What of a domain is looked at. */
export type MeasuredDomain = Pick<
  QemuDomain,
  'execute' | 'hasEnded' | 'inspect' | 'isAlive' | 'note' | 'path' | 'process'
>;

export interface QemuStatisticsParts {
  readonly domains: () => Iterable<MeasuredDomain>;
  readonly clock: Clock;
  readonly log: Log;
  /** The kernel's counters of a process, and of all network interfaces. */
  readonly process?: (id: number) => ProcessTimes | undefined;
  readonly argumentsOf?: (id: number) => readonly string[] | undefined;
  readonly interfaces?: () => ReadonlyMap<string, InterfaceCounters>;
}

/** What the QEMU processes of this server use: from the kernel at each reading, from QEMU itself at a bounded pace. */
export class QemuStatistics {
  readonly #parts: Required<QemuStatisticsParts>;
  readonly #known = new WeakMap<MeasuredDomain, Known>();
  #running: Promise<readonly DomainStatistics[]> | undefined;
  #questionsLeft = MOST_ASKED;
  #countedAt: number;

  constructor(parts: QemuStatisticsParts) {
    this.#parts = { process: readProcess, interfaces: readInterfaces, argumentsOf, ...parts };
    this.#countedAt = parts.clock.monotonic();
  }

  /** Callers that come together share one reading. */
  read(): Promise<readonly DomainStatistics[]> {
    this.#running ??= this.#read().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Something happened to a guest: it is among the first to be asked. */
  changed(domain: MeasuredDomain, { vcpus = false } = {}): void {
    const known = this.#known.get(domain);
    if (!known) return;
    known.isStale = true;
    if (vcpus) known.vcpus = undefined;
  }

  async #read(): Promise<readonly DomainStatistics[]> {
    await this.#inSlices([...this.#parts.domains()], domain => this.#meet(domain));
    await this.#askThoseDue();
    // Processor time comes last: rates are taken over the time between the ends of two readings.
    const interfaces = this.#parts.interfaces();
    const all: DomainStatistics[] = [];
    await this.#inSlices([...this.#parts.domains()], domain => {
      const one = this.#statisticsOf(domain, interfaces);
      if (one) all.push(one);
    });
    return all;
  }

  async #inSlices(domains: readonly MeasuredDomain[], work: (domain: MeasuredDomain) => void): Promise<void> {
    for (const [index, domain] of domains.entries()) {
      if (index > 0 && index % SLICE === 0) await nextTurn();
      work(domain);
    }
  }

  #meet(domain: MeasuredDomain): void {
    if (this.#known.has(domain) || domain.hasEnded || !domain.isAlive()) return;
    const times = this.#parts.process(domain.process.id);
    if (!times) return;
    this.#known.set(domain, {
      sizes: startSizes(this.#parts.argumentsOf(domain.process.id) ?? []),
      startedAtTicks: times.startedAtTicks,
      answer: undefined,
      vcpus: undefined,
      isBeingAsked: false,
      isStale: true,
      notBefore: 0,
    });
  }

  async #askThoseDue(): Promise<void> {
    const { clock } = this.#parts;
    const queue = this.#due();
    this.#questionsLeft = Math.max(0, this.#questionsLeft - queue.length);
    const deadline = clock.monotonic() + READING_MS;
    const askOneByOne = async (): Promise<void> => {
      while (clock.monotonic() < deadline) {
        const next = queue.shift();
        if (!next) return;
        const stop = new AbortController();
        const late = clock.sleep(PATIENCE_MS, stop.signal).catch(() => undefined);
        await Promise.race([this.#ask(...next), late]);
        stop.abort();
      }
    };
    await Promise.all(Array.from({ length: Math.min(ASKED_TOGETHER, queue.length) }, askOneByOne));
    this.#questionsLeft += queue.length;
  }

  /** Those to whom something happened, whatever was asked before; then those who were asked longest ago. */
  #due(): [MeasuredDomain, Known][] {
    const now = this.#parts.clock.monotonic();
    this.#questionsLeft = Math.min(
      MOST_ASKED,
      this.#questionsLeft + ((now - this.#countedAt) / 1000) * ASKED_PER_SECOND,
    );
    this.#countedAt = now;
    const all = [...this.#parts.domains()].flatMap((domain): [MeasuredDomain, Known][] => {
      const known = this.#known.get(domain);
      if (!known || known.isBeingAsked || known.notBefore > now || domain.hasEnded) return [];
      return known.isStale || now - (known.answer?.at ?? 0) >= ANSWER_HOLDS_MS ? [[domain, known]] : [];
    });
    const isUrgent = ({ answer, isStale }: Known): boolean => isStale && answer !== undefined;
    const order = (left: Known, right: Known): number =>
      Number(isUrgent(right)) - Number(isUrgent(left)) || (left.answer?.at ?? 0) - (right.answer?.at ?? 0);
    const urgent = all.filter(([, known]) => isUrgent(known)).length;
    return all
      .sort(([, left], [, right]) => order(left, right))
      .slice(0, Math.min(MOST_ASKED, Math.max(urgent, Math.floor(this.#questionsLeft))));
  }

  /** Never throws. */
  async #ask(domain: MeasuredDomain, known: Known): Promise<void> {
    const { clock, log } = this.#parts;
    known.isBeingAsked = true;
    known.isStale = false;
    try {
      const { state } = await domain.inspect();
      if (state === 'absent') return;
      if (state === 'unreachable') {
        known.notBefore = clock.monotonic() + AFTER_SILENCE_MS;
        const { blocks, memoryMib } = known.answer ?? { blocks: NOTHING, memoryMib: known.sizes.memoryMib };
        known.answer = { at: known.answer?.at ?? clock.monotonic(), state, memoryMib, blocks };
        return;
      }
      const [memoryMib, blocks, vcpus] = await Promise.all([
        balloonMib(domain),
        blocksOf(domain),
        known.vcpus ?? processorsOf(domain),
      ]);
      known.vcpus = vcpus;
      known.answer = { at: clock.monotonic(), state, memoryMib, blocks };
    } catch (error) {
      // It ended meanwhile, or does not answer: its last figures hold until it is asked again.
      known.notBefore = clock.monotonic() + AFTER_SILENCE_MS;
      log.debug({ guest: domain.path, reason: messageOf(error) }, 'QEMU does not tell what its guest uses');
    } finally {
      known.isBeingAsked = false;
    }
  }

  #statisticsOf(
    domain: MeasuredDomain,
    interfaces: ReadonlyMap<string, InterfaceCounters>,
  ): DomainStatistics | undefined {
    const known = this.#known.get(domain);
    const times = known && !domain.hasEnded ? this.#parts.process(domain.process.id) : undefined;
    if (!known || times?.startedAtTicks !== known.startedAtTicks) return undefined;
    const { answer, sizes, vcpus } = known;
    return {
      path: domain.path,
      state: answer?.state ?? 'unreachable',
      id: domain.process.id,
      vcpus: vcpus ?? sizes.vcpus,
      processorTimeMs: times.processorTimeMs,
      memoryMib: answer?.memoryMib ?? sizes.memoryMib,
      maxMemoryMib: sizes.maxMemoryMib,
      blocks: answer?.blocks ?? NOTHING,
      network: networkOf(domain, interfaces),
      answerAgeMs: answer ? this.#parts.clock.monotonic() - answer.at : 0,
    };
  }
}
