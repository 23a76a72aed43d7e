import type { Readable } from 'node:stream';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { Bandwidth } from './bandwidth.ts';
import { BrokenTransfer, type Origin, type ReachOptions } from './origin.ts';
import { waitPatiently } from './patience.ts';

export interface TransferOptions extends ReachOptions {
  /** Called with each piece that is handed on, with the bytes so far and those there are, where that is known. */
  readonly onProgress?: (doneBytes: number, totalBytes: number | undefined) => void;
  /** A larger file is refused. */
  readonly limitBytes: number;
  /** Most bytes per second; as fast as they come when left out. */
  readonly bytesPerSecond?: number;
}

/** So often it is tried to take up a broken transfer, before it is given up: a piece that comes begins the count anew. */
const FRUITLESS_TRIES = 5;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

/** The pieces of a file in their order, over as many connections as it takes. */
export class WholeContent {
  readonly #origin: Origin;
  /** Names the source in messages. */
  readonly #name: string;
  readonly #options: TransferOptions;
  readonly #signal: AbortSignal;
  readonly #bandwidth: Bandwidth | undefined;
  #doneBytes = 0;
  #fruitlessTries = 0;
  #piece: Readable | undefined;
  #pieces: AsyncIterator<Buffer, undefined> | undefined;

  /** @param signal ends every wait at once */
  constructor(origin: Origin, name: string, options: TransferOptions, signal: AbortSignal) {
    this.#origin = origin;
    this.#name = name;
    this.#options = options;
    this.#signal = signal;
    const { bytesPerSecond, clock } = options;
    this.#bandwidth = bytesPerSecond === undefined ? undefined : new Bandwidth(bytesPerSecond, clock);
  }

  /** @returns undefined at the end. @throws AgentError, or the signal's reason */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      let piece: Buffer | undefined;
      try {
        piece = await this.#pull();
        if (!piece) this.#requireWhole();
      } catch (error) {
        await this.#recoverFrom(error);
        continue;
      }
      if (piece) await this.#accept(piece);
      return piece;
    }
  }

  close(): Promise<void> {
    this.#drop();
    return this.#origin.close();
  }

  async #pull(): Promise<Buffer | undefined> {
    if (!this.#pieces) {
      this.#piece = await this.#origin.openAt(this.#doneBytes, this.#signal);
      this.#pieces = this.#piece[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    }
    const { done, value } = await waitPatiently(this.#pieces.next(), this.#options, this.#signal);
    return done === true ? undefined : value;
  }

  async #accept(piece: Buffer): Promise<void> {
    this.#fruitlessTries = 0;
    this.#doneBytes += piece.length;
    const { totalBytes } = this.#origin;
    if (totalBytes !== undefined && this.#doneBytes > totalBytes) {
      throw new AgentError(
        'HOST',
        `fetch ${this.#name}: more came than the ${totalBytes} bytes that were announced; see to the server`,
      );
    }
    requireWithin(this.#options.limitBytes, this.#doneBytes, this.#name);
    await this.#bandwidth?.take(piece.length, this.#signal);
    this.#options.onProgress?.(this.#doneBytes, totalBytes);
  }

  #requireWhole(): void {
    const { totalBytes } = this.#origin;
    if (totalBytes !== undefined && this.#doneBytes !== totalBytes) throw new BrokenTransfer('it ended early');
  }

  async #recoverFrom(error: unknown): Promise<void> {
    this.#drop();
    this.#signal.throwIfAborted();
    if (error instanceof AgentError) throw error;
    if (this.#fruitlessTries === FRUITLESS_TRIES) {
      const total = this.#origin.totalBytes === undefined ? '' : ` of ${this.#origin.totalBytes}`;
      throw brokenFor(
        error,
        `fetch ${this.#name}: it broke after ${this.#doneBytes}${total} bytes (${quote(messageOf(error))}), and ${FRUITLESS_TRIES} more tries brought nothing; see to the server and the network`,
      );
    }
    const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#fruitlessTries);
    this.#fruitlessTries += 1;
    await this.#options.clock.sleep(delayMs, this.#signal);
  }

  #drop(): void {
    // What is cut short may fail once more, which nobody needs to know.
    this.#piece?.on('error', () => undefined).destroy();
    this.#piece = undefined;
    this.#pieces = undefined;
  }
}

/** @throws AgentError BAD_VALUE when a file has more bytes than are taken */
export function requireWithin(limitBytes: number, bytes: number, name: string): void {
  if (bytes <= limitBytes) return;
  throw new AgentError(
    'BAD_VALUE',
    `fetch ${name}: it has more than ${limitBytes} bytes; a file of at most that size is needed`,
  );
}

/** The final failure for one that might have passed. */
export function brokenFor(cause: unknown, message: string): AgentError {
  return new AgentError(cause instanceof BrokenTransfer && cause.isIdle ? 'TIMEOUT' : 'HOST', message, { cause });
}
