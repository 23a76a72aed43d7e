import type { HostFacts, ProcessorMeter } from '../host/inventory.ts';

export interface HostFiguresParts {
  readonly facts: HostFacts;
  readonly meter: ProcessorMeter;
  readonly availableMemoryMib: () => number;
  readonly load: () => readonly number[];
  readonly hypervisor: () => { readonly name: string; readonly version: string };
}

/** Figures of this server for managers. */
export class HostFigures {
  readonly #parts: HostFiguresParts;

  constructor(parts: HostFiguresParts) {
    this.#parts = parts;
  }

  facts(): HostFacts & {
    readonly freeMemoryMib: number;
    readonly hypervisor: string;
    readonly hypervisorVersion: string;
  } {
    const { name, version } = this.#parts.hypervisor();
    return {
      ...this.#parts.facts,
      freeMemoryMib: this.#parts.availableMemoryMib(),
      hypervisor: name,
      hypervisorVersion: version,
    };
  }

  /** Processors' idle share (0 to 1), free memory (MiB) and the load of one minute. */
  async performance(): Promise<{ readonly idleShare: number; readonly freeMemoryMib: number; readonly load: number }> {
    return {
      idleShare: await this.#parts.meter.idleShare(),
      freeMemoryMib: this.#parts.availableMemoryMib(),
      load: this.#parts.load()[0] ?? 0,
    };
  }
}
