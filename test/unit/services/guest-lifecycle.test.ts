import { describe, expect, it } from 'vitest';
import type { Driver } from '../../../src/drivers/driver.ts';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import { AgentError } from '../../../src/errors.ts';
import { caller, guestPath, guestServices } from '../../support/guest-services.ts';
import { waitUntil } from '../../support/wait.ts';

const path = guestPath;
const agent = guestServices;

/** The driver with one of its acts replaced by a failure. */
function failing(act: keyof Driver, error: AgentError): (driver: Driver) => Driver {
  return driver =>
    new Proxy(driver, {
      get: (target, name) => {
        if (name === act) return () => Promise.reject(error);
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
}

const hypervisorFailure = new AgentError('HYPERVISOR', 'start: the hypervisor refused');

describe("a guest's life", () => {
  it('start registers, runs and answers with the address of the server', async () => {
    const { lifecycle, records, status } = agent();
    expect(await lifecycle.start(caller, path)).toEqual({ ip: '10.0.0.1' });
    expect(status()).toBe('RUNNING');
    expect(records.get(path).fields).toMatchObject({ memory: 64, vcpus: 1, server: '10.0.0.1', name: 'guest' });
  });

  it('a start that fails leaves the guest DOWN with the reason, and can be tried again', async () => {
    const { lifecycle, records, status } = agent({ wrap: failing('start', hypervisorFailure) });
    await expect(lifecycle.start(caller, path)).rejects.toThrow('the hypervisor refused');
    expect(status()).toBe('DOWN');
    expect(records.get(path).reason).toBe('start failed: start: the hypervisor refused');
  });

  it('a start that fails after the domain was made tells the truth: it runs', async () => {
    const machine = new SimulatedMachine();
    const wrap = (driver: Driver): Driver => {
      const start = driver.start.bind(driver);
      return Object.assign(driver, {
        start: async (...args: Parameters<Driver['start']>) => {
          await start(...args);
          throw new AgentError('TIMEOUT', 'start: no answer in time');
        },
      });
    };
    const { lifecycle, status } = agent({ machine, wrap });
    await expect(lifecycle.start(caller, path)).rejects.toThrow('no answer in time');
    expect(status()).toBe('RUNNING');
  });

  it('a start that takes a while is shown as one that is under way', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>(resolve => {
      finish = resolve;
    });
    const wrap = (driver: Driver): Driver => {
      const start = driver.start.bind(driver);
      return Object.assign(driver, {
        start: async (...args: Parameters<Driver['start']>) => {
          await finished;
          return start(...args);
        },
      });
    };
    const { lifecycle, status } = agent({ wrap });
    const starting = lifecycle.start(caller, path);
    await expect.poll(status).toBe('INITIALIZING');
    finish();
    await starting;
    expect(status()).toBe('RUNNING');
  });

  it('two starts at once: one runs, the other is told so', async () => {
    const { lifecycle, machine } = agent();
    const results = await Promise.allSettled([lifecycle.start(caller, path), lifecycle.start(caller, path)]);
    expect(results.map(result => result.status)).toEqual(['fulfilled', 'rejected']);
    expect(machine.domains.size).toBe(1);
  });

  it('stop lets the system inside power off', async () => {
    const { lifecycle, machine, status, stops } = agent();
    await lifecycle.start(caller, path);
    await stops.stop(caller, path, false);
    expect(status()).toBe('DOWN');
    expect(machine.domains.size).toBe(0);
  });

  it('stop unpauses a paused guest first, for it could not answer', async () => {
    const { lifecycle, status, stops } = agent();
    await lifecycle.start(caller, path);
    await lifecycle.pause(caller, path);
    await stops.stop(caller, path, false);
    expect(status()).toBe('DOWN');
  });

  it('stop of a guest with on_poweroff = restart does not restart it', async () => {
    const { lifecycle, machine, status, stops } = agent({ lines: ["on_poweroff = 'restart'"] });
    await lifecycle.start(caller, path);
    await stops.stop(caller, path, false);
    expect(status()).toBe('DOWN');
    expect(machine.domains.size).toBe(0);
  });

  it('stop destroys a guest that does not answer in time', async () => {
    const { lifecycle, machine, status, stops } = agent({ settings: ['[guests]', 'stop_timeout=0.03'] });
    await lifecycle.start(caller, path);
    machine.hang(path);
    await stops.stop(caller, path, false);
    expect(status()).toBe('DOWN');
  });

  it('a forced stop hurries one that waits, and both are answered', async () => {
    const { lifecycle, machine, status, stops } = agent();
    await lifecycle.start(caller, path);
    machine.hang(path);
    const patient = stops.stop(caller, path, false);
    await expect.poll(status).toBe('SHUTTING_DOWN');
    await stops.stop(caller, path, true);
    await patient;
    expect(status()).toBe('DOWN');
  });

  it('an agent that stops leaves a waiting stop off and says so; the guest is told to run still', async () => {
    const { acts, lifecycle, machine, status, stops } = agent();
    await lifecycle.start(caller, path);
    machine.hang(path);
    const patient = stops.stop(caller, path, false);
    await expect.poll(status).toBe('SHUTTING_DOWN');
    acts.interrupt();
    await expect(patient).rejects.toMatchObject({ code: 'STOPPING' });
    expect(status()).toBe('RUNNING');
  });

  it('reboot waits for the system to power off, then runs it again', async () => {
    const { lifecycle, machine, status } = agent();
    await lifecycle.start(caller, path);
    const { processId } = machine.domains.get(path)!;
    await lifecycle.reboot(caller, path);
    expect(status()).toBe('RUNNING');
    expect(machine.domains.get(path)?.processId).toBe(processId);
  });

  it('reboot resets a guest that does not answer', async () => {
    const { lifecycle, machine, status } = agent({ settings: ['[guests]', 'stop_timeout=0.03'] });
    await lifecycle.start(caller, path);
    machine.hang(path);
    await lifecycle.reboot(caller, path);
    expect(status()).toBe('RUNNING');
    expect(machine.domains.get(path)?.answers).toBe(true);
  });

  it.each(['stop', 'reset', 'reboot', 'pause', 'unpause'] as const)('refuses to %s a guest that is down', async act => {
    const { lifecycle, membership, status, stops } = agent();
    await membership.register(caller, path);
    const attempt = act === 'stop' ? stops.stop(caller, path, false) : lifecycle[act](caller, path);
    await expect(attempt).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(status()).toBe('DOWN');
  });

  it('refuses acts on a guest that nobody registered', async () => {
    const { lifecycle } = agent();
    await expect(lifecycle.pause(caller, path)).rejects.toMatchObject({ code: 'NO_SUCH_GUEST' });
  });
});

describe('what a guest does of its own accord', () => {
  it('powering off is stored with its reason', async () => {
    const { lifecycle, machine, records, status } = agent();
    await lifecycle.start(caller, path);
    machine.powerOff(path);
    await expect.poll(status).toBe('DOWN');
    expect(records.get(path).reason).toBe('its system powered off');
  });

  it('powering off with on_poweroff = restart starts it again', async () => {
    const { lanes, lifecycle, machine, status } = agent({ lines: ["on_poweroff = 'restart'"] });
    await lifecycle.start(caller, path);
    machine.powerOff(path);
    await lanes.idle();
    expect(machine.domains.get(path)?.state).toBe('running');
    expect(status()).toBe('RUNNING');
  });

  it.each([
    ['restart', 'running', 'RUNNING'],
    ['destroy', undefined, 'DOWN'],
    ['preserve', 'crashed', 'ERROR'],
  ] as const)('a crash with on_crash = %s', async (action, state, stored) => {
    const { lifecycle, machine, status } = agent({ lines: [`on_crash = '${action}'`] });
    await lifecycle.start(caller, path);
    machine.crash(path);
    await expect.poll(() => [machine.domains.get(path)?.state, status()]).toEqual([state, stored]);
  });

  it('a guest that crashed and was kept can be stopped by force', async () => {
    const { lifecycle, machine, status, stops } = agent({ lines: ["on_crash = 'preserve'"] });
    await lifecycle.start(caller, path);
    machine.crash(path);
    await expect.poll(status).toBe('ERROR');
    await expect(lifecycle.start(caller, path)).rejects.toThrow(/it is ERROR \(its system crashed and was kept/);
    await stops.stop(caller, path, true);
    expect(machine.domains.size).toBe(0);
  });
});

describe('an agent that starts', () => {
  it('brings records in line with what became of the guests while none ran', async () => {
    const machine = new SimulatedMachine();
    const first = agent({ machine });
    await first.lifecycle.start(caller, path);
    const second = agent({ machine, earlierRoot: first.root });
    machine.domains.clear();
    await second.recover();
    expect(second.status()).toBe('DOWN');
  });

  it('does what on_crash says for a crash that nobody saw', async () => {
    const machine = new SimulatedMachine();
    const first = agent({ machine });
    await first.lifecycle.start(caller, path);
    machine.listeners.clear();
    machine.crash(path);
    const second = agent({ machine, earlierRoot: first.root });
    await second.recover();
    await waitUntil('it runs again', () => second.status() === 'RUNNING');
    expect(machine.domains.get(path)?.state).toBe('running');
  });

  it('finishes a reboot that an earlier agent began', async () => {
    const machine = new SimulatedMachine();
    const first = agent({ machine });
    await first.lifecycle.start(caller, path);
    machine.listeners.clear();
    await first.records.setStatus(path, 'REBOOTING');
    machine.set(path, 'halted');
    const second = agent({ machine, earlierRoot: first.root });
    await second.recover();
    await waitUntil('it runs again', () => second.status() === 'RUNNING');
    expect(machine.domains.get(path)?.state).toBe('running');
  });

  it('lists a guest that runs and that it has no record of, and adopts it when asked to', async () => {
    const machine = new SimulatedMachine();
    const first = agent({ machine });
    await first.lifecycle.start(caller, path);
    const second = agent({ machine });
    await second.recover();
    expect(second.status()).toBeUndefined();
    expect(await second.foreign.list()).toMatchObject([{ id: path, path, adoptable: true, ignored: false }]);
    await second.foreign.ignore(caller, path);
    expect(await second.foreign.list()).toMatchObject([{ id: path, ignored: true }]);
    await second.foreign.adopt(caller, path);
    expect(second.status()).toBe('RUNNING');
    expect(await second.foreign.list()).toEqual([]);
    await second.stops.stop(caller, path, true);
    expect(machine.domains.size).toBe(0);
  });
});

describe('set_vm_status', () => {
  it('stores a status by hand, with who did it', async () => {
    const { lifecycle, membership, records } = agent();
    await membership.register(caller, path);
    await lifecycle.setStatus(caller, path, 'ERROR');
    expect(records.get(path)).toMatchObject({ status: 'ERROR', reason: 'set by tester' });
    await expect(lifecycle.start(caller, path)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  it.each(['DOWN', 'PAUSED', 'ERROR'] as const)('refuses %s for a guest that runs', async wanted => {
    const { lifecycle, status } = agent();
    await lifecycle.start(caller, path);
    await expect(lifecycle.setStatus(caller, path, wanted)).rejects.toThrow(/its hypervisor says RUNNING/);
    expect(status()).toBe('RUNNING');
  });
});

describe('unregister and delete', () => {
  it('are refused while the guest runs', async () => {
    const { lifecycle, membership, status } = agent();
    await lifecycle.start(caller, path);
    await expect(membership.unregister(caller, path)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(membership.delete(caller, path)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(status()).toBe('RUNNING');
  });

  it('unregister forgets and leaves the files; register makes it known again', async () => {
    const { membership, status } = agent();
    await membership.register(caller, path);
    await membership.unregister(caller, path);
    expect(status()).toBeUndefined();
    await membership.register(caller, path);
    expect(status()).toBe('DOWN');
  });

  it('delete removes the files', async () => {
    const { membership, status } = agent();
    await membership.register(caller, path);
    await membership.delete(caller, path);
    expect(status()).toBeUndefined();
    await expect(membership.register(caller, path)).rejects.toMatchObject({ code: 'NO_SUCH_GUEST' });
  });
});

describe('a start that is given up', () => {
  it.each(['before it begins', 'while the hypervisor starts it'])('%s leaves the guest DOWN', async moment => {
    const cancel = new AbortController();
    const wrap = (driver: Driver): Driver => {
      const start = driver.start.bind(driver);
      return Object.assign(driver, {
        start: async (...args: Parameters<Driver['start']>) => {
          const domain = await start(...args);
          cancel.abort();
          return domain;
        },
      });
    };
    const { lifecycle, machine, status } = agent(moment.startsWith('while') ? { wrap } : {});
    if (moment.startsWith('before')) cancel.abort();
    await expect(lifecycle.start({ ...caller, signal: cancel.signal }, path)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect([status() ?? 'DOWN', machine.domains.size]).toEqual(['DOWN', 0]);
  });
});
