import { type Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { join } from 'node:path';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { SaveOptions } from '../driver.ts';
import { Fifo } from './fifo.ts';
import type { XenDomain } from './xen-domain.ts';
import type { Xl } from './xl.ts';

/** A state is as large as the memory, and a disk or network can be slow; one that stops is given up by its caller. */
const TRANSFER_MS = 24 * 3600_000;

/**
 * Writes the state of a domain that runs, and leaves it paused. Where the stream fails or is given up xl is not killed: it finds
 * nobody reading, and lets the domain go on by itself, as it does when the agent is killed.
 * @throws AgentError CANCELLED, HYPERVISOR, and what the stream throws
 */
export async function saveDomain(
  xl: Xl,
  domain: XenDomain,
  sink: Writable,
  clock: Clock,
  { onProgress, signal }: SaveOptions,
): Promise<void> {
  const act = `save ${domain.path}`;
  // It may fail before anything flows; the pipeline below tells then as well.
  sink.on('error', () => undefined);
  const fifo = await Fifo.make(join(domain.place.directory, 'state'), clock);
  try {
    const total = domain.note.config.memoryMib * 2 ** 20;
    let done = 0;
    onProgress?.(0, total);
    const source = fifo.reader();
    const xlEnded = xl
      .act(act, ['save', '-p', domain.target, fifo.path], { timeoutMs: TRANSFER_MS })
      .finally(() => fifo.programEnded());
    const counting = new Transform({
      transform(part: Buffer, _encoding, passOn) {
        done += part.length;
        onProgress?.(Math.min(done, total), total);
        passOn(null, part);
      },
    });
    const taken = pipeline([source, counting, sink], signal ? { signal } : {}).finally(() => source.destroy());
    taken.catch(() => fifo.refuse());
    // Whatever its end does to it later has been told by the pipeline.
    source.on('error', () => undefined);
    const [stream, program] = await Promise.allSettled([taken, xlEnded]);
    if (signal?.aborted) throw new AgentError('CANCELLED', `${act}: it was given up`);
    if (stream.status === 'rejected') throw sink.errored ?? stream.reason;
    if (program.status === 'rejected') throw program.reason;
    onProgress?.(total, total);
  } finally {
    fifo.remove();
  }
}

/**
 * Makes a domain from a state, paused.
 * @param config the file that says what it is made of: what the state says of that is not asked
 * @throws AgentError CANCELLED, HYPERVISOR, and what the stream throws
 */
export async function restoreDomain(
  xl: Xl,
  domain: XenDomain,
  source: Readable,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  const act = `restore ${domain.path}`;
  source.on('error', () => undefined);
  const fifo = await Fifo.make(join(domain.place.directory, 'state'), clock);
  try {
    const xlEnded = xl
      .act(act, ['restore', '-p', '-e', domain.file, fifo.path], { timeoutMs: TRANSFER_MS })
      .finally(() => fifo.programEnded());
    const given = fifo.writer().then(async sink => {
      if (!sink) throw nobodyReads();
      sink.on('error', () => undefined);
      // Closed, and not only ended: the end of a pipe is that nobody has it open for writing.
      await pipeline(source, sink, signal ? { signal } : {}).finally(() => sink.destroy());
    });
    const [stream, program] = await Promise.allSettled([given, xlEnded]);
    if (signal?.aborted) throw new AgentError('CANCELLED', `${act}: it was given up`);
    // A program that refuses leaves a stream that fails: what it says is why.
    if (program.status === 'rejected' && isOfPipe(stream)) throw program.reason;
    if (!isOfPipe(stream)) throw (stream as PromiseRejectedResult).reason;
  } finally {
    fifo.remove();
  }
}

function nobodyReads(): Error {
  return Object.assign(new Error('xl ended before it read the state'), { code: 'EPIPE' });
}

/** Whether a stream came to its end, or failed only because nobody reads it any more. */
function isOfPipe(stream: PromiseSettledResult<void>): boolean {
  if (stream.status === 'fulfilled') return true;
  const { code } = stream.reason as { code?: string };
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
