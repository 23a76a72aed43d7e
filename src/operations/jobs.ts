import { randomUUID } from 'node:crypto';
import { AgentError, asAgentError, messageOf } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { Store } from '../store/store.ts';
import { changesOf, endedStates, type Job, JOB_DATABASE, jobFrom } from './job-record.ts';
import type { Progress, Recovered } from './operations.ts';

/** What is asked for: one call of a method. */
export interface JobRequest {
  readonly method: string;
  readonly arguments: readonly unknown[];
  readonly user: string;
  readonly access: string;
  readonly guest: string | undefined;
}

/** What the work of a job is given. */
export interface JobContext {
  readonly job: string;
  readonly signal: AbortSignal;
  readonly report: (progress: Progress) => void;
}

export interface JobsParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Makes the call of a job.
   * @returns the reply; a promise that fails with AgentError where the call failed
   */
  readonly perform: (job: Job, context: JobContext) => Promise<unknown>;
  /** Whether a call that an earlier agent was killed in can be made again: its method looks at what is there first. */
  readonly isRepeatable: (method: string) => boolean;
  /** Whether what the call is to lead to is there already. */
  readonly hasHappened: (job: Job) => boolean;
  readonly onChange: (job: Job) => void;
  /** Most jobs that run at once; others wait. */
  readonly atOnce: number;
  /** Most jobs that wait. */
  readonly queue: number;
  /** How many ended jobs are kept. */
  readonly kept: number;
}

interface Live {
  job: Job;
  readonly cancel: AbortController;
  readonly done: Promise<Job>;
  readonly settle: (job: Job) => void;
  /** The work, where it is not the call of a method by `perform`. */
  readonly work: ((context: JobContext) => Promise<unknown>) | undefined;
  toldAt: number;
}

/** Progress is told this often at most; changes of the step are told at once. */
const TELL_MS = 500;

/** Ended jobs are removed in batches of this size. */
const TRIM_AFTER = 100;

/** Work that goes on while nobody waits for it. A job is durable before it begins, and ends once. */
export class Jobs {
  readonly #parts: JobsParts;
  readonly #live = new Map<string, Live>();
  readonly #waiting: Live[] = [];
  readonly #running = new Set<Live>();
  /** How many ended since the old ones were last removed: at the first one all are looked at. */
  #endedSinceTrim = TRIM_AFTER;
  #stopping = false;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  /**
   * Takes a job, and returns once it is durable.
   * @param key of the caller's choice: the same key of the same user stands for the same job, and never for two
   * @throws AgentError BAD_VALUE when the key was used for another call, BUSY when too many wait
   */
  async submit(request: JobRequest, key: string | undefined): Promise<Job> {
    const earlier = key === undefined ? undefined : this.#findByKey(request.user, key);
    if (earlier) return sameCall(earlier, request, key!);
    if (this.#stopping) throw new AgentError('STOPPING', `${request.method}: the agent is stopping`);
    if (this.#waiting.length >= this.#parts.queue) {
      throw new AgentError('BUSY', `${request.method}: ${this.#waiting.length} jobs wait already; try again later`);
    }
    const live = this.#make(request, undefined);
    const stored = this.#store(live.job, key);
    this.#waiting.push(live);
    await stored;
    this.#parts.onChange(live.job);
    this.#next();
    return live.job;
  }

  /**
   * Runs work that a caller waits for as a job that others can see and cancel.
   * @throws what the work throws
   */
  async attend<T>(request: JobRequest, work: (context: JobContext) => Promise<T>): Promise<T> {
    let result: { readonly value: T } | undefined;
    let failure: { readonly error: unknown } | undefined;
    const live = this.#make(request, async context => {
      try {
        result = { value: await work(context) };
        return result.value;
      } catch (error) {
        failure = { error };
        throw error;
      }
    });
    // A caller who waits is not kept waiting for those who do not.
    this.#start(live);
    await live.done;
    if (result) return result.value;
    // Where the job itself could not be stored its work was not begun.
    if (failure) throw failure.error;
    throw new AgentError('STORE', `${request.method}: ${live.job.error ?? 'its job could not be stored'}`);
  }

  list(): readonly Job[] {
    return this.#parts.store
      .list(JOB_DATABASE)
      .map(({ fields, key }) => this.#live.get(key)?.job ?? jobFrom(key, fields))
      .sort((left, right) => compare(left.createdAt, right.createdAt) || compare(left.id, right.id));
  }

  /** @throws AgentError NO_SUCH_RECORD */
  get(id: string): Job {
    const live = this.#live.get(id);
    if (live) return live.job;
    const fields = this.#parts.store.find(JOB_DATABASE, id);
    if (!fields) throw new AgentError('NO_SUCH_RECORD', `job ${JSON.stringify(id)}: there is none; see list_jobs`);
    return jobFrom(id, fields);
  }

  /** Waits until a job has ended, but no longer than that. */
  async wait(id: string, timeoutMs: number): Promise<Job> {
    const job = this.get(id);
    const live = this.#live.get(id);
    if (!live) return job;
    const stop = new AbortController();
    const late = this.#parts.clock.sleep(timeoutMs, stop.signal).catch(() => undefined);
    await Promise.race([live.done, late]);
    stop.abort();
    return this.get(id);
  }

  /**
   * Asks a job to end. One that waits has ended at once; one that runs takes back what it has done.
   * @throws AgentError NO_SUCH_RECORD, WRONG_STATE when it has ended
   */
  async cancel(id: string): Promise<Job> {
    const job = this.get(id);
    const live = this.#live.get(id);
    if (!live || endedStates.includes(job.state)) {
      throw new AgentError('WRONG_STATE', `cancel job ${id}: it is ${job.state}; only one that waits or runs can be`);
    }
    const place = this.#waiting.indexOf(live);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      await this.#end(live, { state: 'cancelled', error: 'CANCELLED: it was given up before it began' });
      return live.job;
    }
    this.#change(live, { state: 'cancelling' });
    live.cancel.abort();
    await this.#store(live.job);
    return live.job;
  }

  /**
   * Ends or goes on with the jobs that an earlier agent has left.
   * @param recovered what became of the operations that belonged to them
   */
  async recover(recovered: readonly Recovered[]): Promise<void> {
    const { hasHappened, isRepeatable, log, store } = this.#parts;
    for (const { fields, key } of store.list(JOB_DATABASE)) {
      const job = jobFrom(key, fields);
      if (endedStates.includes(job.state)) continue;
      const operation = recovered.find(candidate => candidate.job === key);
      const isSubmitted = fields['submitted'] === true;
      const live = this.#revive(job);
      if (operation) await this.#end(live, endOf(operation));
      else if (job.state !== 'waiting' && hasHappened(job)) {
        await this.#end(live, { state: 'done', reply: 'success', step: 'found done after a restart of the agent' });
      } else if (isSubmitted && (job.state === 'waiting' || (job.state === 'running' && isRepeatable(job.method)))) {
        this.#change(live, { state: 'waiting' });
        this.#waiting.push(live);
      } else if (job.state === 'cancelling') {
        await this.#end(live, { state: 'cancelled', error: 'CANCELLED: it was given up' });
      } else {
        const error = 'INTERRUPTED: the agent ended while it worked on this; see what is there, then try again';
        await this.#end(live, { state: 'failed', error });
      }
      log.info({ job: key, method: job.method, state: live.job.state }, 'a job of an earlier agent');
    }
    this.#next();
  }

  /** Takes no more jobs, and asks those that run to end; those that were submitted are run by the next agent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const stopping = new AgentError('STOPPING', 'the agent is stopping; what was begun was taken back');
    for (const live of this.#running) live.cancel.abort(stopping);
    await Promise.all([...this.#running].map(live => live.done));
  }

  #make(request: JobRequest, work: Live['work']): Live {
    return this.#revive(
      {
        ...request,
        id: randomUUID(),
        state: 'waiting',
        percent: 0,
        step: undefined,
        pace: {},
        createdAt: this.#now(),
        startedAt: undefined,
        endedAt: undefined,
        reply: undefined,
        error: undefined,
      },
      work,
    );
  }

  #revive(job: Job, work?: Live['work']): Live {
    let settle: (ended: Job) => void = () => undefined;
    const done = new Promise<Job>(resolve => {
      settle = resolve;
    });
    const live: Live = { job, cancel: new AbortController(), done, settle, work, toldAt: -TELL_MS };
    this.#live.set(job.id, live);
    return live;
  }

  #next(): void {
    while (!this.#stopping && this.#running.size < this.#parts.atOnce) {
      const live = this.#waiting.shift();
      if (!live) return;
      this.#start(live);
    }
  }

  #start(live: Live): void {
    this.#running.add(live);
    void this.#run(live).finally(() => {
      this.#running.delete(live);
      this.#next();
    });
  }

  async #run(live: Live): Promise<void> {
    const context: JobContext = {
      job: live.job.id,
      signal: live.cancel.signal,
      report: progress => this.#progressed(live, progress),
    };
    try {
      this.#change(live, { state: 'running', startedAt: this.#now() });
      await this.#store(live.job);
      if (live.cancel.signal.aborted) throw reasonOf(live.cancel.signal);
      const reply = await (live.work?.(context) ?? this.#parts.perform(live.job, context));
      await this.#end(live, { state: 'done', percent: 100, reply: typeof reply === 'string' ? reply : undefined });
    } catch (thrown) {
      const error = asAgentError(thrown);
      // A submitted job outlives the agent: the next one begins it again.
      if (error.code === 'STOPPING' && !live.work) await this.#putBack(live);
      else {
        const state = error.code === 'CANCELLED' ? 'cancelled' : 'failed';
        await this.#end(live, { state, error: `${error.code}: ${error.message}` });
      }
    }
  }

  async #putBack(live: Live): Promise<void> {
    this.#change(live, { state: 'waiting', startedAt: undefined, percent: 0, step: undefined, pace: {} });
    await this.#store(live.job).catch((error: unknown) => this.#unstored(live.job, error));
    live.settle(live.job);
  }

  #progressed(live: Live, { percent, step, ...pace }: Progress): void {
    const now = this.#parts.clock.monotonic();
    const isNew = step !== live.job.step;
    live.job = { ...live.job, percent: Math.max(live.job.percent, percent), step, pace };
    if (!isNew && now - live.toldAt < TELL_MS) return;
    live.toldAt = now;
    this.#parts.onChange(live.job);
  }

  #change(live: Live, changes: Partial<Job>): void {
    live.job = { ...live.job, ...changes };
    this.#parts.onChange(live.job);
  }

  async #end(live: Live, changes: Partial<Job>): Promise<void> {
    this.#change(live, { ...changes, pace: {}, endedAt: this.#now() });
    await this.#store(live.job).catch((error: unknown) => this.#unstored(live.job, error));
    this.#live.delete(live.job.id);
    live.settle(live.job);
    this.#trim();
  }

  #unstored(job: Job, error: unknown): void {
    this.#parts.log.error({ job: job.id, reason: messageOf(error) }, 'the end of a job could not be stored');
  }

  /** A job that callers wait for is not begun again by a later agent. */
  #store(job: Job, key?: string): Promise<void> {
    const isSubmitted = this.#live.get(job.id)?.work === undefined;
    return this.#parts.store.merge(JOB_DATABASE, job.id, {
      ...changesOf(job),
      submitted: isSubmitted,
      ...(key === undefined ? {} : { key }),
    });
  }

  #findByKey(user: string, key: string): Job | undefined {
    const found = this.#parts.store
      .list(JOB_DATABASE)
      .find(({ fields }) => fields['key'] === key && fields['user'] === user);
    return found && this.get(found.key);
  }

  #trim(): void {
    if (++this.#endedSinceTrim < TRIM_AFTER) return;
    this.#endedSinceTrim = 0;
    const ended = this.list().filter(job => endedStates.includes(job.state));
    for (const job of ended.slice(0, Math.max(0, ended.length - this.#parts.kept))) {
      this.#parts.store.delete(JOB_DATABASE, job.id).catch((error: unknown) => this.#unstored(job, error));
    }
  }

  #now(): string {
    return new Date(this.#parts.clock.now()).toISOString();
  }
}

function reasonOf({ reason }: AbortSignal): AgentError {
  return reason instanceof AgentError ? reason : new AgentError('CANCELLED', 'it was given up before it began');
}

function endOf({ operation, outcome, reason }: Recovered): Partial<Job> {
  switch (outcome) {
    case 'finished':
      return { state: 'done', percent: 100, reply: 'success', step: 'finished after a restart of the agent' };
    case 'undone':
      return {
        state: 'failed',
        error: `INTERRUPTED: the agent ended during ${operation}; what was done was taken back`,
      };
    case 'stuck':
      return { state: 'failed', error: `INTERRUPTED: the agent ended during ${operation}, and ${reason ?? ''}` };
  }
}

/** @throws AgentError BAD_VALUE when the key stood for another call */
function sameCall(job: Job, { arguments: args, method }: JobRequest, key: string): Job {
  if (job.method === method && JSON.stringify(job.arguments) === JSON.stringify(args)) return job;
  throw new AgentError(
    'BAD_VALUE',
    `submit ${method}: key ${JSON.stringify(key)} stands for another call (${job.method}, job ${job.id}); take another key`,
  );
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
