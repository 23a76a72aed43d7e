import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock, Timer } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';

/** Xenstore fires these when a domain appears, shuts down or goes (Xen, docs/misc/xenstore.txt). */
const SPECIAL_NODES = ['@introduceDomain', '@releaseDomain'];
/** One act of Xen fires several times. */
const GATHER_MS = 20;
/** Looked at without being called as well: a watch that was lost must not lose the end of a guest. */
const LOOK_MS = 10_000;
const RESTART_MS = 1_000;

/** Calls when some domain of this server has appeared, shut down or gone. */
export class DomainWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #program: string;
  readonly #onChange: () => void;
  readonly #timers = new Set<Timer>();
  #child: ChildProcess | undefined;
  #isClosed = false;
  #isGathering = false;

  /** @param program `xenstore-watch`, or where it is */
  constructor(program: string, clock: Clock, log: Log, onChange: () => void) {
    this.#program = program;
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
    this.#timers.add(clock.every(LOOK_MS, onChange));
    this.#start();
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#child?.kill();
  }

  #start(): void {
    // What is printed is the names of the nodes, which guests have no part in; that something is printed is all that counts.
    const child = spawn(this.#program, SPECIAL_NODES, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    child.unref();
    child.stdout.on('data', () => this.#gather());
    let isOver = false;
    const ended = (reason: unknown): void => {
      if (isOver || this.#isClosed) return;
      isOver = true;
      this.#log.warn({ reason: String(reason) }, 'xenstore-watch ended; it is started again');
      this.#after(RESTART_MS, () => this.#start());
    };
    child.on('error', ended);
    child.on('exit', code => ended(`exit code ${code}`));
  }

  #gather(): void {
    if (this.#isGathering || this.#isClosed) return;
    this.#isGathering = true;
    this.#after(GATHER_MS, () => {
      this.#isGathering = false;
      this.#onChange();
    });
  }

  #after(ms: number, work: () => void): void {
    const timer = this.#clock.setTimer(ms, () => {
      this.#timers.delete(timer);
      if (!this.#isClosed) work();
    });
    this.#timers.add(timer);
  }
}
