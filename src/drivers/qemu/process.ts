import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import { scopeCommand } from '../../host/scopes.ts';
import type { ProcessorShare } from '../../model/guest-config.ts';

/** A QEMU of this server. */
export interface QemuProcess {
  readonly id: number;
  /** Resolves when it has ended, with its exit code where it was our child. */
  readonly ended: Promise<number | undefined>;
}

/**
 * Starts QEMU so that it outlives the agent: in a session of its own, in a systemd scope of its own where systemd runs,
 * with no descriptor of ours but the log file.
 * @param unitName name of the scope, without its suffix
 * @param processors numbers of the host processors it may run on; none stands for all
 * @param share of processor time, where systemd gives it
 * @throws AgentError HYPERVISOR when the program cannot be run
 */
export function spawnQemu(
  program: string,
  args: readonly string[],
  logFile: string,
  unitName: string,
  processors: readonly number[] = [],
  share: ProcessorShare = { weight: undefined, capPercent: undefined },
): QemuProcess {
  const log = openSync(logFile, 'a', 0o600);
  try {
    const [command, ...rest] = [...scopeCommand(unitName, share), ...affinityCommand(processors), program, ...args];
    const child = spawn(command!, rest, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
    if (child.pid === undefined) {
      child.on('error', () => undefined);
      throw new AgentError('HYPERVISOR', `${program} cannot be run; install qemu-system-x86 or set qemu_binary`);
    }
    child.unref();
    return { id: child.pid, ended: new Promise(resolve => child.once('exit', code => resolve(code ?? undefined))) };
  } finally {
    closeSync(log);
  }
}

/** taskset(1) replaces itself by the command as well. */
function affinityCommand(processors: readonly number[]): string[] {
  return processors.length === 0 ? [] : ['taskset', '-c', processors.join(',')];
}

const POLL_MS = 10;

/** A QEMU that an earlier agent started. It is not our child, so only the process table tells when it ends. */
export function watchProcess(id: number, monitorPath: string, clock: Clock): QemuProcess {
  const ended = async (): Promise<undefined> => {
    while (isQemuOf(id, monitorPath)) await clock.sleep(POLL_MS);
  };
  let promise: Promise<undefined> | undefined;
  return {
    id,
    // Watched only once somebody asks: a guest that runs for months is not polled.
    get ended(): Promise<undefined> {
      promise ??= ended();
      return promise;
    },
  };
}

/** Finds the QEMU whose monitor is at a path, in whatever stage of its start it is. */
export function findQemuByMonitor(monitorPath: string): number | undefined {
  for (const entry of readdirSync('/proc')) {
    const id = Number(entry);
    if (Number.isInteger(id) && isQemuOf(id, monitorPath)) return id;
  }
  return undefined;
}

/** The command line of a process, its program first; undefined when there is no such process. */
export function argumentsOf(id: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
}

/** Whether a process is a QEMU with that monitor, and not a later process with the same number, nor one that has ended. */
export function isQemuOf(id: number, monitorPath: string): boolean {
  try {
    // Arguments end with NUL in this file, so text inside another argument cannot pass for these two.
    return readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(`\0-chardev\0socket,id=monitor,path=${monitorPath},`);
  } catch {
    return false;
  }
}
