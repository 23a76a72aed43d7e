import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { systemClock } from '../src/host/clock.ts';
import { hasEnded, type Job, jobKey, jobLines, plainLine } from './job-view.ts';
import { askLocalAgent } from './local-agent.ts';
import { EXIT, print, printJson, untilInterrupted } from './program.ts';

export interface JobOptions {
  /** With a text: the id of the job whose end is waited for. */
  readonly follow?: string | true;
  readonly json?: boolean;
}

const LOOK_MS = 500;

/** Shows the jobs of the agent: once, or with `follow` until the user or the job ends it. */
export async function showJobs(paths: AgentPaths, { follow, json }: JobOptions): Promise<void> {
  const ask = (): Promise<readonly Job[]> =>
    typeof follow === 'string'
      ? askLocalAgent(paths, 'get_job', [follow]).then(job => [job as Job])
      : askLocalAgent(paths, 'list_jobs', []).then(jobs => jobs as readonly Job[]);
  if (follow === undefined) {
    const jobs = await ask();
    if (json === true) printJson(jobs);
    else await print(`${jobLines(jobs, process.stdout.columns || 160, 1000, systemClock.now()).join('\n')}\n`);
    return;
  }
  const last = await followJobs(ask, jobScreen(json === true), untilInterrupted(), typeof follow === 'string');
  if (last !== undefined) process.exitCode = exitCodeOf(last);
}

/** Asks for a job to be cancelled; it ends a little later. */
export async function cancelJob(paths: AgentPaths, id: string): Promise<void> {
  await askLocalAgent(paths, 'cancel_job', [id]);
  await print(`job ${id} is being cancelled\n`);
}

/** Where jobs are shown again and again. */
export interface JobScreen {
  show(jobs: readonly Job[]): Promise<void>;
  /** Says what is no job. */
  tell(text: string): void;
}

/** The terminal where there is one. */
export function jobScreen(isJson: boolean): JobScreen {
  return !isJson && process.stdout.isTTY ? new Redrawn() : new Appended(isJson);
}

/**
 * Shows the jobs until the signal, over restarts of the agent.
 * @param isOne whether it is about one job, with whose end it ends
 * @returns that job as it ended
 */
export async function followJobs(
  ask: () => Promise<readonly Job[]>,
  screen: JobScreen,
  signal: AbortSignal,
  isOne: boolean,
  clock: Pick<typeof systemClock, 'sleep'> = systemClock,
): Promise<Job | undefined> {
  let isLost = false;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      const jobs = await ask();
      isLost = false;
      await screen.show(jobs);
      const [job] = jobs;
      if (isOne && job && hasEnded(job)) return job;
    } catch (error) {
      const mayPass = error instanceof AgentError && (error.code === 'PEER_DOWN' || error.code === 'STOPPING');
      if (isFirst || !mayPass) throw error;
      if (!isLost) screen.tell('[the agent was lost; waiting for it]');
      isLost = true;
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
  return undefined;
}

export function exitCodeOf({ state }: Job): number {
  if (state === 'done') return EXIT.done;
  return state === 'cancelled' ? EXIT.cancelled : EXIT.failed;
}

/** A terminal: the same lines are drawn again in their place. */
class Redrawn implements JobScreen {
  #rows = 0;

  async show(jobs: readonly Job[]): Promise<void> {
    // A terminal without a size says 0.
    const [columns, rows] = [process.stdout.columns || 80, process.stdout.rows || 24];
    const lines = jobLines(jobs, columns, Math.max(2, rows - 1), systemClock.now());
    await print(redrawing(this.#rows, lines));
    this.#rows = lines.length;
  }

  tell(text: string): void {
    process.stdout.write(`${text}\n`);
    this.#rows = 0;
  }
}

/** Control sequences of ECMA-48: cursor to the first of the lines before (CPL), each line cleared (EL), the rest too (ED). */
export function redrawing(rowsBefore: number, lines: readonly string[]): string {
  const up = rowsBefore === 0 ? '' : `\u001B[${rowsBefore}F`;
  return `${up}${lines.map(line => `\u001B[2K${line}\n`).join('')}\u001B[0J`;
}

/** A file or a program: a line for each change. */
export class Appended implements JobScreen {
  readonly #isJson: boolean;
  readonly #write: (text: string) => Promise<void>;
  #shown = new Map<string, string>();

  constructor(isJson: boolean, write: (text: string) => Promise<void> = print) {
    this.#isJson = isJson;
    this.#write = write;
  }

  async show(jobs: readonly Job[]): Promise<void> {
    const changed = jobs.filter(job => this.#shown.get(job.id) !== jobKey(job));
    this.#shown = new Map(jobs.map(job => [job.id, jobKey(job)]));
    for (const job of changed) await this.#write(`${this.#isJson ? JSON.stringify(job) : plainLine(job)}\n`);
  }

  tell(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}
