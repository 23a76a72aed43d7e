import { AgentError } from '../src/errors.ts';

export interface AgentUrl {
  readonly isSecure: boolean;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

const DEFAULT_PORT = 8899;

/**
 * Reads `http[s]://user:password@host:8899[/path]`. The password may hold any character: everything up to the last `@`
 * is user and password, as the original's scripts write them; percent escapes are understood.
 * @throws AgentError BAD_VALUE
 */
export function parseAgentUrl(text: string): AgentUrl {
  const match = /^(https?):\/\/(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[^@/:]+)(?::(\d{1,5}))?(\/[^\s]*)?$/s.exec(text);
  const port = match?.[4] === undefined ? DEFAULT_PORT : Number(match[4]);
  if (!match || port < 1 || port > 65_535) {
    throw new AgentError('BAD_VALUE', 'the URL cannot be read; it must look like https://user:password@host:8899');
  }
  const [, scheme, login, host, , path] = match;
  const colon = login?.indexOf(':') ?? -1;
  return {
    isSecure: scheme === 'https',
    host: host!.replace(/^\[|\]$/g, ''),
    port,
    path: path ?? '/',
    user: login === undefined ? undefined : unescaped(colon < 0 ? login : login.slice(0, colon)),
    password: login === undefined || colon < 0 ? undefined : unescaped(login.slice(colon + 1)),
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone percent sign stands for itself.
    return text;
  }
}
