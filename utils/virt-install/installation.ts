import { randomUUID } from 'node:crypto';
import { AgentError } from '../../src/errors.ts';
import { systemClock } from '../../src/host/clock.ts';
import { guestNameOf, type GuestPath } from '../../src/model/guest-path.ts';
import type { NewGuest } from '../../src/model/new-guest.ts';
import { hasEnded, type Job } from '../job-view.ts';
import { followJobs, type JobScreen } from '../jobs.ts';
import { failureOf } from '../refusal.ts';
import { TransportError } from '../rpc-client.ts';
import { type LocalAgent, pairsOf } from '../xm/agent.ts';

/** What of the agent an installation needs. */
export type InstallAgent = Pick<LocalAgent, 'act' | 'ask' | 'guests'>;

const LOOK_MS = 1000;
const MINUTE_MS = 60_000;
const MOST_ATTEMPTS = 30;

/** Statuses with which a guest has come to an end of its own. */
const ENDED = ['DOWN', 'ERROR'];

/**
 * Has the agent make the guest, and shows how far it is. Where the user interrupts, the agent is asked to take back what it did,
 * and that is waited for.
 * @returns id of the job
 * @throws AgentError with the agent's words when it failed, CANCELLED when it was given up
 */
export async function makeGuest(
  agent: InstallAgent,
  path: GuestPath,
  guest: NewGuest,
  screen: JobScreen,
  signal: AbortSignal,
  clock: Pick<typeof systemClock, 'sleep'> = systemClock,
): Promise<string> {
  const id = await submit(agent, path, guest, signal, clock);
  const ask = async (): Promise<readonly Job[]> => [(await agent.ask('get_job', id)) as Job];
  const job = (await followJobs(ask, screen, signal, true, clock)) ?? (await giveUp(agent, id, ask, screen, clock));
  if (job?.state === 'done') return id;
  if (job?.state === 'failed' && job.error !== undefined) throw failureOf(job.error);
  throw new AgentError('CANCELLED', `install ${guestNameOf(path)}: it was cancelled, and nothing of it is left`);
}

/** By its key it is one job, however often it is submitted: where the agent is lost before it answers, it is asked again. */
async function submit(
  agent: InstallAgent,
  path: GuestPath,
  guest: NewGuest,
  signal: AbortSignal,
  clock: Pick<typeof systemClock, 'sleep'>,
): Promise<string> {
  const key = randomUUID();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return pairsOf(await agent.act('submit_job', 'install_vm', [path, guest], key)).get('job') ?? '';
    } catch (error) {
      const wasLost = error instanceof TransportError || (attempt > 1 && isPassing(error));
      if (!wasLost || attempt === MOST_ATTEMPTS || signal.aborted) throw error;
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** Whether an agent is between its end and its next start. */
function isPassing(error: unknown): boolean {
  return error instanceof AgentError && (error.code === 'PEER_DOWN' || error.code === 'STOPPING');
}

async function giveUp(
  agent: InstallAgent,
  id: string,
  ask: () => Promise<readonly Job[]>,
  screen: JobScreen,
  clock: Pick<typeof systemClock, 'sleep'>,
): Promise<Job | undefined> {
  screen.tell('[cancelling; what was made is taken back]');
  try {
    await agent.act('cancel_job', id);
  } catch (error) {
    const [job] = await ask();
    // It may have ended meanwhile.
    if (!job || !hasEnded(job)) throw error;
  }
  return followJobs(ask, screen, new AbortController().signal, true, clock);
}

/** What is said at the end, in the words of virtinst, with our programs in place of virsh. */
const SENTENCES = {
  inProgress:
    'Domain installation still in progress.  You can reconnect to \nthe console to complete the installation process.',
  restarting: 'Guest installation complete... restarting guest.',
  stopped: (name: string): string =>
    `Guest installation complete... you can restart your domain\nby running:\n  xm start ${name}`,
} as const;

export interface EndOptions {
  /** Minutes to wait for its end; undefined and 0 look once, below 0 waits without end. */
  readonly minutes: number | undefined;
  /** Whether a guest that has ended is started again, as its installer wants it. */
  readonly restarts: boolean;
  readonly signal: AbortSignal;
}

/**
 * Waits for the end of a guest whose system is being installed, as far as that is wanted, and starts it again.
 * @returns what to say
 * @throws AgentError WRONG_STATE when the guest came to a bad end
 */
export async function awaitInstallation(
  agent: InstallAgent,
  path: GuestPath,
  { minutes = 0, restarts, signal }: EndOptions,
  clock: Pick<typeof systemClock, 'monotonic' | 'sleep'> = systemClock,
): Promise<string> {
  const deadline = minutes < 0 ? Infinity : clock.monotonic() + minutes * MINUTE_MS;
  let status = await statusOf(agent, path);
  while (!ENDED.includes(status) && clock.monotonic() < deadline && !signal.aborted) {
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    status = await statusOf(agent, path);
  }
  const name = guestNameOf(path);
  if (status === 'ERROR')
    throw new AgentError(
      'WRONG_STATE',
      `install ${name}: its domain failed; look at it with "xm log" and "xm console ${name}"`,
    );
  if (status !== 'DOWN') return SENTENCES.inProgress;
  if (!restarts) return SENTENCES.stopped(name);
  await agent.act('start_vm', path);
  return SENTENCES.restarting;
}

async function statusOf(agent: InstallAgent, path: GuestPath): Promise<string> {
  const guest = (await agent.guests()).find(candidate => candidate.path === path);
  if (guest) return guest.status;
  throw new AgentError('NO_SUCH_GUEST', `install ${guestNameOf(path)}: somebody has removed the guest meanwhile`);
}

/** TCP port of its VNC server; undefined where it has none, or has ended already. */
export async function vncPortOf(agent: InstallAgent, path: GuestPath): Promise<number | undefined> {
  const guest = (await agent.guests()).find(candidate => candidate.path === path);
  return guest?.vnc_port;
}
