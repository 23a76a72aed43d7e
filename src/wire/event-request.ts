import type { IncomingMessage } from 'node:http';
import { AgentError } from '../errors.ts';

/** What a client asks for that wants a stream of events. */
export interface EventStreamRequest {
  readonly after: string | undefined;
  readonly guest: string | undefined;
  readonly kinds: string | undefined;
}

export const EVENT_PATH = '/events';

const PARAMETERS = ['after', 'guest', 'kind'];

/** Whether a request is for the stream of events. */
export function isEventPath(url: string): boolean {
  return url === EVENT_PATH || url.startsWith(`${EVENT_PATH}?`);
}

/**
 * Reads `GET /events[?after=TOKEN][&guest=PATH][&kind=KIND,KIND]`. The header Last-Event-ID counts before `after`: a
 * client that comes back sends both (WHATWG HTML, 9.2.4).
 * @throws AgentError BAD_VALUE, DENIED for a page of another site
 */
export function eventRequestOf({ headers, url }: IncomingMessage): EventStreamRequest {
  // Browsers send it for pages of other sites, which could read in the name of the person who looks at them.
  if (headers.origin !== undefined) throw new AgentError('DENIED', 'events: pages of a browser get none');
  const parameters = new URLSearchParams((url ?? '').slice(EVENT_PATH.length + 1));
  const names = [...parameters.keys()];
  const wrong = names.find((name, index) => !PARAMETERS.includes(name) || names.indexOf(name) !== index);
  if (wrong !== undefined) {
    throw new AgentError(
      'BAD_VALUE',
      `events: parameter ${JSON.stringify(wrong.slice(0, 40))} is unknown or given twice; there are ${PARAMETERS.join(', ')}`,
    );
  }
  const last = headers['last-event-id'];
  return {
    after: typeof last === 'string' && last !== '' ? last : (parameters.get('after') ?? undefined),
    guest: parameters.get('guest') ?? undefined,
    kinds: parameters.get('kind') ?? undefined,
  };
}
