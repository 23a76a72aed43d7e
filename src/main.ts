import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openAgent } from './app/agent.ts';
import { alreadyRunning } from './app/already-running.ts';
import { openCore } from './app/core.ts';
import { AgentPaths } from './config/paths.ts';
import { readSettingsFile } from './config/settings.ts';
import { readXendConfig } from './config/xend-config.ts';
import { systemClock } from './host/clock.ts';
import { createLog, terminalDestination } from './host/log.ts';
import { ServiceManager } from './host/service-manager.ts';
import type { Call } from './rpc/call.ts';
import { type ExclusiveLock, tryExclusiveLock } from './store/exclusive-lock.ts';
import type { XmlRpcValue } from './xmlrpc/values.ts';

export interface RunOptions {
  readonly root: string;
  /** File with the settings; the one below the root when it is left out. */
  readonly config?: string | undefined;
  readonly version: string;
}

const STORAGE_HELPER = fileURLToPath(new URL('./storage-helper.js', import.meta.url));

/**
 * Runs the agent in this process until a signal ends it: SIGTERM and SIGINT stop it, SIGHUP makes it read its settings
 * again. Resolves when it has stopped.
 */
export async function runAgent({ config, root, version }: RunOptions): Promise<void> {
  // Whatever the agent writes is its own business: keys, states and consoles among it (CVE-2025-13193).
  process.umask(0o077);
  const paths = new AgentPaths(root);
  const lock = takeLock(paths);
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
  });
  try {
    const agent = await openAgent({
      paths,
      settingsFile: config ?? paths.settingsFile,
      version,
      processId: process.pid,
      searchPath: process.env['PATH'] ?? '',
      storageHelper: STORAGE_HELPER,
      clock: systemClock,
      terminal: process.stdout.isTTY ? await terminalDestination(1) : undefined,
    });
    const manager = new ServiceManager(process.env, process.pid);
    process.on('SIGHUP', () => agent.reload());
    process.on('unhandledRejection', reason => agent.log.error({ err: reason }, 'a failure that nobody waited for'));
    manager.notify('--ready', `--status=listening on ${agent.listeningOn.join(', ')}`);
    const signsOfLife = manager.keepAlive(systemClock);
    await stopped;
    manager.notify('STOPPING=1');
    signsOfLife.cancel();
    await agent.stop();
  } finally {
    lock.release();
  }
}

/**
 * Makes one call where no agent runs, in its stead and with its lock, so that none can start meanwhile.
 * @throws AgentError when an agent has started after all
 */
export async function callWithoutAgent(
  root: string,
  method: string,
  params: readonly XmlRpcValue[],
): Promise<XmlRpcValue> {
  const paths = new AgentPaths(root);
  const lock = takeLock(paths);
  const log = createLog('warn', [process.stderr]);
  try {
    const core = await openCore({
      paths,
      settings: readSettingsFile(paths.settingsFile),
      xend: readXendConfig(paths.xendConfigFile),
      version: '',
      processId: process.pid,
      searchPath: process.env['PATH'] ?? '',
      storageHelper: STORAGE_HELPER,
      log,
      audit: log,
      clock: systemClock,
      credentials: { update: () => Promise.reject(new Error('no call without an agent changes a password')) },
      listeningOn: () => [],
      certificateFingerprint: () => undefined,
    });
    const call: Call = { id: 'local', user: 'root', access: 'admin', from: 'local', log };
    try {
      return await core.dispatcher.dispatch(call, method, params);
    } finally {
      await core.stop();
    }
  } finally {
    lock.release();
  }
}

function takeLock(paths: AgentPaths): ExclusiveLock {
  mkdirSync(paths.runtimeDirectory, { recursive: true, mode: 0o700 });
  const note = join(paths.runtimeDirectory, 'pid');
  const lock = tryExclusiveLock(paths.lockFile);
  if (!lock) throw alreadyRunning(paths.root, existsSync(note) ? Number(readFileSync(note, 'utf8')) : undefined);
  writeFileSync(note, `${process.pid}\n`, { mode: 0o600 });
  return lock;
}
