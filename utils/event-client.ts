import { type IncomingMessage, request } from 'node:http';
import { AgentError, messageOf } from '../src/errors.ts';
import { systemClock } from '../src/host/clock.ts';
import { EVENT_PATH } from '../src/wire/event-request.ts';
import { refusalOf } from './refusal.ts';
import { TransportError } from './rpc-client.ts';
import { type ServerSentEvent, ServerSentEventReader } from './server-sent-events.ts';

/** The agent shows every 15 seconds that it lives. */
const SILENCE_MS = 50_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 2000;

export interface EventSubscription {
  readonly after?: string | undefined;
  /** Path of the only guest. */
  readonly guest?: string | undefined;
}

/**
 * The events of the agent of this server, over its restarts: each is given once, and none is left out that the agent
 * keeps. What it does not keep any more is told by an event `resync`.
 * @param tell where to say that the agent was lost and found again
 * @throws TransportError when there is no agent at first, AgentError when it refuses
 */
export async function* followEvents(
  socketPath: string,
  wanted: EventSubscription,
  signal: AbortSignal,
  tell: (text: string) => void,
): AsyncGenerator<ServerSentEvent> {
  let token = wanted.after;
  const hasLeft = (): boolean => signal.aborted;
  for (let isFirst = true; !hasLeft(); isFirst = false) {
    const stream = isFirst
      ? await open(socketPath, wanted, token, signal).catch((error: unknown) => given(error, signal))
      : await openAgain(socketPath, wanted, token, signal);
    if (!stream) return;
    if (!isFirst) tell('[connected again]');
    const reader = new ServerSentEventReader();
    stream.setEncoding('utf8');
    try {
      for await (const text of stream) {
        for (const event of reader.push(String(text))) {
          yield event;
          token = event.id;
        }
        if (reader.lastId !== '') token = reader.lastId;
      }
    } catch (error) {
      if (!hasLeft() && error instanceof AgentError) throw error;
    } finally {
      stream.destroy();
    }
    if (!hasLeft()) tell('[the agent was lost; waiting for it]');
  }
}

/** @returns undefined when the user left meanwhile */
async function openAgain(
  socketPath: string,
  wanted: EventSubscription,
  token: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage | undefined> {
  const hasLeft = (): boolean => signal.aborted;
  for (let delayMs = FIRST_DELAY_MS; !hasLeft(); delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)) {
    await systemClock.sleep(delayMs, signal).catch(() => undefined);
    try {
      return await open(socketPath, wanted, token, signal);
    } catch (error) {
      const mayPass = error instanceof TransportError || (error instanceof AgentError && error.code === 'STOPPING');
      if (!mayPass && !hasLeft()) throw error;
    }
  }
  return undefined;
}

function given(error: unknown, signal: AbortSignal): undefined {
  if (!signal.aborted) throw error;
}

function open(
  socketPath: string,
  { guest }: EventSubscription,
  token: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const query = new URLSearchParams({
    ...(guest === undefined ? {} : { guest }),
    ...(token === undefined ? {} : { after: token }),
  });
  return new Promise((resolve, reject) => {
    const sent = request({
      socketPath,
      path: `${EVENT_PATH}?${query.toString()}`,
      headers: { Accept: 'text/event-stream' },
      agent: false,
      timeout: SILENCE_MS,
      signal,
    });
    sent.on('response', response => {
      if (response.statusCode === 200) resolve(response);
      else void refusalOf(response).then(reject, reject);
    });
    sent.on('timeout', () => sent.destroy(new Error('the agent says nothing')));
    sent.on('error', error => reject(new TransportError(messageOf(error), error)));
    sent.end();
  });
}
