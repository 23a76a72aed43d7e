import { randomUUID } from 'node:crypto';
import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { Store, StoredRecord } from '../store/store.ts';
import type { GuestLanes } from './guest-lanes.ts';
import type { Operation, Step } from './operation.ts';
import { Pace, type PaceFacts } from './pace.ts';

/** Operations that are under way, by their ids. */
export const OPERATION_DATABASE = 'operation';

/** Progress of work, for those who look on. */
export interface Progress extends PaceFacts {
  /** 0 to 100. */
  readonly percent: number;
  readonly step: string;
}

/** Who wants an operation, and hears of it. */
export interface OperationCaller {
  readonly log: Log;
  /** Aborted when the work is to be given up. */
  readonly signal?: AbortSignal | undefined;
  /** The job that the operation belongs to. */
  readonly job?: string | undefined;
  readonly report?: ((progress: Progress) => void) | undefined;
}

/** Where an operation is: told before each step is begun and after it has ended. */
export interface StepPoint {
  readonly operation: string;
  readonly step: string;
  readonly moment: 'begin' | 'end';
}

/** What became of an operation that an earlier agent left. */
export interface Recovered {
  readonly operation: string;
  readonly subject: string;
  readonly job: string | undefined;
  /** `stuck`: neither could be done; it is tried again before the next act there. */
  readonly outcome: 'finished' | 'undone' | 'stuck';
  readonly reason: string | undefined;
}

export interface OperationsParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** In which each is cleared up: what is found there then is not looked at by others halfway. */
  readonly lanes: GuestLanes;
  /** Lets tests stop, fail or give up an operation at each of its points. */
  readonly atPoint?: (point: StepPoint) => Promise<void> | void;
}

/**
 * Runs operations by a journal: before each step its name is durable, so that whoever finds the journal after a crash knows
 * what may have been done, and undoes or finishes it.
 */
export class Operations {
  readonly #parts: OperationsParts;
  readonly #known = new Map<string, Operation<object>>();
  /** Those that could neither be finished nor undone, by what they are about. */
  readonly #stuck = new Map<string, string>();

  constructor(parts: OperationsParts) {
    this.#parts = parts;
  }

  /** Makes an operation known, so that a later agent can go on with what an earlier one has begun. */
  define<S extends object>(operation: Operation<S>): Operation<S> {
    if (this.#known.has(operation.name)) throw new Error(`two operations are named ${operation.name}`);
    this.#known.set(operation.name, operation);
    return operation;
  }

  /** Every operation there is. */
  get all(): readonly Operation<object>[] {
    return [...this.#known.values()];
  }

  /**
   * Runs an operation to its end. When a step fails, or the caller gives up, what was done is taken back, the last step
   * first; from `finishFrom` on it is carried through.
   * @param subject what it is about, such as the path of a guest
   * @throws what the step threw, or AgentError CANCELLED
   */
  async run<S extends object>(
    operation: Operation<S>,
    subject: string,
    state: S,
    caller: OperationCaller,
  ): Promise<void> {
    const { clock, store } = this.#parts;
    const id = randomUUID();
    await store.merge(OPERATION_DATABASE, id, {
      operation: operation.name,
      subject,
      state: JSON.stringify(state),
      step: operation.steps[0]!.name,
      direction: 'forward',
      job: caller.job ?? null,
      began_at: new Date(clock.now()).toISOString(),
    });
    const signal = caller.signal ?? new AbortController().signal;
    const whole = operation.steps.reduce((sum, step) => sum + step.weight, 0);
    let before = 0;
    for (const [index, step] of operation.steps.entries()) {
      const done = before;
      const pace = new Pace(clock);
      const report = (share: number, doneBytes?: number): void => {
        const percent = (100 * (done + step.weight * Math.min(1, share))) / whole;
        caller.report?.({ percent, step: step.title, ...pace.at(share, doneBytes) });
      };
      try {
        if (!isPastReturn(operation, step)) requireWanted(operation, subject, signal);
        if (index > 0) await store.merge(OPERATION_DATABASE, id, { step: step.name });
        await this.#at(operation, step, 'begin');
        report(0);
        if (!isPastReturn(operation, step)) requireWanted(operation, subject, signal);
        await step.run(state, { log: caller.log, signal, report });
        await this.#at(operation, step, 'end');
      } catch (error) {
        if (isPastReturn(operation, step)) {
          caller.log.error({ operation: operation.name, subject, step: step.name, err: error }, 'an operation hangs');
          // Once more from where it is; after that it stays written down, and is gone on with before anything else is done there.
          this.#stuck.set(subject, id);
          await this.settle(subject);
          return;
        }
        await this.#takeBack(id, operation, subject, state, index, caller.log);
        throw asGivenUp(operation, subject, signal, error);
      }
      before += step.weight;
    }
    await store.delete(OPERATION_DATABASE, id);
  }

  /**
   * Finishes or undoes what an earlier agent has left. To be called before any act, once the hypervisor's domains are known.
   */
  async recover(): Promise<readonly Recovered[]> {
    const { lanes, store } = this.#parts;
    const found = store.list(OPERATION_DATABASE);
    return Promise.all(
      found.map(entry => lanes.follow(String(entry.fields['subject']), 'clear up', () => this.#recoverOne(entry))),
    );
  }

  /**
   * Tries again to clear up what could not be cleared up before: no other work is to be done on the same thing until then.
   * @throws AgentError HOST when it still cannot be done
   */
  async settle(subject: string): Promise<void> {
    const id = this.#stuck.get(subject);
    if (id === undefined) return;
    const entry = this.#parts.store.list(OPERATION_DATABASE).find(({ key }) => key === id);
    const result = entry && (await this.#recoverOne(entry));
    if (result?.outcome !== 'stuck') {
      this.#stuck.delete(subject);
      return;
    }
    throw new AgentError(
      'HOST',
      `${subject}: an earlier ${result.operation} could not be cleared up (${result.reason ?? ''}); see to that first`,
    );
  }

  async #recoverOne({ key, fields }: StoredRecord): Promise<Recovered> {
    const { log, store } = this.#parts;
    const { direction, job, operation: name, state, step: stepName, subject } = fields;
    const operation = this.#known.get(String(name));
    const index = operation?.steps.findIndex(step => step.name === stepName) ?? -1;
    const facts = {
      operation: String(name),
      subject: String(subject),
      job: typeof job === 'string' ? job : undefined,
    };
    if (!operation || index < 0) {
      log.error({ ...facts, step: stepName }, 'an operation of another version of the agent cannot be gone on with');
      return { ...facts, outcome: 'stuck', reason: 'this version of the agent does not know it' };
    }
    try {
      const facing = JSON.parse(String(state)) as object;
      if (direction === 'forward' && isPastReturn(operation, operation.steps[index]!)) {
        await this.#finish(key, operation, facing, index);
        log.info({ ...facts, step: stepName }, 'what an earlier agent began was finished');
        return { ...facts, outcome: 'finished', reason: undefined };
      }
      await this.#undo(operation, facing, index, log);
      await store.delete(OPERATION_DATABASE, key);
      log.info({ ...facts, step: stepName }, 'what an earlier agent began was undone');
      return { ...facts, outcome: 'undone', reason: undefined };
    } catch (error) {
      this.#stuck.set(facts.subject, key);
      log.error({ ...facts, step: stepName, err: error }, 'what an earlier agent began could not be cleared up');
      return { ...facts, outcome: 'stuck', reason: messageOf(error) };
    }
  }

  async #finish(id: string, operation: Operation<object>, state: object, from: number): Promise<void> {
    const { log, store } = this.#parts;
    const signal = new AbortController().signal;
    for (const step of operation.steps.slice(from)) {
      await store.merge(OPERATION_DATABASE, id, { step: step.name });
      await step.run(state, { log, signal, report: () => undefined });
    }
    await store.delete(OPERATION_DATABASE, id);
  }

  async #takeBack<S extends object>(
    id: string,
    operation: Operation<S>,
    subject: string,
    state: S,
    index: number,
    log: Log,
  ): Promise<void> {
    const { store } = this.#parts;
    try {
      await store.merge(OPERATION_DATABASE, id, { direction: 'back' });
      await this.#undo(operation, state, index, log);
      await store.delete(OPERATION_DATABASE, id);
    } catch (error) {
      // It stays written down, and is tried again before anything else is done there.
      this.#stuck.set(subject, id);
      log.error({ operation: operation.name, subject, err: error }, 'what was begun could not be taken back');
    }
  }

  /** Takes back the steps up to the given one, which may only have been begun. */
  async #undo<S extends object>(operation: Operation<S>, state: S, last: number, log: Log): Promise<void> {
    for (const step of operation.steps.slice(0, last + 1).reverse()) await step.undo?.(state, { log });
  }

  async #at<S extends object>(operation: Operation<S>, step: Step<S>, moment: StepPoint['moment']): Promise<void> {
    await this.#parts.atPoint?.({ operation: operation.name, step: step.name, moment });
  }
}

function isPastReturn<S extends object>({ finishFrom, steps }: Operation<S>, step: Step<S>): boolean {
  const first = steps.findIndex(candidate => candidate.name === finishFrom);
  return first >= 0 && steps.indexOf(step) >= first;
}

function requireWanted<S extends object>(operation: Operation<S>, subject: string, signal: AbortSignal): void {
  if (signal.aborted) throw cancelled(operation.name, subject, undefined);
}

/** What a step throws when it is given up on the way is nobody's fault. */
function asGivenUp<S extends object>(
  operation: Operation<S>,
  subject: string,
  signal: AbortSignal,
  error: unknown,
): unknown {
  if (!signal.aborted) return error;
  if (signal.reason instanceof AgentError) return signal.reason;
  return error instanceof AgentError && error.code === 'CANCELLED' ? error : cancelled(operation.name, subject, error);
}

function cancelled(name: string, subject: string, cause: unknown): AgentError {
  return new AgentError('CANCELLED', `${name} ${subject}: it was given up, and what was done was taken back`, {
    cause,
  });
}
