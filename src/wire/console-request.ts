import type { IncomingMessage } from 'node:http';
import { AgentError } from '../errors.ts';

/** What a client asks for that wants a console. */
export interface ConsoleRequest {
  /** Path or name of the guest. */
  readonly guest: string;
  readonly mode: 'interactive' | 'view';
  readonly takeOver: boolean;
  readonly historyBytes: number;
}

export const CONSOLE_PATH = '/console';

/** Given when the client does not say how much it wants: some screens of text. */
const DEFAULT_HISTORY_BYTES = 16 * 1024;

const PARAMETERS = ['guest', 'mode', 'take_over', 'history'];

/**
 * Reads `GET /console?guest=PATH_OR_NAME[&mode=interactive|view][&take_over=yes|no][&history=BYTES]`.
 * @throws AgentError BAD_VALUE, DENIED for a page of a browser
 */
export function consoleRequestOf({ headers, method, url }: IncomingMessage): ConsoleRequest {
  // Only browsers send it, for pages that could reach the agent in the name of the person who looks at them.
  if (headers.origin !== undefined) throw new AgentError('DENIED', 'console: pages of a browser get none');
  const [path, query = ''] = (url ?? '').split('?', 2);
  if (method !== 'GET' || path !== CONSOLE_PATH) {
    throw new AgentError('BAD_VALUE', `console: it is asked for by GET ${CONSOLE_PATH}?guest=PATH_OR_NAME`);
  }
  const parameters = new URLSearchParams(query);
  const names = [...parameters.keys()];
  const wrong = names.find((name, index) => !PARAMETERS.includes(name) || names.indexOf(name) !== index);
  if (wrong !== undefined) {
    throw new AgentError(
      'BAD_VALUE',
      `console: parameter ${JSON.stringify(wrong.slice(0, 40))} is unknown or given twice; there are ${PARAMETERS.join(', ')}`,
    );
  }
  const guest = parameters.get('guest');
  if (guest === null || guest === '')
    throw new AgentError('BAD_VALUE', 'console: guest is missing; give its path or name');
  const mode = oneOf(parameters, 'mode', ['interactive', 'view']);
  const takeOver = oneOf(parameters, 'take_over', ['no', 'yes']) === 'yes';
  if (takeOver && mode === 'view')
    throw new AgentError('BAD_VALUE', 'console: only who types takes it over; leave out mode=view');
  return {
    guest,
    mode,
    takeOver,
    historyBytes: bytesOf(parameters),
  };
}

/** The first value is that of a parameter which is left out. */
function oneOf<const T extends string>(parameters: URLSearchParams, name: string, values: readonly [T, ...T[]]): T {
  const given = parameters.get(name) ?? values[0];
  const value = values.find(known => known === given);
  if (value === undefined) throw new AgentError('BAD_VALUE', `console: ${name} must be ${values.join(' or ')}`);
  return value;
}

function bytesOf(parameters: URLSearchParams): number {
  const given = parameters.get('history');
  if (given === null) return DEFAULT_HISTORY_BYTES;
  if (!/^\d{1,12}$/.test(given)) throw new AgentError('BAD_VALUE', 'console: history must be a number of bytes');
  return Number(given);
}
