import type { Clock, Timer } from '../host/clock.ts';
import type { HelperProcess } from '../host/helper-process.ts';
import type { Log } from '../host/log.ts';
import { FileProblem } from './file-problem.ts';
import type { FileVerb, FileWork } from './file-work.ts';
import type { HelperAnswer, SentProblem } from './helper-protocol.ts';

export type StartHelper = (onMessage: (message: unknown) => void) => HelperProcess;

export interface FileHelperParts {
  /** The repository, as it is named to people. */
  readonly repository: string;
  readonly start: StartHelper;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest that one answer may take, in milliseconds. */
  readonly timeoutMs: number;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: FileProblem) => void;
  readonly timer: Timer;
}

/** A helper that nobody asks is ended after this time. */
const IDLE_MS = 60_000;

/** Work on the files of one repository in a process of its own, so that a disk that does not answer holds up nobody else. */
export class FileHelper {
  readonly #parts: FileHelperParts;
  readonly #waiting = new Map<number, Waiting>();
  #running: HelperProcess | undefined;
  #idle: Timer | undefined;
  #lastId = 0;
  #hungSince: number | undefined;
  /** Processes that were killed and that the kernel has not let go of. */
  #stuck = 0;

  constructor(parts: FileHelperParts) {
    this.#parts = parts;
  }

  /** Since when the repository does not answer, in milliseconds since 1970-01-01 UTC; undefined while it does. */
  get hungSince(): number | undefined {
    return this.#hungSince;
  }

  /**
   * Does one piece of work. While the repository hangs, one caller waits for it and all others are refused at once.
   * @throws FileProblem
   */
  run<V extends FileVerb>(verb: V, args: Parameters<FileWork[V]>): Promise<ReturnType<FileWork[V]>> {
    if (this.#hungSince !== undefined && (this.#waiting.size > 0 || this.#stuck > 0)) {
      return Promise.reject(this.#hangs(this.#hungSince));
    }
    const { clock, timeoutMs } = this.#parts;
    const helper = (this.#running ??= this.#start());
    this.#idle?.cancel();
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(timeoutMs, () => this.#giveUp());
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      helper.send({ id, verb, args });
    });
  }

  /** Ends the process; what waits for it fails. */
  close(): void {
    this.#idle?.cancel();
    this.#running?.kill();
  }

  #start(): HelperProcess {
    const started = this.#parts.start(message => this.#answered(message as HelperAnswer));
    void started.ended.then(() => {
      if (this.#running !== started) return;
      this.#running = undefined;
      this.#failAll(new FileProblem('failed', this.#parts.repository, 'its helper process ended'));
    });
    return started;
  }

  #answered(answer: HelperAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    this.#waiting.delete(answer.id);
    waiting.timer.cancel();
    if (this.#hungSince !== undefined) {
      this.#hungSince = undefined;
      this.#parts.log.info({ repository: this.#parts.repository }, 'a repository answers again');
    }
    if (this.#waiting.size === 0) this.#idle = this.#parts.clock.setTimer(IDLE_MS, () => this.#rest());
    if ('value' in answer) waiting.resolve(answer.value);
    else waiting.reject(problemFrom(answer.problem));
  }

  /** Work is done one piece after the other: when one takes too long, those behind it do too. */
  #giveUp(): void {
    const { clock, log, repository, timeoutMs } = this.#parts;
    const since = this.#hungSince ?? clock.now() - timeoutMs;
    if (this.#hungSince === undefined) log.warn({ repository, timeoutMs }, 'a repository does not answer');
    this.#hungSince = since;
    const hung = this.#running;
    this.#running = undefined;
    if (hung) {
      this.#stuck += 1;
      void hung.ended.then(() => (this.#stuck -= 1));
      hung.kill();
    }
    this.#failAll(this.#hangs(since));
  }

  #rest(): void {
    const resting = this.#running;
    this.#running = undefined;
    resting?.kill();
  }

  #failAll(problem: FileProblem): void {
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel();
      reject(problem);
    }
    this.#waiting.clear();
  }

  #hangs(since: number): FileProblem {
    const { repository } = this.#parts;
    return new FileProblem('hangs', repository, `it has not answered since ${new Date(since).toISOString()}`);
  }
}

function problemFrom({ detail, kind, leadsTo, place }: SentProblem): FileProblem {
  return new FileProblem(kind, place, detail, { leadsTo });
}
