import { AgentError } from '../errors.ts';

/** The agent's failure to start, when another one has its lock. */
export function alreadyRunning(root: string, processId: number | undefined): AgentError {
  const who = processId === undefined ? '' : ` (process ${processId})`;
  return new AgentError('EXISTS', `an agent runs already below ${root}${who}; "ovs-agent stop" ends it`);
}
