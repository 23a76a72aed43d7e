import { AgentError } from '../errors.ts';
import type { PeerProbe } from '../peers/peer.ts';

/** Other agents, as far as a server that is in no pool knows them. */
export class Neighbours {
  readonly #isOwn: (address: string) => boolean;
  readonly #probe: PeerProbe;

  constructor(isOwn: (address: string) => boolean, probe: PeerProbe) {
    this.#isOwn = isOwn;
    this.#probe = probe;
  }

  /** @throws AgentError PEER_DOWN when no agent answers at that address */
  async requireAnswer(address: string): Promise<void> {
    if (this.#isOwn(address)) return;
    const reason = await this.#probe(address);
    if (reason !== undefined) {
      throw new AgentError(
        'PEER_DOWN',
        `agent at ${address}: it does not answer (${reason}); see that it runs and may be reached`,
      );
    }
  }
}
