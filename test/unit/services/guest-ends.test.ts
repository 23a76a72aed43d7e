import { describe, expect, it } from 'vitest';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import { caller, guestPath as path, guestServices, type TestedServices } from '../../support/guest-services.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { waitUntil } from '../../support/wait.ts';

const limits = ['[guests]', 'restart_limit=6', 'restart_window=600'];

/** Lets the time of a test go on until something is so. */
async function until(clock: ManualClock, what: string, isSo: () => boolean): Promise<void> {
  await waitUntil(what, async () => {
    if (!isSo()) await clock.advance(1000);
    return isSo();
  });
}

function started(
  lines: readonly string[],
  settings: readonly string[] = limits,
): { clock: ManualClock; services: TestedServices } {
  const clock = new ManualClock();
  return { clock, services: guestServices({ lines: [...lines], settings, clock }) };
}

describe('a guest that restarts again and again', () => {
  it('by crashes waits longer each time, then is ERROR with the reason and runs no more', async () => {
    const { clock, services } = started(["on_crash = 'restart'"]);
    const { lanes, lifecycle, machine, records, status } = services;
    await lifecycle.start(caller, path);
    const waits: number[] = [];
    for (let count = 0; count < 20 && machine.domains.has(path); count++) {
      const began = clock.monotonic();
      machine.crash(path);
      await lanes.idle();
      await until(clock, 'it runs again or is given up', () => machine.domains.get(path)?.state !== 'crashed');
      waits.push(clock.monotonic() - began);
      await lanes.idle();
    }
    expect(waits.slice(0, 3)).toEqual([0, 0, 0]);
    expect(waits.slice(3, -1)).toEqual([...waits.slice(3, -1)].sort((left, right) => left - right));
    expect(waits.at(-2)).toBeGreaterThan(0);
    expect(status()).toBe('ERROR');
    expect(records.get(path)).toMatchObject({
      reason: expect.stringContaining('crashed again and again') as unknown,
      fields: { stopped_how: 'restart limit' },
    });
  });

  it('by reboots from inside is paused meanwhile, then given up', async () => {
    const { clock, services } = started([]);
    const { lanes, lifecycle, machine, status } = services;
    await lifecycle.start(caller, path);
    let wasPaused = false;
    for (let count = 0; count < 20 && machine.domains.has(path); count++) {
      machine.reboot(path);
      await lanes.idle();
      wasPaused ||= status() === 'PAUSED';
      await until(clock, 'it runs again or is given up', () => machine.domains.get(path)?.state !== 'paused');
      await lanes.idle();
    }
    expect([wasPaused, status(), machine.domains.size]).toEqual([true, 'ERROR', 0]);
  });

  it('can be started again once somebody has looked at it', async () => {
    const { clock, services } = started(["on_crash = 'restart'"]);
    const { lanes, lifecycle, machine, status, stops } = services;
    await lifecycle.start(caller, path);
    for (let count = 0; count < 20 && machine.domains.has(path); count++) {
      machine.crash(path);
      await lanes.idle();
      await until(clock, 'it runs again or is given up', () => machine.domains.get(path)?.state !== 'crashed');
      await lanes.idle();
    }
    await expect(lifecycle.start(caller, path)).rejects.toThrow(/it is ERROR \(.*again and again/);
    await stops.stop(caller, path, true);
    await lifecycle.start(caller, path);
    expect(status()).toBe('RUNNING');
  });

  it('is forgiven after it has run well for a while', async () => {
    const { clock, services } = started(["on_crash = 'restart'"]);
    const { lanes, lifecycle, machine, status } = services;
    await lifecycle.start(caller, path);
    for (let count = 0; count < 20; count++) {
      await clock.advance(601_000);
      machine.crash(path);
      await lanes.idle();
      expect(status()).toBe('RUNNING');
    }
  });

  it('and is let go on by hand stays paused when somebody pauses it later', async () => {
    const { clock, services } = started([]);
    const { lanes, lifecycle, machine, status } = services;
    await lifecycle.start(caller, path);
    for (let count = 0; count < 20 && status() !== 'PAUSED'; count++) {
      machine.reboot(path);
      await lanes.idle();
    }
    await lifecycle.unpause(caller, path);
    await lanes.idle();
    await lifecycle.pause(caller, path);
    await clock.advance(120_000);
    await lanes.idle();
    expect([machine.domains.get(path)?.state, status()]).toEqual(['paused', 'PAUSED']);
  });

  it('and is paused by the brake goes on with the next agent', async () => {
    const machine = new SimulatedMachine();
    const clock = new ManualClock();
    const first = guestServices({ machine, clock, settings: limits });
    await first.lifecycle.start(caller, path);
    for (let count = 0; count < 20 && machine.domains.get(path)?.state === 'running'; count++) {
      machine.reboot(path);
      await first.lanes.idle();
    }
    expect(machine.domains.get(path)?.state).toBe('paused');
    machine.listeners.clear();
    const second = guestServices({ machine, clock, settings: limits, earlierRoot: first.root });
    await second.recover();
    await waitUntil('it runs', () => second.status() === 'RUNNING');
    expect(machine.domains.get(path)?.state).toBe('running');
  });
});

describe('a guest that powered off, rebooted or crashed', () => {
  it.each([
    ["on_poweroff = 'destroy'", 'powerOff', undefined, 'DOWN'],
    ["on_poweroff = 'restart'", 'powerOff', 'running', 'RUNNING'],
    ["on_poweroff = 'preserve'", 'powerOff', 'halted', 'SHUTTING_DOWN'],
    ["on_crash = 'destroy'", 'crash', undefined, 'DOWN'],
    ["on_crash = 'rename-restart'", 'crash', 'running', 'RUNNING'],
    ["on_crash = 'coredump-restart'", 'crash', 'running', 'RUNNING'],
    ["on_crash = 'preserve'", 'crash', 'crashed', 'ERROR'],
    ["on_reboot = 'restart'", 'reboot', 'running', 'RUNNING'],
    ["on_reboot = 'destroy'", 'reboot', undefined, 'DOWN'],
    ["on_reboot = 'preserve'", 'reboot', 'halted', 'SHUTTING_DOWN'],
  ] as const)('%s: after %s it is %s and %s', async (line, act, state, stored) => {
    const { lanes, lifecycle, machine, status } = guestServices({ lines: [line] });
    await lifecycle.start(caller, path);
    machine[act](path);
    await lanes.idle();
    expect([machine.domains.get(path)?.state, status()]).toEqual([state, stored]);
  });

  it('says why it stopped, and who did it', async () => {
    const { lanes, lifecycle, machine, records, stops } = guestServices({ lines: ["on_crash = 'destroy'"] });
    await lifecycle.start(caller, path);
    machine.powerOff(path);
    await lanes.idle();
    expect(records.get(path).fields).toMatchObject({ stopped_how: 'inside', stopped_reason: 'its system powered off' });
    await lifecycle.start(caller, path);
    machine.crash(path);
    await lanes.idle();
    expect(records.get(path).fields).toMatchObject({ stopped_how: 'crash', stopped_reason: 'its system crashed' });
    await lifecycle.start(caller, path);
    expect(records.get(path).fields['running_since']).toBeDefined();
    await stops.stop(caller, path, true);
    expect(records.get(path).fields).toMatchObject({ stopped_how: 'destroyed', stopped_by: 'tester' });
    expect(records.get(path).fields['running_since']).toBeUndefined();
  });
});

describe('a guest whose disk fails', () => {
  it.each([
    ['keep', 'stuck', 'PAUSED'],
    ['destroy', undefined, 'ERROR'],
  ] as const)('with disk_error = %s is %s and %s, with the reason', async (policy, state, stored) => {
    const { services } = started([], ['[guests]', `disk_error=${policy}`]);
    const { lanes, lifecycle, machine, records, status } = services;
    await lifecycle.start(caller, path);
    machine.failDisk(path, 'xvda', 'no space left on its file system');
    await lanes.idle();
    expect([machine.domains.get(path)?.state, status()]).toEqual([state, stored]);
    expect(records.get(path).reason).toContain('xvda');
  });

  it('with disk_error = resume tries again, until its disk works', async () => {
    const { clock, services } = started([], ['[guests]', 'disk_error=resume']);
    const { lanes, lifecycle, machine, status } = services;
    await lifecycle.start(caller, path);
    machine.failDisk(path, 'xvda', 'no space left on its file system');
    await lanes.idle();
    expect(status()).toBe('PAUSED');
    machine.mendDisk(path);
    await until(clock, 'it runs', () => machine.domains.get(path)?.state === 'running');
    await lanes.idle();
    expect(status()).toBe('RUNNING');
  });
});
