import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';

/** Name by which agents inside know their port (qemu-ga(8)). */
export const GUEST_AGENT_PORT = 'org.qemu.guest_agent.0';

/** Time for an agent to answer; one that runs needs milliseconds. */
const ANSWER_MS = 700;
/** Time in which an agent that will not do it says so: one that does it says nothing. */
const REFUSAL_MS = 250;
/** Most that is read of one conversation: an answer is one short line, and what lay in the port before may be another. */
const MOST_BYTES = 64 * 1024;
const DELIMITER = 0xff;

/**
 * The agent inside a guest (docs/interop/qemu-ga-ref), which may be anybody: nothing that it says is shown or kept. Its port has
 * one client at a time, so that conversations follow each other.
 */
export class GuestAgent {
  readonly #path: string;
  readonly #socketPath: string;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: { readonly path: string; readonly socketPath: string; readonly clock: Clock }) {
    this.#path = parts.path;
    this.#socketPath = parts.socketPath;
    this.#clock = parts.clock;
  }

  /**
   * Asks it to power the system off, and returns once it has not refused.
   * @throws AgentError NOT_SUPPORTED when nobody answers, or when it refuses
   */
  shutDown(): Promise<void> {
    return this.#converse(async talk => {
      talk.send({ execute: 'guest-shutdown', arguments: { mode: 'powerdown' } });
      const answer = await talk.answer(REFUSAL_MS, () => true);
      if (answer && 'error' in answer) throw this.#failure('the guest agent inside refuses');
    });
  }

  #converse(work: (talk: Conversation) => Promise<void>): Promise<void> {
    const mine = this.#last.then(async () => {
      const socket = createConnection({ path: this.#socketPath });
      try {
        await once(socket, 'connect').catch((cause: unknown) => {
          throw this.#failure('it has no port for a guest agent', cause);
        });
        const talk = new Conversation(socket, this.#clock);
        await this.#synchronize(talk);
        await work(talk);
      } finally {
        socket.destroy();
      }
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** What an earlier client asked may still be answered: only what follows the answer to our own number is ours. */
  async #synchronize(talk: Conversation): Promise<void> {
    const id = randomInt(1, 2 ** 31);
    talk.send({ execute: 'guest-sync-delimited', arguments: { id } });
    const answer = await talk.answer(ANSWER_MS, (message, isDelimited) => isDelimited && message['return'] === id);
    if (!answer) throw this.#failure('no guest agent answers inside');
  }

  #failure(why: string, cause?: unknown): AgentError {
    return new AgentError('NOT_SUPPORTED', `stop ${this.#path}: ${why}; use the power button`, { cause });
  }
}

type Message = Readonly<Record<string, unknown>>;

/** One client's time at the port: lines of JSON in both directions. */
class Conversation {
  readonly #socket: Socket;
  readonly #clock: Clock;
  #partial = Buffer.alloc(0);
  #read = 0;
  #isOver = false;
  #listener: ((message: Message | undefined, isDelimited: boolean) => void) | undefined;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#isOver = true;
      this.#listener?.(undefined, false);
    });
  }

  /** The delimiter makes the agent drop what an earlier client began. */
  send(command: Message): void {
    this.#socket.write(Buffer.concat([Buffer.of(DELIMITER), Buffer.from(`${JSON.stringify(command)}\n`)]));
  }

  /** @returns undefined when none comes in time, or none can come any more */
  answer(timeoutMs: number, isIt: (message: Message, isDelimited: boolean) => boolean): Promise<Message | undefined> {
    return new Promise(resolve => {
      const finish = (message: Message | undefined): void => {
        timer.cancel();
        this.#listener = undefined;
        resolve(message);
      };
      const timer = this.#clock.setTimer(timeoutMs, () => finish(undefined));
      this.#listener = (message, isDelimited) => {
        if (!message || isIt(message, isDelimited)) finish(message);
      };
      if (this.#isOver) finish(undefined);
    });
  }

  #take(data: Buffer): void {
    this.#read += data.length;
    if (this.#read > MOST_BYTES) {
      this.#socket.destroy();
      return;
    }
    this.#partial = Buffer.concat([this.#partial, data]);
    for (let end = this.#partial.indexOf('\n'); end >= 0; end = this.#partial.indexOf('\n')) {
      const line = this.#partial.subarray(0, end);
      this.#partial = this.#partial.subarray(end + 1);
      const delimiter = line.lastIndexOf(DELIMITER);
      const message = parseMessage(line.subarray(delimiter + 1).toString());
      if (message) this.#listener?.(message, delimiter >= 0);
    }
  }
}

function parseMessage(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}
