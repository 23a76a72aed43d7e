import { createConnection, type Socket } from 'node:net';
import { AgentError } from '../errors.ts';
import type { Clock, Timer } from '../host/clock.ts';

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface QmpListener {
  onEvent(event: QmpEvent): void;
  onClose(): void;
}

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: AgentError) => void;
  readonly timer: Timer;
}

/** Longest line that is taken from QEMU: a larger one means that the guest or QEMU is hostile or broken. */
const LINE_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * One connection to a QEMU monitor socket (QEMU Machine Protocol, "docs/interop/qmp-spec"). Commands are answered in
 * order and carry the id that was sent with them.
 */
export class QmpConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #listener: QmpListener;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #partial = '';
  #closed = false;

  private constructor(socket: Socket, clock: Clock, listener: QmpListener) {
    this.#socket = socket;
    this.#clock = clock;
    this.#listener = listener;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#ended());
  }

  /**
   * Connects and leaves negotiation mode. Neither the greeting nor the answer is waited for: what is executed next
   * arrives after them, and is answered once QEMU listens to this client.
   * @throws the socket's error, such as ENOENT or ECONNREFUSED
   */
  static async connect(path: string, timeoutMs: number, clock: Clock, listener: QmpListener): Promise<QmpConnection> {
    const socket = createConnection({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const connection = new QmpConnection(socket, clock, listener);
    connection.execute('qmp_capabilities', undefined, timeoutMs).catch(() => connection.close());
    return connection;
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  /**
   * @returns the `return` member of the answer
   * @throws AgentError HYPERVISOR when QEMU refuses or the connection ends, TIMEOUT when it does not answer in time
   */
  execute(command: string, args: Readonly<Record<string, unknown>> | undefined, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(connectionLost(command));
        return;
      }
      const id = this.#nextId++;
      const timer = this.#clock.setTimer(timeoutMs, () => {
        this.#waiting.delete(id);
        reject(new AgentError('TIMEOUT', `QEMU ${command}: no answer within ${timeoutMs} ms`));
      });
      this.#waiting.set(id, { command, resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#ended();
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    if (this.#partial.length > LINE_LIMIT_BYTES) {
      this.#socket.destroy();
      return;
    }
    for (const line of lines) {
      if (this.#closed) return;
      if (line.trim() !== '') this.#readLine(line);
    }
  }

  #readLine(line: string): void {
    let message: Record<string, unknown>;
    try {
      message = Object(JSON.parse(line)) as Record<string, unknown>;
    } catch {
      this.#socket.destroy();
      return;
    }
    if (typeof message['event'] === 'string') {
      this.#listener.onEvent({ event: message['event'], data: (message['data'] ?? {}) as Record<string, unknown> });
      return;
    }
    const id = message['id'];
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    // The greeting has no id, and the answer to a command that was given up has one that is no longer known.
    if (!waiting || typeof id !== 'number') return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    if ('error' in message) {
      const error = message['error'] as { desc?: unknown } | undefined;
      waiting.reject(
        new AgentError(
          'HYPERVISOR',
          `QEMU ${waiting.command}: ${typeof error?.desc === 'string' ? error.desc : 'it refused'}`,
        ),
      );
    } else {
      waiting.resolve(message['return']);
    }
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiting of this.#waiting.values()) {
      waiting.timer.cancel();
      waiting.reject(connectionLost(waiting.command));
    }
    this.#waiting.clear();
    this.#listener.onClose();
  }
}

function connectionLost(command: string): AgentError {
  return new AgentError('HYPERVISOR', `QEMU ${command}: the connection to its monitor is closed`);
}
