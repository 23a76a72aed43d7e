import { readdirSync, readFileSync } from 'node:fs';

/** Ends a process at once; it is no error when it has ended by itself. */
export function killProcess(id: number): void {
  send(id);
}

/** Ends a process that leads a group, and all of its group. */
export function killProcessGroup(leader: number): void {
  send(-leader);
}

function send(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch {
    // There is no such process any more.
  }
}

/** Processes of some programs that were given an argument that names something in a directory. */
export function processesGiven(directory: string, programs: readonly string[]): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(
      id =>
        Number.isInteger(id) &&
        id > 0 &&
        argumentsOf(id).some(word => word.includes(`${directory}/`)) &&
        programs.includes(programOf(id)),
    );
}

/** The name that Linux has for what the process runs, cut off after 15 bytes (proc(5)). */
function programOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/comm`, 'utf8').trimEnd();
  } catch {
    return '';
  }
}

function argumentsOf(id: number): readonly string[] {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0').slice(1, -1);
  } catch {
    return [];
  }
}
