import type { Log } from '../host/log.ts';

/** What a step is given beside the state of its operation. */
export interface StepContext {
  readonly log: Log;
  /** Aborted when the operation is to be given up: a step that takes longer than a moment heeds it. */
  readonly signal: AbortSignal;
  /** Takes the share of this step that is done, 0 to 1, and how many bytes that is where its work has to do with bytes. */
  readonly report: (share: number, doneBytes?: number) => void;
}

/** What an undo is given: it cannot be given up. */
export type UndoContext = Pick<StepContext, 'log'>;

/**
 * One step of an operation. Its undo is known before it runs, and is called when the step was only begun as well: it looks
 * at what is there, and takes back what it finds.
 */
export interface Step<S> {
  readonly name: string;
  /** What is being done, as people read it beside a progress bar. */
  readonly title: string;
  /** Its share of the whole, in proportion to the weights of the other steps. */
  readonly weight: number;
  /** May be called again after a crash in it, from the step on with which the operation is finished. */
  run(state: S, context: StepContext): Promise<void>;
  undo?(state: S, context: UndoContext): Promise<void>;
}

/**
 * Work of several steps that is done as a whole or not at all, whatever happens to the agent on the way.
 * The state is all that its steps know of it: plain values that JSON keeps as they are, written down before the first step,
 * so that a later agent can go on with it.
 */
export interface Operation<S extends object> {
  readonly name: string;
  readonly steps: readonly Step<S>[];
  /**
   * Name of the first step that is not undone any more: once it is begun the operation is finished, by a later agent
   * where need be. Without one it is undone until its last step has ended.
   */
  readonly finishFrom?: string;
}
