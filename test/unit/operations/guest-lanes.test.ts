import { describe, expect, it } from 'vitest';
import { GuestLanes } from '../../../src/operations/guest-lanes.ts';

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>(done => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Work that ends when it is told to. */
function work(): { readonly run: () => Promise<void>; readonly end: () => void; readonly started: Promise<void> } {
  const ended = deferred();
  const started = deferred();
  return {
    run: () => {
      started.resolve();
      return ended.promise;
    },
    end: ended.resolve,
    started: started.promise,
  };
}

describe('the lanes of guests', () => {
  it('run acts on one guest one after the other', async () => {
    const lanes = new GuestLanes(10);
    const log: string[] = [];
    const first = work();
    const one = lanes.run('/a', 'start', async () => {
      await first.run();
      log.push('first');
    });
    const two = lanes.run('/a', 'stop', () => Promise.resolve(log.push('second')));
    first.end();
    await Promise.all([one, two]);
    expect(log).toEqual(['first', 'second']);
  });

  it('run acts on different guests side by side', async () => {
    const lanes = new GuestLanes(10);
    const slow = work();
    const one = lanes.run('/a', 'start', slow.run);
    await lanes.run('/b', 'start', () => Promise.resolve());
    slow.end();
    await one;
  });

  it('go on after an act that failed, and hand its failure to its caller only', async () => {
    const lanes = new GuestLanes(10);
    const one = lanes.run('/a', 'start', () => Promise.reject(new Error('no')));
    const two = lanes.run('/a', 'stop', () => Promise.resolve('done'));
    await expect(one).rejects.toThrow('no');
    await expect(two).resolves.toBe('done');
  });

  it('refuse an act when the lane is full, naming the one that runs, and take it again later', async () => {
    const lanes = new GuestLanes(2);
    const slow = work();
    const one = lanes.run('/a', 'start', slow.run);
    const two = lanes.run('/a', 'pause', () => Promise.resolve());
    await slow.started;
    expect(() => lanes.run('/a', 'stop', () => Promise.resolve())).toThrow(
      'stop /a: "start" runs and 1 acts wait for this guest; try again when they are done',
    );
    slow.end();
    await Promise.all([one, two]);
    await expect(lanes.run('/a', 'stop', () => Promise.resolve('done'))).resolves.toBe('done');
  });

  it('let the agent itself follow in a full lane', async () => {
    const lanes = new GuestLanes(1);
    const slow = work();
    const one = lanes.run('/a', 'start', slow.run);
    const look = lanes.follow('/a', 'look at', () => Promise.resolve('seen'));
    slow.end();
    await one;
    await expect(look).resolves.toBe('seen');
  });

  it('are idle once all acts have ended, those that came while it was waited for among them', async () => {
    const lanes = new GuestLanes(10);
    const log: string[] = [];
    void lanes.run('/a', 'start', () => {
      void lanes.run('/b', 'start', () => Promise.resolve(log.push('late')));
      return Promise.resolve();
    });
    await lanes.idle();
    expect(log).toEqual(['late']);
  });
});
