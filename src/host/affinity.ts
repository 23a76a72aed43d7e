import { readFileSync } from 'node:fs';
import type { Clock } from './clock.ts';
import { runCheckedCommand } from './command.ts';

const COMMAND_MS = 5_000;

/**
 * Binds a process or thread of this server to processors (taskset(1)).
 * @param options further options, such as `-a` for all threads of a process
 * @throws AgentError HOST
 */
export async function setAffinity(
  id: number,
  processors: readonly number[],
  clock: Clock,
  options: readonly string[] = ['-a'],
): Promise<void> {
  const args = [...options, '-p', '-c', processors.join(','), String(id)];
  await runCheckedCommand('taskset', args, { timeoutMs: COMMAND_MS, clock });
}

/** Numbers of the processors that are online. */
export function allProcessors(): readonly number[] {
  const ranges = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim().split(',');
  return ranges.flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
