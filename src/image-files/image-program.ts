import type { Clock } from '../host/clock.ts';
import type { CommandResult } from '../host/command.ts';
import { runSandboxed, type SandboxOptions } from '../host/sandbox.ts';

/** What every program that handles an image gets from whoever wants it run. */
export interface ImageProgramParts {
  readonly clock: Clock;
  /** For one program; reading a large file system takes minutes. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** The maps of debugfs and e2fsck grow with the file system: this is enough for one of terabytes. */
const ADDRESS_SPACE_BYTES = 1024 ** 3;

/** Runs a program of Debian's e2fsprogs or fdisk on an image, in the sandbox. @throws those of `runSandboxed` */
export function runImageProgram(
  program: string,
  args: readonly string[],
  parts: ImageProgramParts,
  options: Pick<SandboxOptions, 'file' | 'target' | 'input' | 'outputLimitBytes' | 'debianPackage'>,
): Promise<CommandResult> {
  return runSandboxed(program, args, { ...parts, ...options, addressSpaceBytes: ADDRESS_SPACE_BYTES });
}
