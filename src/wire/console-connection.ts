import type { Socket } from 'node:net';
import type { Services } from '../rpc/services.ts';

type ConsoleReader = Parameters<Services['guestConsoles']['attach']>[2];
type ConsoleSession = ReturnType<Services['guestConsoles']['attach']>;

/** Name of what the connection becomes, in the header Upgrade. */
export const CONSOLE_PROTOCOL = 'ovs-console';

/** A peer that has vanished without a word is noticed after this time, and holds no console any more. */
const KEEP_ALIVE_MS = 60_000;

export interface ConsoleConnectionParts {
  readonly socket: Socket;
  /**
   * Time for the client to take what was sent before its session ended, and for the guest to take input: after it, what
   * is typed is dropped. In milliseconds.
   */
  readonly patienceMs: number;
}

/** A connection that is somebody's console. Its first bytes say that it is one now. */
export class ConsoleConnection implements ConsoleReader {
  readonly #parts: ConsoleConnectionParts;
  #hasBegun = false;
  #isDropping = false;
  #hasEnded = false;

  constructor(parts: ConsoleConnectionParts) {
    this.#parts = parts;
  }

  get pendingBytes(): number {
    return this.#parts.socket.writableLength;
  }

  /**
   * What arrives is typed from now on, until the client hangs up.
   * @param head what arrived already
   * @param onClose called once, when the connection is gone
   */
  begin(session: ConsoleSession, head: Buffer, onClose: () => void): void {
    const { socket } = this.#parts;
    this.#sayUpgraded();
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (data: Buffer) => this.#type(session, data));
    // Who hangs up has no use for what the guest prints.
    socket.on('end', () => socket.end());
    // A connection that is not read does not tell that the client hung up.
    socket.on('timeout', () => {
      if (socket.isPaused()) this.#isDropping = true;
      socket.resume();
    });
    socket.on('close', () => {
      session.close();
      onClose();
    });
    if (head.length > 0) this.#type(session, head);
  }

  write(data: Uint8Array): void {
    this.#sayUpgraded();
    if (!this.#hasEnded) this.#parts.socket.write(data);
  }

  drained(): void {
    const { socket } = this.#parts;
    if (this.#hasEnded) return;
    this.#isDropping = false;
    socket.setTimeout(0);
    socket.resume();
  }

  end(notice: string): void {
    const { patienceMs, socket } = this.#parts;
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    socket.end(notice);
    socket.setTimeout(patienceMs, () => socket.destroy());
    // What it still types is read and dropped, or its end would never be seen.
    socket.resume();
  }

  abort(): void {
    this.#parts.socket.destroy();
  }

  #type(session: ConsoleSession, data: Buffer): void {
    const { patienceMs, socket } = this.#parts;
    if (this.#hasEnded || this.#isDropping || session.write(data)) return;
    socket.pause();
    socket.setTimeout(patienceMs);
  }

  #sayUpgraded(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#parts.socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${CONSOLE_PROTOCOL}\r\n\r\n`,
    );
  }
}
