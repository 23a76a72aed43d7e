import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { askLocalAgent, guestPathOf } from './local-agent.ts';
import { localTime } from './local-time.ts';
import { print, printJson } from './program.ts';

/** An entry as `get_timeline` answers it. */
export interface TimelineEntry {
  readonly at: string;
  readonly kind: string;
  readonly summary: string;
  readonly user?: string;
  /** Where the user called from. */
  readonly address?: string;
  readonly change?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly method?: string;
  readonly outcome?: string;
  readonly job?: string;
}

const MOST = 1000;

/** Prints what happened to a guest and who did it, oldest first. */
export async function showTimeline(
  paths: AgentPaths,
  guest: string,
  { json, limit }: { readonly json: boolean; readonly limit: string },
): Promise<void> {
  const count = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > MOST) {
    throw new AgentError('BAD_VALUE', `--limit ${limit}: it must be a whole number from 1 to ${MOST}`);
  }
  const path = await guestPathOf(guest, (method, params) => askLocalAgent(paths, method, params));
  const entries = (await askLocalAgent(paths, 'get_timeline', [path, count])) as readonly TimelineEntry[];
  if (json) printJson(entries);
  else await print(timelineTable(path, entries));
}

/** The entries as a table: when, who, what. */
export function timelineTable(path: string, entries: readonly TimelineEntry[]): string {
  if (entries.length === 0) return `${path}: no events of it are kept\n`;
  const rows = [
    ['TIME', 'WHO', 'WHAT'] as const,
    ...entries.map(entry => [localTime(entry.at), whoOf(entry), whatOf(entry)] as const),
  ];
  const width = (column: 0 | 1): number => Math.max(...rows.map(row => row[column].length));
  const [first, second] = [width(0), width(1)];
  return rows.map(([when, who, what]) => `${when.padEnd(first)}  ${who.padEnd(second)}  ${what}\n`).join('');
}

function whoOf({ address, user }: TimelineEntry): string {
  if (user === undefined) return '-';
  return address === undefined ? user : `${user} (${address})`;
}

function whatOf(entry: TimelineEntry): string {
  const { change, from, kind, method, outcome, reason, summary, to } = entry;
  if (kind === 'guest' && change === 'status' && from !== undefined && to !== undefined) {
    const status = from === to ? `still ${to}` : `${from} → ${to}`;
    return reason === undefined ? status : `${status}: ${reason}`;
  }
  if (kind === 'guest' && change === 'registered' && to !== undefined) return `registered, ${to}`;
  if (kind === 'guest' && (change === 'unregistered' || change === 'deleted')) return change;
  if (kind === 'call' && method !== undefined && outcome === 'done') return `${method}: done`;
  return summary;
}
