import { lchown, stat } from 'node:fs/promises';
import { AgentError } from '../errors.ts';
import { type CommandOptions, type CommandResult, runCheckedCommand, runCommand } from './command.ts';

/** Where a program in the sandbox finds the one file that it may read. */
export const SANDBOXED_FILE = '/image';

/** Where it finds what it may write. */
export const SANDBOXED_TARGET = '/target';

/** What the program may write. */
export interface SandboxTarget {
  /**
   * A file or an empty directory. It belongs to the user of the sandbox while the program runs, and with all that is in it to
   * root afterwards.
   */
  readonly path: string;
  /** Largest file, in bytes. */
  readonly fileLimitBytes: number;
}

export interface SandboxOptions extends CommandOptions {
  /** The one file that the program may read, and not write. */
  readonly file?: string;
  readonly target?: SandboxTarget;
  /** Most processes and threads; 1 when left out. */
  readonly processes?: number;
  /** Most bytes of address space; 512 MiB when left out. */
  readonly addressSpaceBytes?: number;
  /** The Debian package that holds the program, for the message when it is missing. */
  readonly debianPackage: string;
  /** The program that makes the sandbox, when it is not `bwrap` of the path. */
  readonly sandboxProgram?: string;
}

const NOBODY = 65534;
const READABLE_BY_OTHERS = 0o004;
const READABLE_BY_OWNER = 0o400;
const ADDRESS_SPACE_BYTES = 512 * 1024 * 1024;
const OPEN_FILES = 32;

/**
 * Runs a program that handles what a stranger wrote, so that it can do nothing but read one file and its standard input, and
 * write to its outputs and its target.
 *
 * It has no capability, a user namespace in which nobody is mapped, and process, network, IPC and mount namespaces of its own,
 * with nothing in them but programs, libraries, the file and the target. It runs as nobody, or as the owner of a file that
 * others may not read. It can make no file elsewhere, is held in memory and processor time, and ends with the agent, which
 * must be root.
 * @throws AgentError NO_SUCH_FILE for the file, HOST when the sandbox cannot be made, and those of `runCommand`
 */
export async function runSandboxed(
  program: string,
  args: readonly string[],
  options: SandboxOptions,
): Promise<CommandResult> {
  const user = options.file === undefined ? NOBODY : await userWhoReads(options.file);
  const sandbox = options.sandboxProgram ?? 'bwrap';
  if (options.target) await lchown(options.target.path, user, NOBODY);
  const result = await runCommand(sandbox, sandboxArguments(options, user, [program, ...args]), options)
    .catch((error: unknown) => {
      throw isMissing(error) ? notInstalled(sandbox, 'bubblewrap', error) : error;
    })
    .finally(() => takeBack(options));
  if (/^bwrap: |^(?:\/usr\/bin\/)?(?:setpriv|unshare): /.test(result.stderr)) {
    throw new AgentError(
      'HOST',
      `run ${program}${options.file === undefined ? '' : ` on ${options.file}`} in a sandbox: it cannot be made: ${firstLine(result.stderr)}; the agent must be root, and the kernel must allow user namespaces`,
    );
  }
  if (result.exitCode === COMMAND_NOT_FOUND && result.stderr.startsWith('prlimit: ')) {
    throw notInstalled(program, options.debianPackage);
  }
  return result;
}

/** Exit code of prlimit(1) when the program is not there. */
const COMMAND_NOT_FOUND = 127;

function notInstalled(program: string, debianPackage: string, cause?: unknown): AgentError {
  return new AgentError(
    'HOST',
    `run ${program}: it is not installed; on Debian, apt-get install ${debianPackage} is needed`,
    { cause },
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof AgentError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!.slice(0, 300);

/** The user with the least rights who may read the file: without capabilities, root may not read the files of others. */
async function userWhoReads(file: string): Promise<number> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new AgentError('NO_SUCH_FILE', `read ${file}: it cannot be looked up; a disk image is needed`, { cause });
  });
  if (!found.isFile()) {
    throw new AgentError('NOT_SUPPORTED', `read ${file}: it is not a regular file; a disk image in a file is needed`);
  }
  if ((found.mode & READABLE_BY_OTHERS) !== 0) return NOBODY;
  if ((found.mode & READABLE_BY_OWNER) !== 0) return found.uid;
  throw new AgentError('HOST', `read ${file}: its owner may not read it; its mode must let the owner`);
}

const TAKE_BACK_MS = 60_000;

/** What the program has written belongs to root from then on. */
async function takeBack({ clock, target }: SandboxOptions): Promise<void> {
  if (!target) return;
  await runCheckedCommand('chown', ['-hR', '--', '0:0', target.path], { clock, timeoutMs: TAKE_BACK_MS });
}

/** Arguments of bwrap(1). What follows in turn are setpriv(1), unshare(1), prlimit(1) and the program, each run by the one before. */
function sandboxArguments(options: SandboxOptions, user: number, command: readonly string[]): string[] {
  const { addressSpaceBytes, file, processes, target, timeoutMs } = options;
  const cpuSeconds = Math.ceil(timeoutMs / 1000);
  return [
    ...['--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--die-with-parent', '--new-session', '--hostname', 'sandbox'],
    ...['--perms', '0755', '--dir', '/usr'],
    ...[
      '--ro-bind',
      '/usr/bin',
      '/usr/bin',
      '--ro-bind',
      '/usr/sbin',
      '/usr/sbin',
      '--ro-bind',
      '/usr/lib',
      '/usr/lib',
    ],
    ...['--ro-bind-try', '/usr/lib64', '/usr/lib64'],
    ...['--symlink', 'usr/bin', '/bin', '--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
    ...(file === undefined ? [] : ['--ro-bind', file, SANDBOXED_FILE]),
    ...(target ? ['--bind', target.path, SANDBOXED_TARGET] : []),
    ...['--remount-ro', '/', '--chdir', '/'],
    '--',
    ...['/usr/bin/setpriv', '--reuid', String(user), '--regid', String(NOBODY), '--clear-groups'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--no-new-privs'],
    // With no user mapped, the program can make no further user namespace, which would give it capabilities there.
    ...['/usr/bin/unshare', '--user'],
    ...['/usr/bin/prlimit', `--as=${addressSpaceBytes ?? ADDRESS_SPACE_BYTES}`, `--cpu=${cpuSeconds}`, '--core=0'],
    ...[`--fsize=${target?.fileLimitBytes ?? 0}`, `--nproc=${processes ?? 1}`, `--nofile=${OPEN_FILES}`, '--'],
    ...command,
  ];
}
