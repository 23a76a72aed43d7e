import type { GuestStatus } from '../model/guest-state.ts';
import type { GuestRecords } from './guest-records.ts';

/** What does not change while the agent runs, and is known only once it does. */
export interface AgentIdentity {
  readonly version: string;
  readonly processId: number;
  readonly startedAt: number;
  readonly addresses: readonly string[];
  readonly ssl: boolean;
  readonly hypervisor: string;
  readonly accelerator: string;
  readonly certificateFingerprint: string | undefined;
}

/** The agent about itself. */
export class AgentStatus {
  readonly #identity: () => AgentIdentity;
  readonly #records: GuestRecords;

  constructor(identity: () => AgentIdentity, records: GuestRecords) {
    this.#identity = identity;
    this.#records = records;
  }

  identity(): AgentIdentity {
    return this.#identity();
  }

  guestsByStatus(): Readonly<Partial<Record<GuestStatus, number>>> {
    const counts: Partial<Record<GuestStatus, number>> = {};
    for (const { status } of this.#records.list()) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }
}
