import type { Log } from '../host/log.ts';
import type { AuthenticationResult } from './authentication.ts';

const REALM = 'Basic realm="OVSAgentServer", charset="UTF-8"';

/** An answer of HTTP that refuses a request, in plain text. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a request is answered whose login is not good; a wrong one is logged. */
export function loginRefusal(
  { reason, retryAfterMs }: AuthenticationResult & { readonly ok: false },
  from: string,
  log: Log,
): Required<Refusal> {
  if (reason !== 'missing') log.warn({ from, reason }, 'login refused');
  if (reason === 'too-many') {
    const seconds = Math.ceil((retryAfterMs ?? 1000) / 1000);
    return {
      status: 429,
      reason: 'too many failed logins; wait and try again',
      headers: { 'Retry-After': String(seconds) },
    };
  }
  return {
    status: 401,
    reason: 'a user and a password of the agent are needed',
    headers: { 'WWW-Authenticate': REALM },
  };
}
