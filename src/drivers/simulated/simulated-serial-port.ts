import { Duplex } from 'node:stream';
import { AgentError } from '../../errors.ts';

/** The serial port of a simulated domain: what is typed comes back, as from a terminal that echoes. */
export class SimulatedSerialPort {
  #client: Duplex | undefined;
  #typed = '';

  /** Everything that was typed. */
  get typed(): string {
    return this.#typed;
  }

  get hasClient(): boolean {
    return this.#client !== undefined;
  }

  /** @throws AgentError HOST when it has a client */
  connect(): Duplex {
    if (this.#client) throw new AgentError('HOST', 'open a serial port: it has a client; try again once that is gone');
    const client: Duplex = new Duplex({
      read: () => undefined,
      write: (data: Buffer, _encoding, done) => {
        this.#typed += data.toString();
        client.push(data);
        done();
      },
    });
    client.on('close', () => {
      if (this.#client === client) this.#client = undefined;
    });
    this.#client = client;
    return client;
  }

  /** The system inside prints; without a client that is lost. */
  print(data: string | Uint8Array): void {
    this.#client?.push(data);
  }

  /** Loses its client, as when the domain ends. */
  end(): void {
    this.#client?.push(null);
    this.#client = undefined;
  }
}
