import type { HostFacts } from '../host/inventory.ts';
import type { ServerFigures } from '../model/performance-figures.ts';
import type { Performance } from './performance.ts';

export interface HostFiguresParts {
  readonly facts: HostFacts;
  readonly performance: Pick<Performance, 'server'>;
  readonly availableMemoryMib: () => Promise<number>;
  readonly hypervisor: () => { readonly name: string; readonly version: string };
  readonly messages: () => Promise<string>;
}

/** Figures of this server for managers. */
export class HostFigures {
  readonly #parts: HostFiguresParts;

  constructor(parts: HostFiguresParts) {
    this.#parts = parts;
  }

  async facts(): Promise<
    HostFacts & {
      readonly freeMemoryMib: number;
      readonly hypervisor: string;
      readonly hypervisorVersion: string;
    }
  > {
    const { name, version } = this.#parts.hypervisor();
    return {
      ...this.#parts.facts,
      freeMemoryMib: await this.#parts.availableMemoryMib(),
      hypervisor: name,
      hypervisorVersion: version,
    };
  }

  /** What the hypervisor said of its own accord. */
  hypervisorMessages(): Promise<string> {
    return this.#parts.messages();
  }

  /** How busy the server is now, and the memory that guests can have (MiB). */
  async performance(): Promise<{ readonly figures: ServerFigures; readonly freeMemoryMib: number }> {
    const { figures } = await this.#parts.performance.server();
    return { figures, freeMemoryMib: await this.#parts.availableMemoryMib() };
  }
}
