import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** One row of the report: what the product does beside the least that the same work could cost. */
export interface Row {
  readonly work: string;
  readonly floor: string;
  readonly product: string;
  /** Product against floor, in the direction of the target; undefined for an absolute target. */
  readonly ratio: number | undefined;
  readonly target: string;
  readonly isMet: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const TICKS_PER_SECOND = 100;

/** Processor time of a process so far, in seconds (proc(5), stat: utime and stime). */
export function cpuSeconds(processId: number): number {
  const fields = readFileSync(`/proc/${processId}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Memory of a process that is its own or its share, in MiB (proc(5), smaps_rollup: Pss). */
export function memoryMib(processId: number): number {
  const kib = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${processId}/smaps_rollup`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Starts a Node.js module of the benchmark and waits for its first line, which is its answer. */
export async function startServer(
  script: string,
  args: readonly string[] = [],
): Promise<{ readonly child: ChildProcess; readonly answer: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const answer = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
    child.once('exit', code => reject(new Error(`${script} ended with ${code}`)));
  });
  return { child, answer };
}

export const milliseconds = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;

/** The report as a table of Markdown. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ floor, isMet, product, ratio, target, work }) =>
      `| ${work} | ${floor} | ${product} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${target} | ${isMet ? 'yes' : '**no**'} |`,
  );
  return ['| work | floor | product | ratio | target | met |', '|---|---|---|---|---|---|', ...lines].join('\n');
}
