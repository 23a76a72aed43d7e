import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { type Job, jobLines, plainLine } from '../../../utils/job-view.ts';
import { Appended, exitCodeOf, followJobs, type JobScreen, redrawing } from '../../../utils/jobs.ts';

const now = Date.parse('2026-01-31T12:01:30.000Z');
const running: Job = {
  id: '17',
  method: 'save_vm',
  user: 'admin',
  guest: '/OVS/running_pool/guest',
  state: 'running',
  progress: 50,
  step: 'writing memory',
  bytes_per_second: 13_107_200,
  seconds_left: 85,
  created_at: '2026-01-31T12:00:00.000Z',
  started_at: '2026-01-31T12:00:05.000Z',
};
const ended = (id: string, state: Job['state'], minute: number, error?: string): Job => ({
  ...running,
  id,
  state,
  ended_at: `2026-01-31T11:${String(minute).padStart(2, '0')}:00.000Z`,
  ...(error === undefined ? {} : { error }),
});

describe('the view of jobs', () => {
  it('has a bar for each that runs, and those that ended below, newest first', () => {
    const waiting: Job = { ...running, id: '18', state: 'waiting', progress: 0 };
    const jobs = [ended('1', 'done', 1), running, waiting, ended('2', 'failed', 2, 'failed:BUSY: x')];
    const lines = jobLines(jobs, 200, 50, now);
    expect(lines.slice(0, 3)).toEqual([
      '17  [############............]  50 %  1 min 25 s  12.5 MiB/s  1 min 25 s left  save_vm /OVS/running_pool/guest (admin)  writing memory',
      '18  waiting  save_vm /OVS/running_pool/guest (admin)',
      '',
    ]);
    expect(lines[3]).toMatch(/^2 {2}failed {5}2026-\d\d-\d\d \d\d:02:00 {2}save_vm .* \(admin\): failed:BUSY: x$/);
    expect(lines[4]).toMatch(/^1 {2}done {7}/);
    expect(lines).toHaveLength(5);
  });

  it.each([
    [-5, '[........................]   0 %'],
    [0, '[........................]   0 %'],
    [99.9, '[########################]  99 %'],
    [100, '[########################] 100 %'],
    [250, '[########################] 100 %'],
  ])('draws %d percent', (progress, bar) => {
    expect(jobLines([{ ...running, progress }], 200, 50, now)[0]).toContain(bar);
  });

  it('fits the terminal: no line is longer, no line too many', () => {
    const jobs = [
      ...Array.from({ length: 30 }, (_, index) => ({ ...running, id: String(index) })),
      ...Array.from({ length: 30 }, (_, index) => ended(String(index), 'done', index)),
    ];
    for (const [columns, rows] of [
      [80, 24],
      [40, 40],
      [20, 2],
    ] as const) {
      const lines = jobLines(jobs, columns, rows, now);
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(columns);
    }
    expect(jobLines(jobs, 80, 24, now).at(-1)).toBe('… and 7 more');
    expect(jobLines([], 80, 24, now)).toEqual(['no jobs']);
  });

  it('lets no text of others move the cursor', () => {
    const evil = { ...running, step: '\u001B[2Jgone\nnext' };
    expect(jobLines([evil], 200, 50, now).join('')).not.toMatch(/\p{Cc}/u);
    expect(plainLine(evil)).not.toMatch(/\p{Cc}/u);
  });

  it('is drawn again in its place', () => {
    expect(redrawing(0, ['a', 'b'])).toBe('\u001B[2Ka\n\u001B[2Kb\n\u001B[0J');
    expect(redrawing(2, ['c'])).toBe('\u001B[2F\u001B[2Kc\n\u001B[0J');
  });
});

describe('following jobs', () => {
  const screen = (): JobScreen & { readonly seen: string[] } => {
    const seen: string[] = [];
    return {
      seen,
      show: jobs => {
        seen.push(jobs.map(({ progress, state }) => `${state} ${progress}`).join());
        return Promise.resolve();
      },
      tell: text => seen.push(text),
    };
  };
  const clock = { sleep: () => Promise.resolve() };
  const answers = (...steps: (Job | Error)[]): (() => Promise<readonly Job[]>) => {
    return () => {
      const step = steps.shift()!;
      return step instanceof Error ? Promise.reject(step) : Promise.resolve([step]);
    };
  };

  it('ends with the one job that it is about, over a restart of the agent', async () => {
    const shown = screen();
    const gone = new AgentError('PEER_DOWN', 'no agent runs');
    const stopping = new AgentError('STOPPING', 'it stops');
    const done: Job = { ...running, state: 'done', progress: 100 };
    const ask = answers(running, stopping, gone, { ...running, progress: 70 }, done);
    expect(await followJobs(ask, shown, new AbortController().signal, true, clock)).toEqual(done);
    expect(shown.seen).toEqual(['running 50', '[the agent was lost; waiting for it]', 'running 70', 'done 100']);
  });

  it('fails at once without an agent, or for a job that is not there', async () => {
    const { signal } = new AbortController();
    const gone = new AgentError('PEER_DOWN', 'no agent runs');
    await expect(followJobs(answers(gone), screen(), signal, false, clock)).rejects.toThrow('no agent runs');
    const unknown = new AgentError('NO_SUCH_RECORD', 'no such job');
    await expect(followJobs(answers(running, unknown), screen(), signal, true, clock)).rejects.toThrow('no such job');
  });

  it('of all jobs goes on until the user ends it', async () => {
    const user = new AbortController();
    let looks = 0;
    const ask = (): Promise<readonly Job[]> => {
      if (++looks === 3) user.abort();
      return Promise.resolve([ended('1', 'done', 1)]);
    };
    expect(await followJobs(ask, screen(), user.signal, false, clock)).toBeUndefined();
    expect(looks).toBe(3);
  });

  it('writes a line per change where there is no terminal', async () => {
    const lines: string[] = [];
    const write = (text: string): Promise<void> => Promise.resolve(void lines.push(text));
    const appended = new Appended(false, write);
    await appended.show([running]);
    await appended.show([{ ...running, progress: 50.4 }]);
    await appended.show([{ ...running, progress: 51 }]);
    await appended.show([ended('17', 'done', 5)]);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe('17  running  50 %  save_vm /OVS/running_pool/guest (admin)  writing memory\n');
    const json = new Appended(true, write);
    await json.show([running]);
    expect(JSON.parse(lines.at(-1)!)).toEqual(running);
  });

  it.each([
    ['done', 0],
    ['failed', 1],
    ['cancelled', 4],
  ] as const)('of a job that is %s ends with %d', (state, code) => {
    expect(exitCodeOf({ ...running, state })).toBe(code);
  });
});
