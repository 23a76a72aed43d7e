import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { AgentError, messageOf } from '../src/errors.ts';

/** Exit codes of every program. */
export const EXIT = { done: 0, failed: 1, wrongUsage: 2, notRunning: 3, cancelled: 4 } as const;

/** Version of this package, from its package.json, which lies two folders above the compiled programs. */
export function packageVersion(): string {
  for (const up of ['../', '../../']) {
    try {
      const text = readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      // Run from its source, the program lies one folder nearer.
    }
  }
  return 'unknown';
}

/** A program with `--help`, `--version`, and `--root`, by which one machine can hold many agents. */
export function newProgram(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .version(packageVersion(), '--version', 'show the version')
    .helpOption('--help', 'show this text')
    .exitOverride()
    .showHelpAfterError(`Try "${name} --help".`);
}

export function withRoot(program: Command): Command {
  return program.option(
    '--root <directory>',
    'directory below which the agent keeps all its files',
    process.env['OVS_AGENT_ROOT'] ?? '/',
  );
}

/**
 * Runs a program to its exit code: a failure becomes one line on the error output and code 1, wrong usage code 2.
 * @param commands subcommands are programs of their own and fail in the same way
 */
export async function runProgram(program: Command, argv: readonly string[] = process.argv): Promise<void> {
  overrideExits(program);
  // A reader that has seen enough, such as head, is no failure; who prints without end listens for it as well.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.wrongUsage;
      return;
    }
    if (!(error instanceof AgentError) && process.env['OVS_AGENT_DEBUG']) console.error(error);
    process.stderr.write(`${program.name()}: ${messageOf(error)}\n`);
    process.exitCode = EXIT.failed;
  }
}

function overrideExits(program: Command): void {
  for (const command of program.commands) overrideExits(command.exitOverride());
}

/** Asks for an end when the user presses Ctrl-C, the program is to end, or nobody reads its output any more. */
export function untilInterrupted(): AbortSignal {
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ended.abort());
  process.stdout.on('error', () => ended.abort());
  return ended.signal;
}

/** Prints, and waits where the reader is slow. */
export function print(text: string): Promise<void> {
  return new Promise(resolve => {
    // A reader that has gone away is told by the stream's own event.
    process.stdout.write(text, () => resolve());
  });
}

/** Prints a stable JSON document, for scripts. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
