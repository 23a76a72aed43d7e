import { AgentError } from '../../src/errors.ts';

/** The failure of an act that must fail. */
export function failureOf(act: () => unknown): AgentError {
  try {
    act();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
