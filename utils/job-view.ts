import { localTime } from './local-time.ts';

/** A job as `list_jobs` answers it. */
export interface Job {
  readonly id: string;
  readonly method: string;
  readonly user: string;
  readonly guest?: string;
  readonly state: 'waiting' | 'running' | 'cancelling' | 'done' | 'failed' | 'cancelled';
  /** Percent. */
  readonly progress: number;
  readonly step?: string;
  readonly bytes_per_second?: number;
  readonly seconds_left?: number;
  readonly created_at: string;
  readonly started_at?: string;
  readonly ended_at?: string;
  readonly error?: string;
}

const ENDED: readonly Job['state'][] = ['done', 'failed', 'cancelled'];
const BAR = 24;
const MIB = 2 ** 20;

export function hasEnded({ state }: Job): boolean {
  return ENDED.includes(state);
}

/**
 * The jobs as lines for a terminal: those that go on with a bar each, below them those that ended last, newest first.
 * @param columns of the terminal: no line is longer, so that each takes one row
 * @param nowMs milliseconds since 1970-01-01 UTC
 * @param rows of the terminal: what goes on comes before what has ended
 */
export function jobLines(jobs: readonly Job[], columns: number, rows: number, nowMs: number): readonly string[] {
  const open = jobs.filter(job => !hasEnded(job));
  const ended = jobs.filter(hasEnded).sort((one, other) => (other.ended_at ?? '').localeCompare(one.ended_at ?? ''));
  const shown = open.length > rows ? open.slice(0, rows - 1) : open;
  const lines = shown.map(job => openLine(job, nowMs));
  if (shown.length < open.length) lines.push(`… and ${open.length - shown.length} more`);
  const room = Math.min(10, rows - lines.length - 1);
  if (ended.length > 0 && room > 0) {
    if (lines.length > 0) lines.push('');
    lines.push(...ended.slice(0, room).map(endedLine));
  }
  if (lines.length === 0) lines.push('no jobs');
  return lines.map(line => (line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line));
}

/** One line about a job that is read without those before it, as in a log. */
export function plainLine(job: Job): string {
  if (hasEnded(job)) return endedLine(job);
  return `${job.id}  ${job.state}  ${percent(job)}  ${whatOf(job)}${stepOf(job)}`;
}

/** What of a job is worth a new line. */
export function jobKey({ progress, state, step }: Job): string {
  return `${state} ${Math.floor(progress)} ${step ?? ''}`;
}

function openLine(job: Job, nowMs: number): string {
  if (job.state === 'waiting') return `${job.id}  waiting  ${whatOf(job)}`;
  const filled = Math.round((bounded(job.progress) / 100) * BAR);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}]`;
  const since = job.started_at === undefined ? '' : `  ${duration(nowMs - Date.parse(job.started_at))}`;
  const ending = job.state === 'cancelling' ? '  cancelling' : '';
  return `${job.id}  ${bar} ${percent(job).padStart(5)}${since}${paceOf(job)}  ${whatOf(job)}${ending}${stepOf(job)}`;
}

function endedLine(job: Job): string {
  const when = job.ended_at === undefined ? '' : `  ${localTime(job.ended_at)}`;
  const why = job.error === undefined ? '' : `: ${printable(job.error)}`;
  return `${job.id}  ${job.state.padEnd(9)}${when}  ${whatOf(job)}${why}`;
}

function whatOf({ guest, method, user }: Job): string {
  return printable(`${method}${guest === undefined ? '' : ` ${guest}`} (${user})`);
}

/** As `12.5 MiB/s  3 min 2 s left`. */
function paceOf({ bytes_per_second: rate, seconds_left: left }: Job): string {
  const rateText = rate === undefined ? '' : `  ${(rate / MIB).toFixed(1)} MiB/s`;
  return left === undefined ? rateText : `${rateText}  ${duration(left * 1000)} left`;
}

function stepOf({ step }: Job): string {
  return step === undefined || step === '' ? '' : `  ${printable(step)}`;
}

function percent({ progress }: Job): string {
  return `${Math.floor(bounded(progress))} %`;
}

function bounded(progress: number): number {
  return Math.min(100, Math.max(0, progress));
}

/** What others wrote moves no cursor. */
function printable(text: string): string {
  return text.replace(/\p{C}+/gu, ' ');
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
