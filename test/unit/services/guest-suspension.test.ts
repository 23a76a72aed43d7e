import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import { caller, guestPath as path, guestServices, type TestedServices } from '../../support/guest-services.ts';

const stateOf = ({ root }: TestedServices): string => join(root, path, 'suspended.state');

/** Resumes a guest until that step, at which the whole server ends, and comes back. */
async function serverLostAt(step: string): Promise<TestedServices> {
  const machine = new SimulatedMachine();
  let isArmed = false;
  let died = (): void => undefined;
  const death = new Promise<void>(resolve => {
    died = resolve;
  });
  const first = guestServices({
    machine,
    atPoint(point) {
      if (!isArmed || point.step !== step || point.moment !== 'begin') return;
      died();
      return new Promise(() => undefined);
    },
  });
  await first.lifecycle.start(caller, path);
  await first.suspension.suspend(caller, path);
  isArmed = true;
  void first.suspension.resume(caller, path);
  await death;
  machine.listeners.clear();
  machine.domains.clear();
  const next = guestServices({ machine, earlierRoot: first.root });
  await next.recover();
  await next.lanes.idle();
  return next;
}

describe('a guest that is suspended', () => {
  it.each(['verify', 'load', 'run', 'record'])(
    'is so still when its server is lost at "%s" of its resumption, and can be resumed',
    async step => {
      const services = await serverLostAt(step);
      expect([services.status(), existsSync(stateOf(services))]).toEqual(['SUSPEND', true]);
      await services.suspension.resume(caller, path);
      expect([services.status(), existsSync(stateOf(services))]).toEqual(['RUNNING', false]);
    },
  );

  it('keeps its memory, which is gone when it is thrown away', async () => {
    const { lifecycle, machine, stops, suspension } = guestServices();
    await lifecycle.start(caller, path);
    const { memory } = machine.domains.get(path)!;
    await suspension.suspend(caller, path);
    await suspension.resume(caller, path);
    expect(machine.domains.get(path)?.memory).toBe(memory);
    await suspension.suspend(caller, path);
    await stops.stop(caller, path, true);
    await lifecycle.start(caller, path);
    expect(machine.domains.get(path)?.memory).not.toBe(memory);
  });

  it('is known as such when it is registered anew', async () => {
    const { lifecycle, membership, status, suspension } = guestServices();
    await lifecycle.start(caller, path);
    await suspension.suspend(caller, path);
    await membership.unregister(caller, path);
    await membership.register(caller, path);
    expect(status()).toBe('SUSPEND');
    await suspension.resume(caller, path);
    expect(status()).toBe('RUNNING');
  });

  it('cannot be suspended while its file was changed for its next start', async () => {
    const { lifecycle, root, status, suspension } = guestServices();
    await lifecycle.start(caller, path);
    writeFileSync(join(root, path, 'vm.cfg'), "kernel = '/boot/vmlinuz'\nmemory = 96\n");
    await expect(suspension.suspend(caller, path)).rejects.toMatchObject({ code: 'BAD_CONFIG' });
    expect(status()).toBe('RUNNING');
    writeFileSync(join(root, path, 'vm.cfg'), "# only a comment\nmemory = 64\nkernel = '/boot/vmlinuz'\n");
    await suspension.suspend(caller, path);
    expect(status()).toBe('SUSPEND');
  });

  it('and a file that is there already is neither written over nor removed by a save', async () => {
    const { lifecycle, root, status, suspension } = guestServices();
    await lifecycle.start(caller, path);
    const file = join(root, path, 'precious');
    writeFileSync(file, 'mine');
    await expect(suspension.save(caller, path, `${path}/precious`)).rejects.toMatchObject({ code: 'EXISTS' });
    expect([status(), existsSync(file)]).toEqual(['RUNNING', true]);
    await expect(suspension.save(caller, path, '/etc/state')).rejects.toMatchObject({ code: 'BAD_CONFIG' });
    await expect(suspension.save(caller, path, '/boot/state')).rejects.toMatchObject({ code: 'BAD_CONFIG' });
  });
});
