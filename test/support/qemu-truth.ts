import { readdirSync, readFileSync } from 'node:fs';
import { findQemuByMonitor } from '../../src/drivers/qemu/process.ts';
import { QmpConnection } from '../../src/drivers/qmp-connection.ts';
import { systemClock } from '../../src/host/clock.ts';
import type { Daemon } from './daemon.ts';
import { waitUntil } from './wait.ts';

/** What an agent would store for QEMU's own words. */
const STATUSES: Readonly<Record<string, string>> = {
  running: 'RUNNING',
  paused: 'PAUSED',
  // A guest that was reset while it was paused waits to be told to go on, just as a paused one does.
  prelaunch: 'PAUSED',
};

/** What QEMU itself says, asked past the agent, which has let go of the monitor; `DOWN` where there is none. */
export async function runState(daemon: Daemon, path: string): Promise<string> {
  const { monitor } = daemon.runDirectory(path).files;
  let state = 'DOWN';
  await waitUntil(`${path} answers or is gone`, async () => {
    // One that was started just before the kill has no monitor yet; one that was destroyed may still be ending.
    if (findQemuByMonitor(monitor) === undefined) return true;
    const connection = await QmpConnection.connect(monitor, 5_000, systemClock, {
      onEvent: () => undefined,
      onClose: () => undefined,
    }).catch(() => undefined);
    const answer = await connection?.execute('query-status', undefined, 5_000).catch(() => undefined);
    connection?.close();
    const { status } = (answer ?? {}) as { status?: string };
    state = STATUSES[status ?? ''] ?? status ?? 'DOWN';
    return state !== 'DOWN';
  });
  return state;
}

/** Every QEMU of an agent's guests, by the path of its monitor. */
export function qemuProcesses(daemon: Daemon): string[] {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .flatMap(id => {
      try {
        const found = /path=([^,\0]*\/qmp),/.exec(readFileSync(`/proc/${id}/cmdline`, 'utf8'));
        return found?.[1]?.startsWith(daemon.root) ? [found[1]] : [];
      } catch {
        return [];
      }
    });
}
