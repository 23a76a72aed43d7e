import type { DomainRow, GuestRow, LocalAgent } from './agent.ts';

/** A line of `xm list`: a domain, or a guest that has none. */
interface ListRow {
  readonly name: string;
  readonly id: number | undefined;
  readonly memoryMib: number | undefined;
  readonly vcpus: number | undefined;
  readonly state: string;
  readonly seconds: number;
}

const NAME_WIDTH = 40;

/** As xm prints it, blank for blank: scripts cut it at its columns. */
export function formatList(rows: readonly ListRow[]): string {
  const header = ['Name'.padEnd(NAME_WIDTH), '   ID', '  Mem', 'VCPUs', '     State', '  Time(s)'].join(' ');
  const lines = rows.map(({ id, memoryMib, name, seconds, state, vcpus }) =>
    [
      name.padEnd(NAME_WIDTH),
      String(id ?? '').padStart(5),
      String(memoryMib ?? '').padStart(5),
      String(vcpus ?? '').padStart(5),
      state.padStart(10),
      seconds.toFixed(1).padStart(8),
    ].join(' '),
  );
  return `${[header, ...lines].join('\n')}\n`;
}

export interface ListOptions {
  readonly long?: boolean;
  readonly state?: string;
}

/** Names of xm(1) for `--state`. */
const STATES: Readonly<Record<string, (row: ListRow, status: string) => boolean>> = {
  all: () => true,
  halted: (_row, status) => status === 'DOWN' || status === 'ERROR',
  paused: (_row, status) => status === 'PAUSED',
  running: (_row, status) => status === 'RUNNING',
  suspended: (_row, status) => status === 'SUSPEND',
};

/** Names of states for `xm list --state`. */
export const stateNames: readonly string[] = Object.keys(STATES);

/**
 * What `xm list` shows: Domain-0, then domains, then guests that have none.
 * @param wanted names, ids or paths; none stands for all
 */
export async function listDomains(agent: LocalAgent, wanted: readonly string[], options: ListOptions): Promise<string> {
  const [domains, guests] = await Promise.all([agent.domains(), agent.guests()]);
  if (wanted.length > 0) for (const name of wanted) if (!isDomain0(name)) await agent.find(name);
  const isWanted = ({ id, name, path }: Pick<DomainRow, 'name' | 'path'> & { readonly id?: number }): boolean =>
    wanted.length === 0 || [name, path, String(id ?? '')].some(key => key !== '' && wanted.includes(key));
  const isInState = STATES[options.state ?? 'all']!;
  const running = domains.filter(isWanted).map(row => ({ row: rowOfDomain(row), status: row.status, path: row.path }));
  const paths = new Set(domains.map(row => row.path));
  const down = guests
    .filter(guest => !paths.has(guest.path) && isWanted(guest))
    .map(guest => ({ row: rowOfGuest(guest), status: guest.status, path: guest.path }));
  const rows = [...running, ...down].filter(({ row, status }) => isInState(row, status));
  if (!options.long) return formatList(rows.map(({ row }) => row));
  return rows
    .map(({ path, row, status }) =>
      longForm(
        row,
        status,
        guests.find(guest => guest.path === path),
      ),
    )
    .join('');
}

function isDomain0(name: string): boolean {
  return name === '0' || name === 'Domain-0';
}

function rowOfDomain({ id, memory, name, state, time, vcpus }: DomainRow): ListRow {
  return { name, id, memoryMib: memory, vcpus, state, seconds: time };
}

function rowOfGuest({ memory, name, vcpus }: GuestRow): ListRow {
  return { name, id: undefined, memoryMib: memory, vcpus, state: '', seconds: 0 };
}

/** The form of `xm list --long`: an S-expression of everything that is stored of the guest. */
function longForm(row: ListRow, status: string, guest: GuestRow | undefined): string {
  const facts: readonly (readonly [string, unknown])[] = [
    ['domid', row.id],
    ['name', row.name],
    ['memory', row.memoryMib],
    ['vcpus', row.vcpus],
    ['state', row.state === '' ? undefined : row.state],
    ['cpu_time', row.seconds],
    ['status', status],
  ];
  const known = new Set(facts.map(([key]) => key));
  const stored = Object.entries(guest ?? {}).filter(([key]) => !known.has(key));
  const lines = [...facts, ...stored]
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([key, value]) => `    (${key} ${atom(value)})`);
  return `(domain\n${lines.join('\n')}\n)\n`;
}

/** Quoted where it would be read as anything else. */
function atom(value: unknown): string {
  const text = String(value);
  return /^[\w./:+-]+$/.test(text) ? text : `'${text.replace(/[\\']/g, '\\$&')}'`;
}
