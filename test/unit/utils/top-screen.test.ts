import { describe, expect, it } from 'vitest';
import { drawTop, pressed, type TopRow, type TopState } from '../../../utils/xm/top-screen.ts';

const row = (name: string, changes: Partial<TopRow> = {}): TopRow => ({
  name,
  path: `/OVS/running_pool/${name}`,
  id: 1,
  memory: 128,
  max_memory: 256,
  vcpus: 1,
  state: 'r-----',
  status: 'RUNNING',
  time: 10,
  cpu_percent: 5,
  net_sent: 2048,
  net_received: 1024,
  block_reads: 3,
  block_writes: 4,
  ...changes,
});

const state: TopState = {
  rows: [
    row('quiet'),
    row('busy', { cpu_percent: 90 }),
    row('paused', { status: 'PAUSED', state: '--p---', cpu_percent: 0 }),
  ],
  host: new Map([
    ['host', 'ovs1'],
    ['hypervisor', 'qemu'],
    ['xen_major', '7'],
    ['xen_minor', '2'],
    ['total_memory', '1024'],
    ['free_memory', '512'],
    ['nr_cpus', '2'],
    ['cpu_mhz', '2000'],
  ]),
  at: new Date('2026-01-01T12:00:00'),
  sort: 'cpu',
  isReversed: false,
  delayS: 3,
  showsHelp: false,
  typed: undefined,
  message: undefined,
};

const namesOf = (lines: readonly string[]): string[] => lines.slice(6).map(line => line.split(' ')[0]!);

describe('the screen of xm top', () => {
  it('shows the server, the domains by state, and a row for each, the busiest first', () => {
    const lines = drawTop(state, { columns: 140, lines: 40 });
    expect(lines[0]).toBe('xm top - ovs1  12:00:00  qemu 7.2  every 3 s');
    expect(lines[1]).toBe('3 domains: 2 running, 1 paused, 0 other');
    expect(lines[2]).toContain('1048576k total, 524288k used, 524288k free    CPUs: 2 @ 2000MHz');
    expect(lines[5]).toMatch(/^NAME +STATE +CPU\(sec\) +\*CPU\(%\) +MEM\(k\)/);
    expect(namesOf(lines)).toEqual(['busy', 'quiet', 'paused']);
    expect(lines[6]).toMatch(/^busy +r----- +10 +90\.0 +131072 +12\.5 +262144 +1 +2 +1 +3 +4$/);
  });

  it.each([
    [80, 24],
    [40, 10],
    [200, 50],
    [10, 3],
    [1, 1],
  ])('is never wider than %i columns and never longer than %i lines', (columns, lines) => {
    const many = { ...state, rows: Array.from({ length: 100 }, (_, index) => row(`guest-with-a-long-name-${index}`)) };
    const drawn = drawTop(many, { columns, lines });
    expect(drawn.length).toBeLessThanOrEqual(lines);
    for (const line of drawn) expect(line.length).toBeLessThanOrEqual(columns);
  });

  it('leaves columns out from the right where it is narrow', () => {
    expect(drawTop(state, { columns: 40, lines: 10 })[5]).toMatch(/^NAME +STATE +CPU\(sec\)$/);
  });

  it('says what it does not know, and shows no number that is cut', () => {
    const unmeasured: Record<string, unknown> = { ...row('new', { time: 1e12 }) };
    delete unmeasured['cpu_percent'];
    const [line] = drawTop({ ...state, rows: [unmeasured as unknown as TopRow] }, { columns: 140, lines: 40 }).slice(6);
    expect(line).toMatch(/^new +r----- \+{9} +- /);
  });

  it('prints nothing that a terminal would take for an order', () => {
    const lines = drawTop(
      { ...state, rows: [row('\u001b[2Jevil\u0007')], message: '\u001b]0;x' },
      { columns: 140, lines: 40 },
    );
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f]/);
  });

  it('shows help in place of the table, and what went wrong above it', () => {
    const lines = drawTop({ ...state, showsHelp: true, message: 'no agent runs' }, { columns: 80, lines: 24 });
    expect(lines).toContain('no agent runs');
    expect(lines.join('\n')).toMatch(/sort by the next column/);
    expect(lines.join('\n')).not.toContain('busy');
  });
});

describe('a key of xm top', () => {
  const after = (...keys: readonly string[]): TopState => {
    let now = state;
    for (const key of keys) {
      const next = pressed(now, key);
      if (typeof next === 'string') throw new Error(next);
      now = next;
    }
    return now;
  };

  it.each(['q', '\u0003'])('%j quits', key => expect(pressed(state, key)).toBe('quit'));
  it('a blank looks again', () => expect(pressed(state, ' ')).toBe('look'));

  it('changes the column by which rows are sorted, and their order', () => {
    expect(after('s').sort).toBe('memory');
    expect(after('\u001b[C').sort).toBe('memory');
    expect(after('\u001b[D').sort).toBe('time');
    expect(after('\u001b[D', '\u001b[D', '\u001b[D', '\u001b[D').sort).toBe('writes');
    expect(namesOf(drawTop(after('r'), { columns: 140, lines: 40 }))).toEqual(['paused', 'quiet', 'busy']);
    const byName = after('\u001b[D', '\u001b[D', '\u001b[D');
    expect(namesOf(drawTop(byName, { columns: 140, lines: 40 }))).toEqual(['busy', 'paused', 'quiet']);
  });

  it('sets the delay, where a number was typed that can be one', () => {
    expect(after('d', '1', '.', '5', '\r').delayS).toBe(1.5);
    expect(after('d', '2', '\u007f', '7', '\r').delayS).toBe(7);
    expect(after('d', '0', '\r')).toMatchObject({ delayS: 3, typed: undefined });
    expect(after('d', '9', '\u001b')).toMatchObject({ delayS: 3, typed: undefined });
    expect(after('d', 'x', '4', '\r').delayS).toBe(4);
    expect(pressed(after('d'), '\u0003')).toBe('quit');
  });
});
