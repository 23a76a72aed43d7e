import type { Fields } from './store.ts';

/** One event as it is kept. */
export interface StoredEvent {
  /** Counted from 1 and never given out twice; numbers may be missing after a power failure. */
  readonly number: number;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly kind: string;
  readonly guest: string | undefined;
  readonly user: string | undefined;
  readonly summary: string;
  readonly data: Fields;
}

export interface EventQuery {
  /** Events with larger numbers are wanted. */
  readonly after: number;
  readonly limit: number;
  readonly guest?: string | undefined;
}

/**
 * The events that are kept, the newest ones only. Everything is done when the call returns.
 * All fail with AgentError STORE.
 */
export interface EventStore {
  /** Told apart by it are logs whose numbers have nothing to do with each other. */
  readonly epoch: string;
  /** Whether it was closed by the process that wrote it before. */
  readonly wasClosed: boolean;
  /** Number of the newest event, also when it is kept no more; 0 when there never was one. */
  readonly newest: number;
  /** Number of the oldest event that is kept; one more than the newest when none is. */
  readonly oldest: number;
  /** Gives the events their numbers, in their order, and forgets the oldest. What it stored survives the end of this process. */
  append(events: readonly Omit<StoredEvent, 'number'>[]): void;
  /** Oldest first. */
  read(query: EventQuery): readonly StoredEvent[];
  /** The newest ones, oldest first. */
  readNewest(query: Omit<EventQuery, 'after'>): readonly StoredEvent[];
  /** Of each guest the newest event that has a field of that name among its data. */
  newestWith(field: string): readonly StoredEvent[];
  /** What was stored survives a power failure from now on. */
  sync(): void;
  close(): void;
}
