import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Duplex, Readable, Writable } from 'node:stream';
import { AgentError, messageOf } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { MigrationOptions } from '../driver.ts';
import { Fifo } from './fifo.ts';
import { MigrationReplies } from './migration-replies.ts';
import type { XenDomain } from './xen-domain.ts';
import { failureOf } from './xl-output.ts';
import type { Xl } from './xl.ts';

/** As long as a large memory over a slow network takes; one that stands still is given up by its caller. */
const TRANSFER_MS = 24 * 3600_000;
const ASK_AGAIN_MS = 1_000;
/** xl hands this to a shell: names that a shell could misunderstand are not among ours. */
const PLAIN_PATH = /^[\w./+-]+$/;

/**
 * Sends a running domain over a stream, in xl's own form: `xl migrate` is given a transport that leads to the agent, and the agent
 * listens to what is said. Where the stream breaks before the receiver was cleared to start, the domain runs on here. Where it
 * breaks after, the domain stands still here until it is known whether the other copy runs: never do two.
 * @throws AgentError HYPERVISOR, CANCELLED; the domain is here then, and runs unless Xen could not let it go on
 */
export async function sendDomain(
  xl: Xl,
  domain: XenDomain,
  stream: Duplex,
  clock: Clock,
  options: MigrationOptions,
): Promise<void> {
  const act = `migrate ${domain.path}`;
  const { directory } = domain.place;
  if (!PLAIN_PATH.test(directory)) throw new AgentError('HOST', `${act}: ${directory} is no plain path`);
  const data = await Fifo.make(join(directory, 'migration-data'), clock);
  const replies = await Fifo.make(join(directory, 'migration-replies'), clock);
  try {
    const source = data.reader();
    const transport = `cat ${replies.path} & exec cat > ${data.path}`;
    const xlEnded = xl
      .act(act, ['migrate', '-s', '', domain.target, transport], { timeoutMs: TRANSFER_MS })
      .finally(() => {
        data.programEnded();
        replies.programEnded();
        // What it has still to hear is in its hands, and there is nothing more to come.
        stream.destroy();
      });
    const talk = replies.writer().then(answers => {
      if (!answers) throw new Error('xl ended before it spoke');
      return relay(source, answers, stream, clock, options);
    });
    talk.catch(() => data.refuse());
    const [spoken, program] = await Promise.allSettled([talk, xlEnded]);
    if (program.status === 'fulfilled') return;
    if (options.signal?.aborted) throw new AgentError('CANCELLED', `${act}: it was given up`);
    const reason = spoken.status === 'rejected' ? `: ${messageOf(spoken.reason)}` : '';
    throw new AgentError('HYPERVISOR', `${messageOf(program.reason)}${reason}`, { cause: program.reason });
  } finally {
    data.remove();
    replies.remove();
  }
}

async function relay(
  data: Readable,
  replies: Writable,
  stream: Duplex,
  clock: Clock,
  { hasArrived, onProgress, signal }: MigrationOptions,
): Promise<void> {
  const listening = new MigrationReplies();
  let sent = 0;
  // Ends with the connection: what xl has still to say then is for nobody.
  const giveUp = (): void => {
    if (listening.stage === 'early') stream.destroy();
  };
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted) giveUp();
  replies.on('error', () => undefined);
  data.on('error', () => undefined);
  carry(data, stream, part => {
    sent += part.length;
    onProgress?.(sent);
  });
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      const passed = listening.read(part);
      if (passed.length > 0) replies.write(passed);
      if (listening.stage === 'told') break;
    }
    if (listening.stage !== 'told') throw new Error('the connection ended');
  } catch (error) {
    if (listening.stage === 'early') {
      // Nobody reads, nobody answers: xl lets the domain run on.
      data.destroy();
      throw error;
    }
    replies.write(listening.decide(await certainly(hasArrived, clock)));
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
    // Closed, and not only ended: the end of a pipe is that nobody has it open for writing.
    replies.end(() => replies.destroy());
  }
}

/** Passes on what comes, as fast as it is taken; what comes when nobody takes it any more is read and dropped. */
function carry(from: Readable, to: Writable, onPart?: (part: Buffer) => void): void {
  const goOn = (): void => void from.resume();
  to.on('drain', goOn).on('close', goOn);
  from.on('data', (part: Buffer) => {
    onPart?.(part);
    if (!to.destroyed && !to.writableEnded && !to.write(part)) from.pause();
  });
}

/** Asked until there is an answer: without one either copy could be the second. */
async function certainly(hasArrived: () => Promise<boolean>, clock: Clock): Promise<boolean> {
  for (;;) {
    try {
      return await hasArrived();
    } catch {
      await clock.sleep(ASK_AGAIN_MS);
    }
  }
}

/**
 * Takes a domain from a stream. xl is told of nothing that happens to the stream but its end, so that it comes to an end of its
 * own in every case; whether the copy runs is then for the caller to see.
 * @param program xl
 * @returns what xl says went wrong; undefined where nothing did
 */
export async function receiveDomain(
  program: string,
  stream: Duplex,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const child = spawn(program, ['migrate-receive', '-e'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    cwd: '/',
  });
  child.on('error', () => undefined);
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-64 * 1024)));
  child.stdin.on('error', () => undefined);
  const giveUp = (): void => void stream.destroy();
  signal?.addEventListener('abort', giveUp, { once: true });
  stream.on('error', () => undefined);
  child.stdout.on('error', () => undefined);
  carry(child.stdout, stream);
  carry(stream, child.stdin);
  const noMore = (): void => void child.stdin.end();
  stream.once('end', noMore).once('close', noMore);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0 ? undefined : failureOf(words) || `xl migrate-receive ended with ${code ?? 'a signal'}`;
  } finally {
    signal?.removeEventListener('abort', giveUp);
    if (!stream.destroyed) stream.end();
  }
}
