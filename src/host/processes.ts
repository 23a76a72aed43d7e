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
