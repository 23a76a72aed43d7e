import type { FileVerb } from './file-work.ts';
import type { ProblemKind } from './file-problem.ts';

/** What a helper is asked. */
export interface HelperRequest {
  readonly id: number;
  readonly verb: FileVerb;
  readonly args: readonly unknown[];
}

/** What it answers. */
export type HelperAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly problem: SentProblem };

/** A FileProblem as it travels. */
export interface SentProblem {
  readonly kind: ProblemKind;
  readonly place: string;
  readonly detail: string;
  readonly leadsTo: string | undefined;
}
