import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import type { AgentEvent, Resync } from '../src/services/agent-event.ts';
import { followEvents } from './event-client.ts';
import { askLocalAgent, guestPathOf, isNotRunning, notRunning } from './local-agent.ts';
import { localTime } from './local-time.ts';
import { print, untilInterrupted } from './program.ts';

export interface EventOptions {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly guest?: string;
  readonly after?: string;
}

export type ListedEvent = AgentEvent | (Resync & { readonly kind: 'resync' });

const PAGE = 1000;

/** Prints the newest events or those behind a token, and with `follow` those that come until the user ends it. */
export async function showEvents(paths: AgentPaths, options: EventOptions): Promise<void> {
  const ask = (method: string, params: readonly unknown[]): Promise<unknown> => askLocalAgent(paths, method, params);
  const guest = options.guest === undefined ? undefined : await guestPathOf(options.guest, ask);
  const show = (event: ListedEvent): Promise<void> =>
    print(options.json === true ? `${JSON.stringify(event)}\n` : `${eventLine(event)}\n`);
  if (options.follow === true) await follow(paths, guest, options.after, show);
  else if (options.after === undefined) await Promise.all((await page(ask, '', guest, 100)).map(show));
  else await showPages(ask, options.after, guest, show);
}

async function follow(
  paths: AgentPaths,
  guest: string | undefined,
  after: string | undefined,
  show: (event: ListedEvent) => Promise<void>,
): Promise<void> {
  const signal = untilInterrupted();
  const tell = (text: string): void => void process.stderr.write(`${text}\n`);
  try {
    for await (const { data, type } of followEvents(paths.controlSocket, { after, guest }, signal, tell)) {
      const event = JSON.parse(data) as AgentEvent | Resync;
      if (type === 'resync') tell(`[events were lost: ${event.summary}]`);
      await show(type === 'resync' ? { kind: 'resync', ...(event as Resync) } : (event as AgentEvent));
    }
  } catch (error) {
    throw isNotRunning(error) ? notRunning(paths) : error;
  }
}

type Ask = (method: string, params: readonly unknown[]) => Promise<unknown>;

async function showPages(
  ask: Ask,
  after: string,
  guest: string | undefined,
  show: (event: ListedEvent) => Promise<void>,
): Promise<void> {
  if (after === '') throw new AgentError('BAD_VALUE', '--after: it is empty; give the token of an event');
  for (let token: string | undefined = after; token !== undefined; ) {
    const events: readonly ListedEvent[] = await page(ask, token, guest, PAGE);
    for (const event of events) await show(event);
    token = events.at(-1)?.token;
  }
}

async function page(
  ask: Ask,
  after: string,
  guest: string | undefined,
  limit: number,
): Promise<readonly ListedEvent[]> {
  return (await ask('list_events', [after, limit, guest ?? ''])) as readonly ListedEvent[];
}

/** One event in one line for people. */
export function eventLine(event: ListedEvent): string {
  if (event.kind === 'resync') return `-- events were lost: ${event.summary} (${event.token})`;
  const { at, kind, summary, token } = event;
  return `${localTime(at)}  ${kind.padEnd(6)}  ${summary}  (${token})`;
}
