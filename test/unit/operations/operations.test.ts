import { describe, expect, it, onTestFinished } from 'vitest';
import { join } from 'node:path';
import { AgentError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { GuestLanes } from '../../../src/operations/guest-lanes.ts';
import type { Operation } from '../../../src/operations/operation.ts';
import { OPERATION_DATABASE, Operations, type OperationsParts } from '../../../src/operations/operations.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

interface Build {
  readonly name: string;
}

/** A world in which an operation puts up walls and then a roof; with the roof on it is finished and no longer taken down. */
function site(atPoint?: OperationsParts['atPoint']): {
  readonly world: string[];
  readonly operations: Operations;
  readonly build: Operation<Build>;
  readonly store: SqliteStore;
  readonly failing: Set<string>;
  readonly again: () => Operations;
} {
  const store = SqliteStore.open(join(temporaryDirectory(), 'agent.db'));
  onTestFinished(() => store.close());
  const world: string[] = [];
  const failing = new Set<string>();
  const act = (what: string): void => {
    if (failing.has(what)) throw new AgentError('HOST', `${what} failed`);
  };
  const put = (what: string) => (): Promise<void> => {
    act(what);
    if (!world.includes(what)) world.push(what);
    return Promise.resolve();
  };
  const take = (what: string) => (): Promise<void> => {
    act(`no ${what}`);
    if (world.includes(what)) world.splice(world.indexOf(what), 1);
    return Promise.resolve();
  };
  const build: Operation<Build> = {
    name: 'build',
    finishFrom: 'roof',
    steps: [
      { name: 'left', title: 'left wall', weight: 1, run: put('left'), undo: take('left') },
      { name: 'right', title: 'right wall', weight: 2, run: put('right'), undo: take('right') },
      { name: 'roof', title: 'roof', weight: 1, run: put('roof') },
      { name: 'paint', title: 'paint', weight: 4, run: put('paint') },
    ],
  };
  const make = (point?: OperationsParts['atPoint']): Operations => {
    const made = new Operations({
      store,
      clock: systemClock,
      log: silentLog,
      lanes: new GuestLanes(8),
      ...(point ? { atPoint: point } : {}),
    });
    made.define(build);
    return made;
  };
  return { world, operations: make(atPoint), build, store, failing, again: () => make() };
}

const caller = { log: silentLog };
const house = ['left', 'right', 'roof', 'paint'];

describe('an operation', () => {
  it('runs its steps in order, tells how far it is, and leaves nothing in the journal', async () => {
    const { build, operations, store, world } = site();
    const heard: number[] = [];
    await operations.run(build, 'x', { name: 'x' }, { ...caller, report: ({ percent }) => heard.push(percent) });
    expect(world).toEqual(house);
    expect(heard).toEqual([0, 12.5, 37.5, 50]);
    expect(store.list(OPERATION_DATABASE)).toEqual([]);
  });

  it.each(['left', 'right'])('that fails at %s takes back what was done, and says why', async step => {
    const { build, failing, operations, store, world } = site();
    failing.add(step);
    await expect(operations.run(build, 'x', { name: 'x' }, caller)).rejects.toThrow(`${step} failed`);
    expect(world).toEqual([]);
    expect(store.list(OPERATION_DATABASE)).toEqual([]);
  });

  it.each(['left', 'right'])('that is given up before %s takes back what was done', async step => {
    const cancel = new AbortController();
    const { build, operations, world } = site(point => {
      if (point.step === step && point.moment === 'begin') cancel.abort();
    });
    await expect(operations.run(build, 'x', { name: 'x' }, { ...caller, signal: cancel.signal })).rejects.toMatchObject(
      { code: 'CANCELLED' },
    );
    expect(world).toEqual([]);
  });

  it('that is given up too late is finished', async () => {
    const cancel = new AbortController();
    const { build, operations, world } = site(point => {
      if (point.step === 'roof') cancel.abort();
    });
    await operations.run(build, 'x', { name: 'x' }, { ...caller, signal: cancel.signal });
    expect(world).toEqual(house);
  });

  it.each(house.flatMap(step => (['begin', 'end'] as const).map(moment => [moment, step] as const)))(
    'whose agent dies at the %s of %s is undone or finished by the next, once',
    async (moment, step) => {
      let died = (): void => undefined;
      const death = new Promise<void>(resolve => {
        died = resolve;
      });
      const { again, build, operations, store, world } = site(point => {
        if (point.step !== step || point.moment !== moment) return;
        died();
        return new Promise(() => undefined);
      });
      void operations.run(build, 'x', { name: 'x' }, { ...caller, job: 'job' });
      await death;
      const recovered = await again().recover();
      const isFinished = ['roof', 'paint'].includes(step);
      expect(world).toEqual(isFinished ? house : []);
      expect(recovered).toEqual([
        {
          operation: 'build',
          subject: 'x',
          job: 'job',
          outcome: isFinished ? 'finished' : 'undone',
          reason: undefined,
        },
      ]);
      expect(store.list(OPERATION_DATABASE)).toEqual([]);
      expect(await again().recover()).toEqual([]);
    },
  );

  it.each(['roof', 'paint'])('that fails at %s is gone on with, for there is no way back', async step => {
    let isFirst = true;
    const { build, operations, store, world } = site(point => {
      if (point.step !== step || point.moment !== 'begin' || !isFirst) return;
      isFirst = false;
      throw new AgentError('HOST', 'the fault of this test');
    });
    await operations.run(build, 'x', { name: 'x' }, caller);
    expect(world).toEqual(house);
    expect(store.list(OPERATION_DATABASE)).toEqual([]);
  });

  it('that can neither be finished nor undone is tried again before anything else is done there', async () => {
    const { build, failing, operations, store, world } = site();
    failing.add('right').add('no left');
    await expect(operations.run(build, 'x', { name: 'x' }, caller)).rejects.toThrow('right failed');
    expect(world).toEqual(['left']);
    await expect(operations.settle('x')).rejects.toMatchObject({ code: 'HOST' });
    await expect(operations.settle('y')).resolves.toBeUndefined();
    failing.clear();
    await operations.settle('x');
    expect(world).toEqual([]);
    expect(store.list(OPERATION_DATABASE)).toEqual([]);
  });

  it('of another version of the agent is kept and said to be so', async () => {
    const { again, store } = site();
    await store.merge(OPERATION_DATABASE, 'id', { operation: 'fly', subject: 'x', state: '{}', step: 'up' });
    expect(await again().recover()).toMatchObject([{ operation: 'fly', outcome: 'stuck' }]);
    expect(store.list(OPERATION_DATABASE)).toHaveLength(1);
  });
});
