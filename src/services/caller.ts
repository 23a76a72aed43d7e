import type { Log } from '../host/log.ts';
import type { OperationCaller } from '../operations/operations.ts';

/** Who asks a service to act: its log carries the id of the call into every line that follows from it. */
export interface Caller extends OperationCaller {
  readonly user: string;
  readonly log: Log;
}
