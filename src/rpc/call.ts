import type { Log } from '../host/log.ts';
import type { Caller } from '../services/caller.ts';

/** What a user may do: each level holds those before it. */
export const accessLevels = ['read', 'operate', 'admin'] as const;
export type Access = (typeof accessLevels)[number];

export function mayAccess(has: Access, needs: Access): boolean {
  return accessLevels.indexOf(has) >= accessLevels.indexOf(needs);
}

/** One call on its way through the agent. */
export interface Call extends Caller {
  /** Stands in every log line that the call causes. */
  readonly id: string;
  readonly user: string;
  readonly access: Access;
  /** Address that the call came from; `local` on the control socket. */
  readonly from: string;
  readonly log: Log;
}
