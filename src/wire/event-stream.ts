import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { Services } from '../rpc/services.ts';

type EventReader = ReturnType<Services['eventLog']['reader']>;

export interface EventStreamParts {
  readonly response: ServerResponse;
  readonly reader: EventReader;
  readonly clock: Clock;
  readonly log: Log;
  /** Time for the client to take what was sent to it, in milliseconds. */
  readonly patienceMs: number;
}

/** How often a stream on which nothing happens shows that it is alive. */
const HEARTBEAT_MS = 15_000;
/** Clients wait this long before they come back. */
const RETRY_MS = 2000;
/** Most events that are taken from the log before the client must have taken them. */
const EVENTS_AT_ONCE = 50;

/**
 * Events as server-sent events (WHATWG HTML, 9.2). What a client has not taken yet stays in the log: the agent holds no
 * more of it than one page, however slow the client is.
 */
export class EventStream {
  readonly #parts: EventStreamParts;
  readonly #heartbeat: Timer;
  #patience: Timer | undefined;
  #isScheduled = false;
  #hasEnded = false;
  #toldToken: string;

  constructor(parts: EventStreamParts) {
    this.#parts = parts;
    const { clock, reader, response } = parts;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      // Proxies that collect answers would hold events back.
      'X-Accel-Buffering': 'no',
    });
    this.#toldToken = reader.token;
    this.#write(`retry: ${RETRY_MS}\nid: ${this.#toldToken}\n\n`);
    this.#heartbeat = clock.every(HEARTBEAT_MS, () => this.#beat());
    response.on('drain', () => this.#drained());
    response.on('close', () => this.#closed());
    this.wake();
  }

  /** There may be more to read. */
  wake(): void {
    if (this.#isScheduled || this.#isBlocked || this.#hasEnded) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isBlocked || this.#hasEnded) return;
      this.#readOn();
      if (!this.#parts.reader.isAtEnd) this.wake();
    });
  }

  /** Sends what there is and ends; what the client does not take in time is dropped. */
  end(): void {
    const { reader } = this.#parts;
    while (!this.#hasEnded && !this.#isBlocked && !reader.isAtEnd) this.#readOn();
    this.#finish('');
  }

  /** Ends at once, with a comment that says why. */
  revoke(why: string): void {
    this.#finish(`: ${why}\n\n`);
  }

  destroy(): void {
    this.#parts.response.destroy();
  }

  get #isBlocked(): boolean {
    return this.#patience !== undefined;
  }

  #readOn(): void {
    const { events, resync } = this.#readPage();
    const frames = resync ? [frame(resync.token, 'resync', resync)] : [];
    for (const event of events) frames.push(frame(event.token, event.kind, event));
    this.#toldToken = events.at(-1)?.token ?? resync?.token ?? this.#toldToken;
    if (frames.length > 0) this.#write(frames.join(''));
  }

  #readPage(): ReturnType<EventReader['read']> {
    try {
      return this.#parts.reader.read(EVENTS_AT_ONCE);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'events cannot be read; their stream is broken off');
      this.destroy();
      return { events: [], resync: undefined };
    }
  }

  /** A line without a field keeps the connection; an id without data moves the client's token and is no event. */
  #beat(): void {
    if (this.#isBlocked || this.#hasEnded) return;
    const { token } = this.#parts.reader;
    this.#write(token === this.#toldToken ? ': \n\n' : `: \nid: ${token}\n\n`);
    this.#toldToken = token;
  }

  #write(text: string): void {
    const { clock, patienceMs, response } = this.#parts;
    if (response.destroyed || response.write(text)) return;
    this.#patience ??= clock.setTimer(patienceMs, () => this.destroy());
  }

  #drained(): void {
    this.#patience?.cancel();
    this.#patience = undefined;
    this.wake();
  }

  #finish(lastWords: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#heartbeat.cancel();
    const { clock, patienceMs, response } = this.#parts;
    this.#patience ??= clock.setTimer(patienceMs, () => this.destroy());
    response.end(lastWords);
  }

  #closed(): void {
    this.#hasEnded = true;
    this.#heartbeat.cancel();
    this.#patience?.cancel();
  }
}

/** One event: JSON has no line break outside its texts, and none inside them that is not escaped. */
function frame(id: string, kind: string, data: object): string {
  return `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
}
