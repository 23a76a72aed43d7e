import { createConnection, type Socket } from 'node:net';
import type { AgentPaths } from '../../src/config/paths.ts';
import { connectConsole } from '../../utils/console.ts';
import { waitUntil } from './wait.ts';

/** The serial console of a guest, as a person at a terminal has it. */
export class SerialLine {
  readonly #socket: Socket;
  #text = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#text += text;
    });
    socket.on('error', () => socket.destroy());
  }

  /** Straight to the socket of a serial port, where no agent is. */
  static async open(path: string): Promise<SerialLine> {
    const socket = createConnection({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new SerialLine(socket);
  }

  /** By the agent, which takes it from whoever has it; with what the guest printed since its last start. */
  static async attach(paths: AgentPaths, guest: string): Promise<SerialLine> {
    const line = new SerialLine(
      await connectConsole(paths, guest, { readOnly: false, force: true, history: String(1024 * 1024) }),
    );
    await line.expect(/[\s\S]*\[the guest was started [^\]]*\]/);
    return line;
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

  type(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
