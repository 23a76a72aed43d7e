import type { DomainRow } from './agent.ts';

/** A row of `list_domains` with all its figures. */
export interface TopRow extends DomainRow {
  readonly max_memory: number;
  /** Percent of one processor; not there until it was measured twice. */
  readonly cpu_percent?: number;
  readonly net_sent: number;
  readonly net_received: number;
  readonly block_reads: number;
  readonly block_writes: number;
}

/** All that the screen shows. */
export interface TopState {
  readonly rows: readonly TopRow[];
  /** The pairs of `xen_get_xm_info`. */
  readonly host: ReadonlyMap<string, string>;
  readonly at: Date;
  readonly sort: TopColumn;
  readonly isReversed: boolean;
  readonly delayS: number;
  readonly showsHelp: boolean;
  /** Digits of a new delay that is being typed. */
  readonly typed: string | undefined;
  /** What went wrong, where something did. */
  readonly message: string | undefined;
}

export interface ScreenSize {
  readonly columns: number;
  readonly lines: number;
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly text: (row: TopRow, totalKib: number) => string;
  /** By which rows are sorted: texts from A, numbers from the largest. */
  readonly key: (row: TopRow) => string | number;
}

const number = (title: string, width: number, value: (row: TopRow) => number | undefined, digits = 0): Column => ({
  title,
  width,
  text: row => value(row)?.toFixed(digits) ?? '-',
  key: row => value(row) ?? -1,
});

/** Columns of xentop(1), in its order. */
const COLUMNS = {
  name: { title: 'NAME', width: 16, text: row => row.name, key: row => row.name },
  state: { title: 'STATE', width: 6, text: row => row.state, key: row => row.state },
  time: number('CPU(sec)', 9, row => row.time),
  cpu: number('CPU(%)', 7, row => row.cpu_percent, 1),
  memory: number('MEM(k)', 10, row => row.memory * 1024),
  memoryShare: {
    title: 'MEM(%)',
    width: 7,
    text: (row, totalKib) => (totalKib > 0 ? ((100 * row.memory * 1024) / totalKib).toFixed(1) : '-'),
    key: row => row.memory,
  },
  maxMemory: number('MAXMEM(k)', 10, row => row.max_memory * 1024),
  vcpus: number('VCPUS', 6, row => row.vcpus),
  sent: number('NETTX(k)', 9, row => row.net_sent / 1024),
  received: number('NETRX(k)', 9, row => row.net_received / 1024),
  reads: number('VBD_RD', 8, row => row.block_reads),
  writes: number('VBD_WR', 8, row => row.block_writes),
} as const satisfies Record<string, Column>;

export type TopColumn = keyof typeof COLUMNS;
const order = Object.keys(COLUMNS) as TopColumn[];

const HELP = [
  'q, Ctrl-C   leave',
  's, right    sort by the next column; left: by the one before',
  'r           turn the order round',
  'd           set the delay: type seconds, then Enter',
  'space       look again now',
  'h           leave this help',
];

/** Delays that may be typed, in seconds. */
const LEAST_DELAY_S = 0.1;
const LONGEST_TYPED = 6;

/** The lines of the screen: never more than it has, and none wider than it is. */
export function drawTop(state: TopState, size: ScreenSize): string[] {
  const lines = [...headerOf(state), ''];
  if (state.showsHelp) lines.push(...HELP);
  else lines.push(...tableOf(state, size.columns));
  return lines.slice(0, size.lines).map(line => printable(line).slice(0, size.columns));
}

/** What a key does: a new state, `look` for an immediate look, or `quit`. */
export function pressed(state: TopState, key: string): TopState | 'look' | 'quit' {
  if (key === '\u0003') return 'quit';
  if (state.typed !== undefined) return typing(state, state.typed, key);
  const step = (by: number): TopState => ({
    ...state,
    sort: order[(order.indexOf(state.sort) + by + order.length) % order.length]!,
  });
  switch (key) {
    case 'q':
      return 'quit';
    case 's':
    case '\u001b[C':
      return step(1);
    case '\u001b[D':
      return step(-1);
    case 'r':
      return { ...state, isReversed: !state.isReversed };
    case 'd':
      return { ...state, typed: '' };
    case 'h':
    case '?':
      return { ...state, showsHelp: !state.showsHelp };
    case ' ':
      return 'look';
    default:
      return state;
  }
}

function typing(state: TopState, typed: string, key: string): TopState {
  if (key === '\r' || key === '\n') {
    const delayS = Number(typed);
    return { ...state, typed: undefined, ...(typed !== '' && delayS >= LEAST_DELAY_S ? { delayS } : {}) };
  }
  if (key === '\u007f') return { ...state, typed: typed.slice(0, -1) };
  if (key === '\u001b') return { ...state, typed: undefined };
  return /^[\d.]$/.test(key) && typed.length < LONGEST_TYPED ? { ...state, typed: typed + key } : state;
}

function headerOf({ at, delayS, host, message, rows, typed }: TopState): string[] {
  const of = (key: string): string => host.get(key) ?? '-';
  const guests = rows.filter(row => row.path !== '');
  const count = (status: string): number => guests.filter(row => row.status === status).length;
  const total = Number(host.get('total_memory') ?? 0);
  const free = Number(host.get('free_memory') ?? 0);
  const version =
    ['xen_major', 'xen_minor']
      .map(key => host.get(key) ?? '')
      .filter(part => part !== '')
      .join('.') + (host.get('xen_extra') ?? '');
  return [
    `xm top - ${of('host')}  ${at.toTimeString().slice(0, 8)}  ${of('hypervisor')} ${version}  every ${delayS} s`,
    `${guests.length} domains: ${count('RUNNING')} running, ${count('PAUSED')} paused, ${guests.length - count('RUNNING') - count('PAUSED')} other`,
    `Mem: ${total * 1024}k total, ${Math.max(0, total - free) * 1024}k used, ${free * 1024}k free    CPUs: ${of('nr_cpus')} @ ${of('cpu_mhz')}MHz`,
    typed === undefined ? (message ?? '') : `delay in seconds: ${typed}`,
  ];
}

/** As many columns as fit, from the left. */
function tableOf({ host, isReversed, rows, sort }: TopState, width: number): string[] {
  const shown: Column[] = [];
  let used = 0;
  for (const column of Object.values<Column>(COLUMNS)) {
    used += column.width + 1;
    if (used > width + 1) break;
    shown.push(column);
  }
  const totalKib = Number(host.get('total_memory') ?? 0) * 1024;
  const line = (texts: readonly string[]): string =>
    texts.map((text, index) => place(text, shown[index]!.width, index < 2)).join(' ');
  const marked = (column: Column): string => (column === COLUMNS[sort] ? `*${column.title}` : column.title);
  return [
    line(shown.map(column => marked(column).slice(0, column.width))),
    ...sorted(rows, COLUMNS[sort], isReversed).map(row => line(shown.map(column => column.text(row, totalKib)))),
  ];
}

function sorted(rows: readonly TopRow[], { key }: Column, isReversed: boolean): readonly TopRow[] {
  const inOrder = [...rows].sort((left, right) => {
    const [one, other] = [key(left), key(right)];
    return typeof one === 'number' && typeof other === 'number'
      ? other - one
      : String(one).localeCompare(String(other));
  });
  return isReversed ? inOrder.reverse() : inOrder;
}

/** Names are cut; of a number that is too wide nothing is shown that could be taken for another. */
function place(text: string, width: number, isText: boolean): string {
  if (isText) return text.slice(0, width).padEnd(width);
  return (text.length > width ? '+'.repeat(width) : text).padStart(width);
}

/** A name may hold what a terminal would take for an order. */
function printable(text: string): string {
  return text.replace(/[\p{C}]/gu, '?');
}
