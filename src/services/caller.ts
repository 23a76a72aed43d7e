import type { Log } from '../host/log.ts';

/** Who asks a service to act: its log carries the id of the call into every line that follows from it. */
export interface Caller {
  readonly user: string;
  readonly log: Log;
}
