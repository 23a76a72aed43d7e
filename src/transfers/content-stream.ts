import { Readable } from 'node:stream';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { Origin } from './origin.ts';
import { brokenFor, requireWithin, type TransferOptions, WholeContent } from './whole-content.ts';

export interface ContentStream {
  readonly stream: Readable;
  readonly totalBytes: number | undefined;
}

/**
 * The content of what `open` finds as one stream, which ends everything that belongs to it when it is destroyed.
 * @param name of the source, for messages
 * @throws AgentError as `openTransfer`
 */
export async function streamContent(
  name: string,
  options: TransferOptions,
  open: (signal: AbortSignal) => Promise<Origin>,
): Promise<ContentStream> {
  const ending = new AbortController();
  const giveUp = (): void => ending.abort(new AgentError('CANCELLED', `fetch ${name}: it was given up`));
  const forget = (): void => options.signal?.removeEventListener('abort', giveUp);
  options.signal?.addEventListener('abort', giveUp, { once: true });
  if (options.signal?.aborted) giveUp();
  try {
    ending.signal.throwIfAborted();
    const origin = await open(ending.signal);
    await requireFitting(origin, name, options, ending.signal);
    const stream = readableOf(new WholeContent(origin, name, options, ending.signal), ending);
    stream.once('close', forget);
    return { stream, totalBytes: origin.totalBytes };
  } catch (error) {
    forget();
    ending.signal.throwIfAborted();
    if (error instanceof AgentError) throw error;
    throw brokenFor(
      error,
      `fetch ${name}: it cannot be reached (${quote(messageOf(error))}); see to the server and the network`,
    );
  }
}

async function requireFitting(
  origin: Origin,
  name: string,
  { limitBytes }: TransferOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    signal.throwIfAborted();
    requireWithin(limitBytes, origin.totalBytes ?? 0, name);
  } catch (error) {
    await origin.close();
    throw error;
  }
}

function readableOf(content: WholeContent, ending: AbortController): Readable {
  const stream = new Readable({
    read() {
      content.next().then(
        piece => this.push(piece ?? null),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      ending.signal.removeEventListener('abort', fail);
      ending.abort(new AgentError('CANCELLED', 'fetch: its reader went away'));
      // A file on a server that went away may take for ever to close; nobody waits for that.
      content.close().catch(() => undefined);
      callback(error);
    },
  });
  const fail = (): void => void stream.destroy(ending.signal.reason as Error);
  ending.signal.addEventListener('abort', fail, { once: true });
  return stream;
}
