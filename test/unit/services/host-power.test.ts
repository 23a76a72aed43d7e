import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { caller, guestPath as path, guestServices, writeGuest } from '../../support/guest-services.ts';
import { waitUntil } from '../../support/wait.ts';

const other = parseGuestPath('/OVS/running_pool/other');
const third = parseGuestPath('/OVS/running_pool/third');
const plain = ["kernel = '/boot/vmlinuz'", 'memory = 64'];

describe('with its server', () => {
  it('guests start that are marked for it, the lower order first, and no others', async () => {
    const { hostPower, machine, membership, records, root } = guestServices();
    for (const guest of [other, third]) writeGuest(root, guest, plain);
    for (const guest of [path, other, third]) await membership.register(caller, guest);
    await hostPower.setPolicy(caller, path, { start: true, order: 20 });
    await hostPower.setPolicy(caller, other, { start: true, order: 10 });
    expect(await hostPower.startAll(caller)).toEqual({ done: ['other', 'guest'], failed: [] });
    expect([...machine.domains.keys()]).toEqual([other, path]);
    expect(records.get(third).status).toBe('DOWN');
  });

  it('on_xend_start of the guest file marks a guest, and what was set has the last word', async () => {
    const { hostPower, membership } = guestServices({ lines: ["on_xend_start = 'start'", "on_xend_stop = 'suspend'"] });
    await membership.register(caller, path);
    expect(await hostPower.policyOf(path)).toMatchObject({ start: true, atShutdown: 'save' });
    await hostPower.setPolicy(caller, path, { start: false });
    expect(await hostPower.policyOf(path)).toMatchObject({ start: false, atShutdown: 'save' });
  });

  it('a guest whose storage comes late is waited for; one whose storage does not come is named, and keeps no other', async () => {
    const { hostPower, machine, membership, root } = guestServices({ settings: ['[host]', 'storage_wait=3'] });
    for (const guest of [other, third]) writeGuest(root, guest, plain);
    for (const guest of [path, other, third]) {
      await membership.register(caller, guest);
      await hostPower.setPolicy(caller, guest, { start: true });
    }
    const away = join(root, 'away');
    mkdirSync(away);
    for (const guest of ['guest', 'other']) renameSync(join(root, '/OVS/running_pool', guest), join(away, guest));
    const started = hostPower.startAll(caller);
    renameSync(join(away, 'guest'), join(root, '/OVS/running_pool/guest'));
    expect(await started).toEqual({ done: ['guest', 'third'], failed: ['other'] });
    expect(machine.domains.size).toBe(2);
  }, 20_000);

  it('each guest is stopped or saved by its setting, and one that was saved goes on at the next start', async () => {
    const { hostPower, lifecycle, machine, records, root } = guestServices();
    for (const guest of [other, third]) writeGuest(root, guest, plain);
    for (const guest of [path, other, third]) await lifecycle.start(caller, guest);
    await hostPower.setPolicy(caller, path, { atShutdown: 'save' });
    await hostPower.setPolicy(caller, third, { atShutdown: 'migrate' });
    const { done, failed } = await hostPower.stopAll(caller);
    expect([[...done].sort(), failed]).toEqual([['guest', 'other', 'third'], []]);
    expect([path, other, third].map(guest => records.get(guest).status)).toEqual(['SUSPEND', 'DOWN', 'SUSPEND']);
    expect(records.get(other).fields).toMatchObject({ stopped_how: 'power button', stopped_by: 'tester' });
    expect(await hostPower.startAll(caller)).toEqual({ done: ['guest', 'third'], failed: [] });
    expect([...machine.domains.keys()].sort()).toEqual([path, third]);
  });

  it('a guest that somebody suspended himself stays as it is', async () => {
    const { hostPower, lifecycle, status, suspension } = guestServices();
    await lifecycle.start(caller, path);
    await suspension.suspend(caller, path);
    expect(await hostPower.stopAll(caller)).toEqual({ done: [], failed: [] });
    expect(await hostPower.startAll(caller)).toEqual({ done: [], failed: [] });
    expect(status()).toBe('SUSPEND');
  });

  it('what is left when the time is over is destroyed', async () => {
    const { hostPower, lifecycle, machine, status } = guestServices({
      settings: ['[guests]', 'stop_timeout=600', '[host]', 'shutdown_time=1'],
    });
    await lifecycle.start(caller, path);
    machine.hang(path);
    const stopped = hostPower.stopAll(caller);
    await waitUntil('it is asked', () => status() === 'SHUTTING_DOWN');
    expect(await stopped).toEqual({ done: ['guest'], failed: [] });
    expect(status()).toBe('DOWN');
    expect(machine.domains.size).toBe(0);
  });
});
