import type { DomainProblem } from '../driver.ts';
import { targetOfNode } from './disks.ts';
import type { QmpEvent } from '../qmp-connection.ts';

const NO_SPACE = 'no space is left for its image';
const UNKNOWN_FAULT = 'its image cannot be read or written';

/** Disks of one domain that failed since it last ran on (QMP BLOCK_IO_ERROR, query-block). */
export class DiskErrors {
  readonly #reasons = new Map<string, string>();
  readonly #untold = new Set<string>();

  /** To be called with every event. */
  heard({ data, event }: QmpEvent): void {
    if (event === 'RESUME') {
      this.#reasons.clear();
      this.#untold.clear();
    }
    if (event !== 'BLOCK_IO_ERROR' || data['action'] !== 'stop') return;
    const target = targetOfNode(String(data['node-name']));
    // Each request that was under way fails on its own.
    if (target === undefined || this.#reasons.has(target)) return;
    this.#reasons.set(target, reasonOf(data));
    this.#untold.add(target);
  }

  /** What was not told before. The event comes before QEMU has stopped: it is to be told once that is so. */
  takeUntold(): readonly { readonly target: string; readonly reason: string }[] {
    const targets = [...this.#untold];
    this.#untold.clear();
    return targets.map(target => ({ target, reason: this.#reasons.get(target) ?? UNKNOWN_FAULT }));
  }

  /**
   * Which disk keeps the domain from running. An agent that came later heard no event, and QEMU still knows.
   * @param blocks answer of query-block
   */
  problem(blocks: unknown): DomainProblem | undefined {
    for (const block of Array.isArray(blocks) ? (blocks as BlockInfo[]) : []) {
      const status = block['io-status'];
      const target = targetOfNode(String(block.inserted?.['node-name']));
      if (target === undefined || status === undefined || status === 'ok') continue;
      const reason = status === 'nospace' ? NO_SPACE : (this.#reasons.get(target) ?? UNKNOWN_FAULT);
      return { kind: 'disk', target, reason };
    }
    const [first] = this.#reasons;
    return first && { kind: 'disk', target: first[0], reason: first[1] };
  }
}

/** Of QAPI BlockInfo what is of use here. */
interface BlockInfo {
  readonly 'io-status'?: string;
  readonly inserted?: { readonly 'node-name'?: string };
}

function reasonOf(data: QmpEvent['data']): string {
  if (data['nospace'] === true) return NO_SPACE;
  const act = data['operation'] === 'write' ? 'written' : 'read';
  const fault = typeof data['reason'] === 'string' ? ` (${data['reason'].slice(0, 100)})` : '';
  return `its image cannot be ${act}${fault}`;
}
