import type { ServerResponse } from 'node:http';
import type { AgentError, FailureCode } from '../errors.ts';
import type { Refusal } from './login-refusal.ts';

const STATUS_OF_CODE: Readonly<Partial<Record<FailureCode, number>>> = {
  BAD_VALUE: 400,
  DENIED: 403,
  NO_SUCH_GUEST: 404,
  BUSY: 409,
  NOT_SUPPORTED: 501,
  STOPPING: 503,
};

/** A failure as an answer of HTTP. By the header programs tell failures apart that have one status. */
export function failureRefusal(failure: AgentError): Required<Refusal> {
  return {
    status: STATUS_OF_CODE[failure.code] ?? 500,
    reason: failure.message,
    headers: { 'Ovs-Failure': failure.code },
  };
}

/** Refuses in plain text and ends the connection, whose body nobody will read. */
export function refuse(response: ServerResponse, { status, reason, headers = {} }: Refusal): void {
  if (response.headersSent) return;
  const body = `${reason}\n`;
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body);
}
