import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ConsoleRequest } from '../../../src/services/guest-consoles.ts';
import { caller, guestPath, guestServices, type GuestServices } from '../../support/guest-services.ts';
import { waitUntil } from '../../support/wait.ts';

const request: ConsoleRequest = {
  guest: guestPath,
  mode: 'interactive',
  takeOver: false,
  historyBytes: 10_000,
  user: 'ann',
  from: '10.0.0.9',
};

/** One who looks at a console, and all that they have seen. */
function look(services: GuestServices, changes: Partial<ConsoleRequest> = {}) {
  const sink = new PassThrough();
  let seen = '';
  sink.on('data', bytes => (seen += String(bytes)));
  const session = services.consoles.attach({ ...request, ...changes }, () => sink);
  return {
    session,
    sink,
    type: (text: string) => session.type(Buffer.from(text)),
    sees: (text: string) => waitUntil(`"${text}" is seen in "${seen}"`, () => seen.includes(text)),
    seen: () => seen,
  };
}

async function running(options: Parameters<typeof guestServices>[0] = {}): Promise<GuestServices> {
  const services = guestServices(options);
  await services.lifecycle.start(caller, guestPath);
  return services;
}

describe('the console of a guest', () => {
  it('hands on what is typed and what is printed, and keeps it for those who come later', async () => {
    const services = await running();
    const first = look(services);
    first.type('hello\n');
    await first.sees('hello');
    first.session.close();
    const second = look(services);
    await second.sees('hello');
    expect(second.seen()).toMatch(/^\r\n\[the guest was started 20[^\]]+\]\r\n/);
    const third = look(services, { mode: 'view', historyBytes: 0 });
    second.type('more');
    await third.sees('more');
    expect(third.seen()).not.toContain('hello');
  });

  it('is for one who types and many who look', async () => {
    const services = await running();
    const first = look(services);
    expect(() => look(services, { user: 'bob' })).toThrow(
      /^console of .*: ann \(10\.0\.0\.9\) types there since 20.*--read-only.*--force/,
    );
    const views = Array.from({ length: 16 }, () => look(services, { mode: 'view' }));
    expect(() => look(services, { mode: 'view' })).toThrow(/16 look at it already/);
    views[0]!.type('from a view');
    first.type('from ann');
    await views[0]!.sees('from ann');
    expect(views[0]!.seen()).not.toContain('from a view');
    views[1]!.session.close();
    look(services, { mode: 'view' });
  });

  it('is taken over by force, which the other is told', async () => {
    const services = await running();
    const first = look(services);
    const second = look(services, { takeOver: true });
    await first.sees('[another session took the console over]');
    expect(first.sink.writableEnded).toBe(true);
    first.type('nobody hears this');
    second.type('heard');
    await second.sees('heard');
    expect(second.seen()).not.toContain('nobody');
  });

  it('stays over the end of a guest and its next start', async () => {
    const services = await running();
    const watcher = look(services);
    await services.lifecycle.stop(caller, guestPath, true);
    await watcher.sees('[the guest is down; waiting for its next start]');
    await services.lifecycle.start(caller, guestPath);
    watcher.type('again\n');
    await waitUntil('what is typed comes back', () => {
      watcher.type('.');
      return watcher.seen().includes('.');
    });
  });

  it('can be waited for before the guest runs, and is not there for a guest that nobody knows', async () => {
    const services = guestServices();
    expect(() => look(services)).toThrow(/it is not registered/);
    expect(() => look(services, { guest: 'nobody' })).toThrow(/no guest of that name/);
    await services.membership.register(caller, guestPath);
    const early = look(services, { guest: 'guest' });
    await early.sees('[the guest is down');
    await services.lifecycle.start(caller, guestPath);
    await early.sees('[the guest was started');
  });

  it('keeps no more than its limit, the last of it', async () => {
    const services = await running({ historyBytes: 1000 });
    const first = look(services);
    for (let count = 0; count < 200; count++) first.type(`line ${String(count).padStart(4, '0')}\n`);
    await first.sees('line 0199');
    const late = look(services, { mode: 'view', historyBytes: 100_000 });
    await late.sees('line 0199');
    expect(late.seen().length).toBeLessThanOrEqual(1000);
    expect(late.seen()).not.toContain('line 0000');
  });

  it('drops one who does not read, and goes on for the others', async () => {
    const services = await running();
    const stuck = new Writable({ write: () => undefined });
    services.consoles.attach({ ...request, mode: 'view' }, () => stuck);
    const first = look(services);
    const block = Buffer.alloc(64 * 1024, 'x');
    await waitUntil('the one who does not read is dropped', () => {
      first.session.type(block);
      return stuck.destroyed;
    });
    first.type('still here');
    await first.sees('still here');
  });

  it('has its history from before the agent was restarted, and none after the guest was deleted', async () => {
    const services = await running();
    const first = look(services);
    first.type('before');
    await first.sees('before');
    services.consoles.close();
    const later = guestServices({ machine: services.machine, root: services.root });
    await later.lifecycle.adopt();
    const second = look(later);
    await second.sees('before');
    second.session.close();
    await later.lifecycle.stop(caller, guestPath, true);
    await later.membership.delete(caller, guestPath);
    const again = await running({ root: services.root });
    await again.lifecycle.stop(caller, guestPath, true);
    const third = look(again);
    await third.sees('[the guest was started');
    expect(third.seen()).not.toContain('before');
  });
});
