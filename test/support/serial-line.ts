import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { attachConsole } from '../../utils/console-client.ts';
import { waitUntil } from './wait.ts';

/** The serial console of a guest, as a person at a terminal has it. */
export class SerialLine {
  readonly #socket: Duplex;
  #text = '';

  private constructor(socket: Duplex) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#text += text;
    });
    socket.on('error', () => socket.destroy());
  }

  /**
   * Attaches over an agent's control socket, with all that was printed before; whoever holds the console loses it.
   * @param guest name or path
   */
  static async attach(controlSocket: string, guest: string): Promise<SerialLine> {
    const wanted = { guest, mode: 'interactive', takeOver: true, historyBytes: 2 ** 20 } as const;
    return new SerialLine(await attachConsole(controlSocket, wanted));
  }

  /** Connects to the port itself, where no agent does: what was printed before is lost. */
  static async connect(path: string): Promise<SerialLine> {
    const socket = createConnection({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new SerialLine(socket);
  }

  /** Over a connection that somebody made. */
  static over(stream: Duplex): SerialLine {
    return new SerialLine(stream);
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  get text(): string {
    return this.#text;
  }

  /** Waits for a line that was not waited for before, and forgets all up to it. */
  async expect(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    await waitUntil(
      `${String(pattern)} on the serial console`,
      () => {
        found = pattern.exec(this.#text);
        return found !== null;
      },
      timeoutMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it says:\n${this.#text.slice(-1500)}`);
    });
    this.#text = this.#text.slice(found!.index + found![0].length);
    return found!;
  }

  /** Waits until somebody inside answers: what is typed before the shell listens is lost. */
  async untilShell(timeoutMs = 30_000): Promise<void> {
    await waitUntil(
      'the shell answers',
      () => {
        this.type('echo she""ll-answers');
        return this.#text.includes('shell-answers');
      },
      timeoutMs,
      200,
    );
  }

  type(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
