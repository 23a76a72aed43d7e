import { AgentError, type FailureCode } from '../errors.ts';
import { DEFAULT_REPOSITORY, MOUNT_DIRECTORY, quote } from '../model/guest-path.ts';
import { FileProblem, type ProblemKind } from './file-problem.ts';
import type { PathMap } from './repository-places.ts';

const FAILURES: Readonly<Record<ProblemKind, { readonly code: FailureCode; readonly needed: string }>> = {
  absent: { code: 'NO_SUCH_FILE', needed: 'put it there, or name another' },
  outside: { code: 'BAD_VALUE', needed: `it must lie inside a repository (${DEFAULT_REPOSITORY}, ${MOUNT_DIRECTORY})` },
  exists: { code: 'EXISTS', needed: 'remove it, or name another' },
  unfit: { code: 'BAD_VALUE', needed: 'name another' },
  'no space': { code: 'NO_RESOURCES', needed: 'make room there' },
  hangs: { code: 'TIMEOUT', needed: 'see to its storage; other repositories go on' },
  failed: { code: 'HOST', needed: 'see what this server says of its disk' },
};

/** A problem with a file as a failure of the act for which it was wanted; what is no such problem stays as it is. */
export function fileFailure(paths: PathMap, act: string, given: string, error: unknown): unknown {
  if (!(error instanceof FileProblem)) return error;
  const { detail, kind, place } = error;
  const { code, needed } = FAILURES[kind];
  const what = kind === 'failed' || kind === 'hangs' ? `${paths.asGiven(place)}: ${detail}` : detail;
  return new AgentError(code, `${act} ${quote(given)}: ${what}; ${needed}`, { cause: error });
}

export function outsideRepositories(given: string): FileProblem {
  return new FileProblem('outside', given, 'it lies outside the repositories');
}
