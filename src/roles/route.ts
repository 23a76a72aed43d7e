import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** Decides on which server a call runs. */
export interface Router {
  /**
   * @param wanted address of the server that the caller asks for, where it does
   * @throws AgentError PEER_DOWN when that server cannot be reached from here
   */
  route(wanted: unknown): void;
}

/** The router of a server that is in no pool: every call runs here, and none elsewhere. */
export class StandAloneRouter implements Router {
  readonly #ownAddresses: () => readonly string[];

  constructor(ownAddresses: () => readonly string[]) {
    this.#ownAddresses = ownAddresses;
  }

  route(wanted: unknown): void {
    if (wanted === undefined || typeof wanted !== 'string') return;
    const own = this.#ownAddresses();
    if (own.includes(wanted)) return;
    throw new AgentError(
      'PEER_DOWN',
      `server ${quote(wanted)}: this server is in no pool with it; leave the address out, or give one of ${own.join(', ')}`,
    );
  }
}
