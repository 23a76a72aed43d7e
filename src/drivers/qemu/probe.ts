import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import { runCheckedCommand } from '../../host/command.ts';
import type { Probe } from '../driver.ts';
import { chooseAccelerator } from './accelerator.ts';

export interface ProbeParts {
  readonly program: string;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  /** Where the answer is remembered; it lasts until the server or QEMU changes. Undefined remembers nothing. */
  readonly memoryFile: string | undefined;
  readonly searchPath: string;
  readonly clock: Clock;
}

/** Whether QEMU can be used on this server, in which version, and on what its guests run. Never throws. */
export async function probeQemu(parts: ProbeParts): Promise<Probe> {
  try {
    const binary = findProgram(parts.program, parts.searchPath);
    if (binary === undefined) {
      return {
        usable: false,
        reason: `${parts.program} is not installed`,
        remedy: 'install it (on Debian: apt-get install qemu-system-x86), or set qemu_binary in agent.ini',
      };
    }
    const key = memoryKey(binary, parts.accelerator);
    const remembered = parts.memoryFile === undefined ? undefined : recall(parts.memoryFile, key);
    if (remembered) return remembered;
    const { stdout } = await runCheckedCommand(binary, ['--version'], { timeoutMs: 10_000, clock: parts.clock });
    const version = /version (\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? 'unknown';
    const accelerator = await chooseAccelerator(parts.accelerator, binary, parts.clock);
    const probe: Probe = {
      usable: true,
      description: `QEMU ${version} with ${accelerator.name}: ${accelerator.reason}`,
      version,
      accelerator: accelerator.name,
    };
    if (parts.memoryFile !== undefined)
      writeFileSync(parts.memoryFile, JSON.stringify({ key, probe }), { mode: 0o600 });
    return probe;
  } catch (error) {
    return { usable: false, reason: messageOf(error), remedy: 'see that the program runs by hand' };
  }
}

/** Changes with the binary, with a boot of the server (another kernel or processor) and with the setting. */
function memoryKey(binary: string, accelerator: string): string {
  const { mtimeMs, size } = statSync(binary);
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return [binary, mtimeMs, size, boot, accelerator].join(' ');
}

function recall(file: string, key: string): Probe | undefined {
  try {
    const memory = JSON.parse(readFileSync(file, 'utf8')) as { key?: unknown; probe?: Probe };
    return memory.key === key ? memory.probe : undefined;
  } catch {
    return undefined;
  }
}

function findProgram(program: string, searchPath: string): string | undefined {
  const candidates = isAbsolute(program) ? [program] : searchPath.split(delimiter).map(folder => join(folder, program));
  return candidates.find(candidate => statSync(candidate, { throwIfNoEntry: false })?.isFile());
}
