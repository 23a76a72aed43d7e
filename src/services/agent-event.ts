import type { GuestPath } from '../model/guest-path.ts';
import type { Fields } from '../store/store.ts';

export const eventKinds = ['guest', 'job', 'call', 'server'] as const;
export type EventKind = (typeof eventKinds)[number];

/** One event as clients see it. */
export interface AgentEvent {
  /** The place behind this event: who gives it gets what came later. */
  readonly token: string;
  readonly number: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly kind: EventKind;
  readonly guest?: string;
  readonly user?: string;
  readonly summary: string;
  readonly data: Fields;
}

export interface EventFilter {
  readonly guest?: GuestPath | undefined;
  /** All when it is left out. */
  readonly kinds?: readonly EventKind[] | undefined;
}

/** Why a reader cannot go on exactly where it was, told before the events that follow. */
export interface Resync {
  readonly reason: 'too-old' | 'other-log' | 'ahead' | 'slow';
  /** How many events it missed, at most; unknown where it comes from another log. */
  readonly lost?: number;
  readonly summary: string;
  /** From here it goes on. */
  readonly token: string;
}

export interface EventPage {
  /** To be told first. */
  readonly resync: Resync | undefined;
  readonly events: readonly AgentEvent[];
  /** Where the next page begins: all up to here were looked at. */
  readonly cursor: number;
}
