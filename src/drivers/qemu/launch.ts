import type { FSWatcher } from 'node:fs';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import { setProcessorShare } from '../../host/processor-groups.ts';
import type { GuestConfig } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import type { ActContext } from '../driver.ts';
import type { StartMoment } from './arguments.ts';
import { type QemuDomain, refused } from './qemu-domain.ts';
import { Resources } from './resources.ts';
import type { RunDirectory } from './run-directory.ts';

/** Asks for the state as soon as the monitor's socket is there. */
export async function reachMonitor(
  domain: QemuDomain,
  watcher: FSWatcher,
  clock: Clock,
  startTimeoutMs: number,
): Promise<DomainState> {
  const deadline = clock.monotonic() + startTimeoutMs;
  const ended = domain.process.ended.then(() => 'ended' as const);
  const socketName = 'qmp';
  const appeared = new Promise<'appeared'>(resolve => {
    watcher.on('change', (_kind, name) => {
      if (name === socketName) resolve('appeared');
    });
  });
  const stop = new AbortController();
  const late = clock.sleep(startTimeoutMs, stop.signal).then(
    () => 'late' as const,
    () => 'late' as const,
  );
  const first = await Promise.race([appeared, ended, late]);
  stop.abort();
  if (first === 'ended') throw refused('start', domain.path, `QEMU ended at once${said(domain.place)}`);
  if (first === 'late') throw tooLate(domain.path, startTimeoutMs);
  for (;;) {
    try {
      return await domain.askState(startTimeoutMs);
    } catch (error) {
      if (!domain.isAlive()) throw refused('start', domain.path, `QEMU ended at once${said(domain.place)}`, error);
      if (clock.monotonic() > deadline) throw tooLate(domain.path, startTimeoutMs);
      // Between bind and listen of QEMU's socket there is a moment in which it refuses.
      await clock.sleep(1);
    }
  }
}

function tooLate(path: GuestPath, startTimeoutMs: number): AgentError {
  return new AgentError(
    'TIMEOUT',
    `start ${path}: QEMU did not answer within ${startTimeoutMs / 1000} s; it was ended; see start_timeout`,
  );
}

/** What a QEMU is told once it answers. */
export async function settleIn(
  domain: QemuDomain,
  config: GuestConfig,
  clock: Clock,
  { log }: ActContext,
): Promise<void> {
  const { display, pinning, share } = config;
  if (display) {
    if (display.password) await domain.execute('set_password', { protocol: 'vnc', password: display.password });
    await domain.readVncPort();
  }
  if (pinning.length > 1) await new Resources(domain, clock).pin(pinning);
  const reason = setProcessorShare(domain.process.id, domain.place.unitName, share);
  if (reason !== undefined) {
    log.warn({ guest: domain.path, reason }, 'cpu_weight and cpu_cap have no effect on this server');
  }
}

export function momentOf(clock: Clock): StartMoment {
  const now = new Date(clock.now());
  return { now, localOffsetSeconds: -60 * now.getTimezoneOffset() };
}

/** A failure of QEMU, with what it wrote itself. */
export function withWords(error: unknown, words: string): unknown {
  if (!(error instanceof AgentError) || error.code !== 'HYPERVISOR' || error.message.includes(words)) return error;
  return new AgentError(error.code, `${error.message}${words}`, { cause: error });
}

/** What QEMU wrote before it ended, ready to be appended to a sentence. */
export function said(place: RunDirectory): string {
  const text = place.logTail();
  return text === '' ? '' : `: ${text}`;
}
