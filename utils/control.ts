import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { systemClock } from '../src/host/clock.ts';
import { startDaemon } from '../src/host/daemon.ts';
import { alreadyRunning } from '../src/app/already-running.ts';
import { callLocalAgent, isNotRunning } from './local-agent.ts';

/** What a running agent says of itself. */
export interface AgentState {
  readonly version: string;
  readonly pid: number;
  readonly started_at: string;
  readonly addresses: readonly string[];
  readonly ssl: boolean;
  readonly hypervisor: string;
  readonly accelerator: string;
  readonly certificate_fingerprint: string;
  readonly guests: Readonly<Record<string, number>>;
}

const ANSWER_MS = 10_000;
const START_MS = 60_000;
/** Longer than the time that calls in flight may take to end. */
const STOP_MS = 90_000;
const LOOK_MS = 25;

/** @returns undefined when no agent runs */
export async function stateOf(paths: AgentPaths): Promise<AgentState | undefined> {
  try {
    return (await callLocalAgent(paths, 'get_agent_status', [], ANSWER_MS)) as AgentState;
  } catch (error) {
    if (isNotRunning(error)) return undefined;
    throw error;
  }
}

/**
 * Starts an agent in the background and returns once it answers.
 * @param program file of the program whose `start --foreground` is the agent
 * @throws AgentError EXISTS when one runs already, HOST with what the agent said when it ends at once
 */
export async function startAgent(paths: AgentPaths, program: string, args: readonly string[]): Promise<AgentState> {
  const running = await stateOf(paths);
  if (running) throw alreadyRunning(paths.root, running.pid);
  mkdirSync(paths.runtimeDirectory, { recursive: true, mode: 0o700 });
  const daemon = startDaemon(
    process.execPath,
    [program, 'start', '--foreground', ...args],
    join(paths.runtimeDirectory, 'start.log'),
  );
  let exitCode: number | undefined;
  void daemon.ended.then(code => {
    exitCode = code;
  });
  const deadline = systemClock.monotonic() + START_MS;
  while (systemClock.monotonic() < deadline) {
    // The socket is the last thing that a start makes; before it is there, one look at the file is enough.
    const state = existsSync(paths.controlSocket) ? await stateOf(paths) : undefined;
    if (state) return state;
    if (exitCode !== undefined) {
      throw new AgentError(
        'HOST',
        daemon.output().replace(/^ovs-agent: /, '') || `the agent ended with code ${exitCode}`,
      );
    }
    await systemClock.sleep(LOOK_MS);
  }
  throw new AgentError(
    'TIMEOUT',
    `the agent did not answer within ${START_MS / 1000} s; see ${paths.logDirectory}/ovs_trace.log`,
  );
}

/**
 * Asks the running agent to end and returns once it has.
 * @returns its process id; undefined when none runs
 * @throws AgentError TIMEOUT when it does not end
 */
export async function stopAgent(paths: AgentPaths): Promise<number | undefined> {
  const state = await stateOf(paths);
  if (!state) return undefined;
  process.kill(state.pid, 'SIGTERM');
  const deadline = systemClock.monotonic() + STOP_MS;
  while (systemClock.monotonic() < deadline) {
    if (!isAlive(state.pid)) return state.pid;
    await systemClock.sleep(LOOK_MS);
  }
  throw new AgentError(
    'TIMEOUT',
    `the agent (process ${state.pid}) did not end within ${STOP_MS / 1000} s; calls may still run`,
  );
}

export async function restartAgent(paths: AgentPaths, program: string, args: readonly string[]): Promise<AgentState> {
  await stopAgent(paths);
  return startAgent(paths, program, args);
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}
