import { AgentError } from '../../../src/errors.ts';

/** The failure of work that must fail. */
export async function failureOf(work: Promise<unknown>): Promise<AgentError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof AgentError) return error;
  throw new Error('nothing was refused', { cause: error });
}
