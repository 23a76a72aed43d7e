import { createCipheriv } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';

/** Security types of RFC 6143, 7.1.2. */
export const securityTypes = { none: 1, password: 2 } as const;

export interface RfbResult {
  readonly offered: readonly number[];
  /** Whether the server let us in; undefined when no login was tried. */
  readonly isIn: boolean | undefined;
  /** Of the screen, where the server let us in. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

/**
 * Connects to a VNC server as a viewer does (RFC 6143, 7.1 and 7.3), up to the size of its screen.
 * @param password tried where one is asked for; undefined leaves after the offer
 */
export async function connectRfb(port: number, password?: string): Promise<RfbResult> {
  const reader = new Reader(createConnection({ port, host: '127.0.0.1' }));
  try {
    await reader.take(12);
    reader.send(Buffer.from('RFB 003.008\n'));
    const count = (await reader.take(1))[0]!;
    const offered = [...(await reader.take(count))];
    const chosen = offered[0];
    if (chosen === undefined || (chosen === securityTypes.password && password === undefined)) {
      return { offered, isIn: undefined, size: undefined };
    }
    reader.send(Buffer.from([chosen]));
    if (chosen === securityTypes.password) reader.send(answerTo(await reader.take(16), password ?? ''));
    const isIn = (await reader.take(4)).readUInt32BE() === 0;
    if (!isIn) return { offered, isIn, size: undefined };
    reader.send(Buffer.from([1]));
    const screen = await reader.take(4);
    return { offered, isIn, size: { width: screen.readUInt16BE(0), height: screen.readUInt16BE(2) } };
  } finally {
    reader.close();
  }
}

/** DES with the password as its key, whose bytes have their bits in reverse (RFC 6143, 7.2.2). */
function answerTo(challenge: Buffer, password: string): Buffer {
  const key = Buffer.alloc(8);
  key.write(password, 'latin1');
  const reversed = key.map(byte => Number.parseInt(byte.toString(2).padStart(8, '0').split('').reverse().join(''), 2));
  // Triple DES with one key three times is DES, which OpenSSL keeps apart.
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([reversed, reversed, reversed]), null);
  return cipher.setAutoPadding(false).update(challenge);
}

class Reader {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', data => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    for (const end of ['close', 'error']) {
      socket.on(end, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes) {
      if (this.#ended) throw new Error('the VNC server closed the connection');
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }
}
