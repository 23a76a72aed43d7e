import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** One command of xl and what came of it. */
export interface XlRecording {
  readonly name: string;
  readonly command: string;
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

const directory = resolve(import.meta.dirname, '../recordings');

function read(file: string): readonly XlRecording[] {
  return readFileSync(resolve(directory, file), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as XlRecording);
}

/** What Xen 4.17 of Debian 12 said to 164 commands, good and bad, as it was. */
export const xlRecordings = read('xl-4.17.jsonl');

/** What the agent's own commands met in the lab (scripts/lab-xen/record.sh), by the version of Xen. */
export const labRecordings: ReadonlyMap<string, readonly XlRecording[]> = new Map(
  readdirSync(directory).flatMap(file => {
    const [, version] = /^xl-(\d[\d.]+)-lab\.jsonl$/.exec(file) ?? [];
    return version === undefined ? [] : [[version, read(file)] as const];
  }),
);

export function xlRecording(name: string): XlRecording {
  const found = xlRecordings.find(recording => recording.name === name);
  if (!found) throw new Error(`${name} was not recorded`);
  return found;
}

/** The title of `xl list -v`. */
export const listTitle = xlRecording('016-list-v').stdout.split('\n')[0]!;

export interface PrintedDomain {
  readonly name: string;
  readonly id: number;
  readonly memoryMib: number;
  readonly vcpus: number;
  /** Six letters, as xl has them. */
  readonly state: string;
  readonly seconds: number;
  readonly uuid: string;
  /** The number of the reason for which it shut down. */
  readonly reason: number | undefined;
  readonly label: string;
}

/** A row as xl prints it with its format "%-40s %5d %5lu %5d     %c%c%c%c%c%c  %8.1f %s %8x %16s". */
export function printedRow(domain: Partial<PrintedDomain>): string {
  const {
    id = 1,
    label = '-',
    memoryMib = 96,
    name = 'pv1',
    reason,
    seconds = 3.1,
    state = '-b----',
    vcpus = 1,
  } = domain;
  const { uuid = 'c213770c-a9a8-4496-a5cd-111898de7b2e' } = domain;
  const column = (value: number | string, width: number): string => String(value).padStart(width);
  const code = reason === undefined ? '-' : (reason >>> 0).toString(16);
  return `${name.padEnd(40)} ${column(id, 5)} ${column(memoryMib, 5)} ${column(vcpus, 5)}     ${state}  ${column(seconds.toFixed(1), 8)} ${uuid} ${column(code, 8)} ${column(label, 16)}`;
}

/** All that `xl list -v` prints of these. */
export function printedList(...rows: readonly string[]): string {
  return [listTitle, ...rows].map(line => `${line}\n`).join('');
}
