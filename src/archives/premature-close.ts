import { AgentError } from '../errors.ts';

/** Whether somebody failed only because the other end of a stream was gone: the reason is to be found there. */
export function isPrematureClose(error: unknown): boolean {
  const cause = error instanceof AgentError ? error.cause : error;
  return (cause as { code?: unknown } | undefined)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
