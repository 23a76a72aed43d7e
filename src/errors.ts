/**
 * The closed list of failures.
 *
 * A failure is either the business of a method (it travels as `failed:<CODE>: <text>`) or of the call itself (an
 * XML-RPC fault). Fault numbers are those of "Specification for Fault Code Interoperability" (Dan Libby, 2001).
 */
export interface FailureKind {
  /** Number of the XML-RPC fault when the failure travels as one. */
  readonly fault: number;
  /** Whether the same call may work when sent again. */
  readonly retry: 'never' | 'later';
  /** Whether something may have happened all the same. */
  readonly effect: 'none' | 'maybe';
  /** One sentence for the documents. */
  readonly meaning: string;
}

const APPLICATION_FAULT = -32500;

export const failureKinds = {
  BAD_VALUE: kind('never', 'none', 'An argument has a value that cannot be used.'),
  BAD_CONFIG: kind('never', 'none', 'The guest file (vm.cfg) or a settings file cannot be used as it is written.'),
  NO_SUCH_GUEST: kind('never', 'none', 'There is no guest at that path or by that name.'),
  NO_SUCH_RECORD: kind('never', 'none', 'There is no record under that key.'),
  NO_SUCH_FILE: kind('never', 'none', 'A file that is needed does not exist.'),
  EXISTS: kind('never', 'none', 'What should be made exists already.'),
  STALE: kind('never', 'none', 'What should be changed has been changed by somebody else since it was read.'),
  IN_USE: kind('later', 'none', 'A disk, an address or an identity is in use by another guest or program.'),
  WRONG_STATE: kind('never', 'none', 'The guest is not in a state that allows the act.'),
  BUSY: kind('later', 'none', 'Too many acts wait for the same guest or server.'),
  NO_RESOURCES: kind('later', 'none', 'The server lacks the memory, processors or space that are needed.'),
  NOT_SUPPORTED: kind('never', 'none', 'This server or its hypervisor cannot do that.'),
  DENIED: kind('never', 'none', 'The user may not do that.'),
  TIMEOUT: kind('later', 'maybe', 'It was not done within the time limit.'),
  HYPERVISOR: kind('later', 'maybe', 'The hypervisor refused or failed.'),
  HOST: kind('later', 'maybe', 'A program or file of this server failed.'),
  PEER_DOWN: kind('later', 'none', 'Another agent does not answer.'),
  STORE: kind('later', 'maybe', 'The database could not be read or written.'),
  CANCELLED: kind('never', 'none', 'The caller gave the work up; what had been done was taken back.'),
  INTERRUPTED: kind('later', 'none', 'The agent ended while it worked on this; what had been done was taken back.'),
  STOPPING: kind('later', 'none', 'The agent is stopping and takes no new calls.'),
  MALFORMED: { ...kind('never', 'none', 'The request is not an XML-RPC method call.'), fault: -32700 },
  NO_SUCH_METHOD: { ...kind('never', 'none', 'There is no method of that name.'), fault: -32601 },
  WRONG_PARAMETERS: { ...kind('never', 'none', 'The number or the types of the arguments are wrong.'), fault: -32602 },
  INTERNAL: { ...kind('later', 'maybe', 'A fault of the agent itself; its log has the cause.'), fault: -32603 },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failureKinds;

function kind(retry: FailureKind['retry'], effect: FailureKind['effect'], meaning: string): FailureKind {
  return { fault: APPLICATION_FAULT, retry, effect, meaning };
}

/**
 * A failure of the closed list. Its message has the form `<act> <object>: <what is so>; <what is needed>`.
 * The underlying error, where there is one, is in `cause` and is not repeated in the message.
 */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The failure as the closed list knows it: itself, or INTERNAL with the original as its cause. */
export function asAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  return new AgentError('INTERNAL', 'the agent failed inside; look up the call in its log', { cause: error });
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
