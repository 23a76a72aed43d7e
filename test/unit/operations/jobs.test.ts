import { describe, expect, it, onTestFinished } from 'vitest';
import { join } from 'node:path';
import { AgentError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/host/clock.ts';
import type { Job } from '../../../src/operations/job-record.ts';
import { type JobContext, type JobRequest, Jobs, type JobsParts } from '../../../src/operations/jobs.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const request: JobRequest = { method: 'act', arguments: ['/g'], user: 'u', access: 'operate', guest: '/g' };

/** Jobs whose work waits until it is told to end, and heeds being given up. */
function jobs(parts: Partial<JobsParts> = {}): {
  readonly jobs: Jobs;
  readonly performed: string[];
  readonly finish: (id: string, error?: AgentError) => void;
  readonly store: SqliteStore;
  readonly told: Job[];
  readonly again: (parts?: Partial<JobsParts>) => Jobs;
} {
  const store = SqliteStore.open(join(temporaryDirectory(), 'agent.db'));
  onTestFinished(() => store.close());
  const performed: string[] = [];
  const told: Job[] = [];
  const ends = new Map<string, (error?: AgentError) => void>();
  const perform = (job: Job, { report, signal }: JobContext): Promise<unknown> => {
    performed.push(job.id);
    report({ percent: 50, step: 'works' });
    return new Promise((resolve, reject) => {
      ends.set(job.id, error => (error ? reject(error) : resolve('success:x=1')));
      signal.addEventListener('abort', () =>
        reject(
          signal.reason instanceof AgentError ? signal.reason : new AgentError('CANCELLED', 'act: it was given up'),
        ),
      );
    });
  };
  const again = (more: Partial<JobsParts> = {}): Jobs =>
    new Jobs({
      store,
      clock: systemClock,
      log: silentLog,
      perform,
      isRepeatable: () => false,
      hasHappened: () => false,
      onChange: job => told.push(job),
      atOnce: 2,
      queue: 2,
      kept: 200,
      ...parts,
      ...more,
    });
  return { jobs: again(), performed, finish: (id, error) => ends.get(id)!(error), store, told, again };
}

/** Once its work has begun. */
const begun = (performed: readonly string[], id: string, times = 1): Promise<void> =>
  waitUntil('the job runs', () => performed.filter(done => done === id).length === times);

const stateOf = (all: Jobs, id: string): string => all.get(id).state;

describe('a job', () => {
  it('is known by its id at once, runs, and keeps its reply', async () => {
    const { finish, jobs: all, performed, told } = jobs();
    const { id } = await all.submit(request, undefined);
    await begun(performed, id);
    expect(all.get(id)).toMatchObject({ state: 'running', percent: 50, step: 'works', method: 'act', guest: '/g' });
    finish(id);
    expect(await all.wait(id, 1000)).toMatchObject({ state: 'done', percent: 100, reply: 'success:x=1' });
    expect(told.map(job => job.state)).toEqual(expect.arrayContaining(['waiting', 'running', 'done']));
  });

  it('that fails keeps why', async () => {
    const { finish, jobs: all, performed } = jobs();
    const { id } = await all.submit(request, undefined);
    await begun(performed, id);
    finish(id, new AgentError('WRONG_STATE', 'act /g: it is DOWN; act needs RUNNING'));
    expect(await all.wait(id, 1000)).toMatchObject({
      state: 'failed',
      error: 'WRONG_STATE: act /g: it is DOWN; act needs RUNNING',
    });
  });

  it('runs once for one key, and another call under that key is refused', async () => {
    const { finish, jobs: all, performed } = jobs();
    const first = await all.submit(request, 'k');
    expect((await all.submit(request, 'k')).id).toBe(first.id);
    expect((await all.submit({ ...request, user: 'other' }, 'k')).id).not.toBe(first.id);
    await expect(all.submit({ ...request, arguments: ['/h'] }, 'k')).rejects.toMatchObject({ code: 'BAD_VALUE' });
    await begun(performed, first.id);
    finish(first.id);
    await all.wait(first.id, 1000);
    expect((await all.submit(request, 'k')).id).toBe(first.id);
    expect(performed.filter(id => id === first.id)).toHaveLength(1);
  });

  it('waits for its turn, and too many that wait are refused', async () => {
    const { finish, jobs: all, performed } = jobs();
    const made: string[] = [];
    for (let count = 0; count < 4; count++) made.push((await all.submit(request, undefined)).id);
    expect(made.map(id => stateOf(all, id))).toEqual(['running', 'running', 'waiting', 'waiting']);
    await expect(all.submit(request, undefined)).rejects.toMatchObject({ code: 'BUSY' });
    await begun(performed, made[0]!);
    finish(made[0]!);
    await waitUntil('the third runs', () => stateOf(all, made[2]!) === 'running');
  });

  it('that waits is cancelled at once; one that runs when its work has given up; one that ended cannot be', async () => {
    const { jobs: all, performed } = jobs({ atOnce: 1 });
    const running = await all.submit(request, undefined);
    await begun(performed, running.id);
    const waiting = await all.submit(request, undefined);
    expect((await all.cancel(waiting.id)).state).toBe('cancelled');
    expect((await all.cancel(running.id)).state).toMatch(/^cancell/);
    expect(await all.wait(running.id, 1000)).toMatchObject({
      state: 'cancelled',
      error: 'CANCELLED: act: it was given up',
    });
    await expect(all.cancel(running.id)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(performed).toEqual([running.id]);
  });

  it('is waited for no longer than the caller wants', async () => {
    const { jobs: all } = jobs();
    const { id } = await all.submit(request, undefined);
    expect(await all.wait(id, 1)).toMatchObject({ state: 'running' });
  });

  it('of a caller who waits is shown, and throws what the work throws', async () => {
    const { jobs: all } = jobs();
    const failure = new AgentError('BUSY', 'later');
    await expect(
      all.attend(request, ({ job }) => {
        expect(stateOf(all, job)).toBe('running');
        return Promise.reject(failure);
      }),
    ).rejects.toBe(failure);
    expect(all.list()).toMatchObject([{ state: 'failed' }]);
    expect(await all.attend(request, () => Promise.resolve(7))).toBe(7);
  });

  it('that waits when the agent dies is run by the next; one that runs says what became of it', async () => {
    const { again, jobs: all, performed } = jobs({ atOnce: 4, queue: 9 });
    const ids: string[] = [];
    for (const name of ['undone', 'finished', 'lost', 'there', 'waits']) {
      ids.push((await all.submit({ ...request, arguments: [name] }, undefined)).id);
    }
    for (const id of ids.slice(0, 4)) await begun(performed, id);
    const next = again({ hasHappened: job => job.arguments[0] === 'there' });
    await next.recover([
      { operation: 'save', subject: '/g', job: ids[0], outcome: 'undone', reason: undefined },
      { operation: 'save', subject: '/g', job: ids[1], outcome: 'finished', reason: undefined },
    ]);
    expect(ids.map(id => stateOf(next, id))).toEqual(['failed', 'done', 'failed', 'done', 'running']);
    expect(next.get(ids[0]!).error).toMatch(/^INTERRUPTED: .*taken back$/);
    await begun(performed, ids[4]!);
    expect(performed).toHaveLength(5);
  });

  it('whose call can be made again is made again by the next agent', async () => {
    const { again, finish, jobs: all, performed } = jobs();
    const { id } = await all.submit(request, undefined);
    await begun(performed, id);
    const next = again({ isRepeatable: () => true });
    await next.recover([]);
    await begun(performed, id, 2);
    finish(id);
    expect(await next.wait(id, 1000)).toMatchObject({ state: 'done' });
  });

  it('that was submitted goes on with the next agent when this one stops in good order', async () => {
    const { again, jobs: all, performed } = jobs();
    const { id } = await all.submit(request, undefined);
    await begun(performed, id);
    await all.stop();
    await expect(all.submit(request, undefined)).rejects.toMatchObject({ code: 'STOPPING' });
    const next = again();
    await next.recover([]);
    await begun(performed, id, 2);
    expect(stateOf(next, id)).toBe('running');
  });

  it('that ended long ago is forgotten', async () => {
    const { jobs: all } = jobs({ kept: 3 });
    for (let count = 0; count < 250; count++) await all.attend(request, () => Promise.resolve());
    await waitUntil('old ones are gone', () => all.list().length < 110);
    expect(all.list().length).toBeGreaterThanOrEqual(3);
  });
});
