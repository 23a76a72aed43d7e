import { spawn } from 'node:child_process';
import type { Clock, Timer } from './clock.ts';

/**
 * Tells systemd that the agent is ready, lives, or stops (sd_notify(3)). Node.js has no datagram sockets of the Unix
 * kind, so a short-lived systemd-notify does the telling; outside of systemd nothing is told.
 */
export class ServiceManager {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #processId: number;

  constructor(environment: Readonly<Record<string, string | undefined>>, processId: number) {
    this.#environment = environment;
    this.#processId = processId;
  }

  notify(...states: readonly string[]): void {
    if (this.#environment['NOTIFY_SOCKET'] === undefined) return;
    const child = spawn('systemd-notify', [`--pid=${this.#processId}`, ...states], {
      stdio: 'ignore',
      env: this.#environment,
    });
    child.on('error', () => undefined);
  }

  /** Sends signs of life at half the time that the unit's WatchdogSec allows. */
  keepAlive(clock: Clock): Timer {
    const watchdogMs = Number(this.#environment['WATCHDOG_USEC'] ?? 0) / 1000;
    if (!(watchdogMs > 0)) return { cancel: () => undefined };
    return clock.every(watchdogMs / 2, () => this.notify('WATCHDOG=1'));
  }
}
