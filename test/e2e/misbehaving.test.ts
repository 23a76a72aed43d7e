import { statSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { SerialLine } from '../support/serial-line.ts';
import { makeDiskOn } from '../support/small-disk.ts';
import { waitUntil } from '../support/wait.ts';

/** Time for several boots of a guest on a busy machine. */
const BOOTS_MS = 150_000;

let daemon: Daemon;
afterEach(() => daemon.dispose());

/** Milliseconds of each call of echo, made one after the other until something is over. */
async function echoTimes(isOver: () => boolean): Promise<readonly number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const began = performance.now();
    expect(await daemon.local('echo', 'hello')).toBe('success:echo=hello');
    times.push(performance.now() - began);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  return times;
}

/** The middle one of many: single ones are as slow as the machine is busy. */
function median(times: readonly number[]): number {
  return [...times].sort((left, right) => left - right)[Math.floor(times.length / 2)] ?? 0;
}

/** Waits until the record of a guest says so, while the agent is asked something else all the time. */
async function untilRecord(path: string, wanted: Readonly<Record<string, string>>): Promise<void> {
  let isOver = false;
  const echoes = echoTimes(() => isOver);
  try {
    await waitUntil(
      `${path} is ${JSON.stringify(wanted)}`,
      async () => {
        const record = (await daemon.local('db_get_vm', path)) as Record<string, unknown>;
        return Object.entries(wanted).every(([field, value]) => record[field] === value);
      },
      BOOTS_MS,
      100,
    );
  } finally {
    isOver = true;
  }
  expect(median(await echoes)).toBeLessThan(50);
}

describe('a guest that', { timeout: 180_000 }, () => {
  it('reboots for ever is held back, then given up: ERROR with the reason, and no QEMU is left', async () => {
    daemon = await new Daemon(['[guests]', 'restart_limit=4', 'restart_window=600']).start();
    const path = daemon.makeGuest('restless', [], 'demo.reboot');
    await daemon.local('start_vm', path);
    await untilRecord(path, { status: 'ERROR', stopped_how: 'restart limit' });
    expect(daemon.qemuOf(path)).toBeUndefined();
    expect(await daemon.local('db_get_vm', path)).toMatchObject({
      reason: expect.stringContaining('rebooted again and again') as unknown,
    });
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(await daemon.status(path)).toBe('DOWN');
  });

  it('crashes for ever is held back, then given up: ERROR with the reason, and no QEMU is left', async () => {
    daemon = await new Daemon(['[guests]', 'restart_limit=4', 'restart_window=600']).start();
    const path = daemon.makeGuest('hopeless', ["on_crash = 'restart'"], 'demo.crash');
    await daemon.local('start_vm', path);
    await untilRecord(path, { status: 'ERROR', stopped_how: 'restart limit' });
    expect(daemon.qemuOf(path)).toBeUndefined();
    expect(await daemon.local('db_get_vm', path)).toMatchObject({
      reason: expect.stringContaining('crashed again and again') as unknown,
    });
  });

  it('crashes once with on_crash = restart runs again', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('clumsy', ["on_crash = 'restart'"]);
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    await line.untilShell();
    line.type('echo c > /proc/sysrq-trigger');
    await line.expect(/DEMO-GUEST-UP/);
    line.close();
    expect(await daemon.status(path)).toBe('RUNNING');
  });

  it('is paused by the brake when the agent dies goes on with the next one', async () => {
    daemon = await new Daemon(['[guests]', 'restart_limit=50', 'restart_window=600']).start();
    const path = daemon.makeGuest('restless', [], 'demo.reboot');
    await daemon.local('start_vm', path);
    await waitUntil('it is held back', async () => (await daemon.status(path)) === 'PAUSED', BOOTS_MS);
    await daemon.signal('SIGKILL');
    await daemon.start();
    await waitUntil('it runs', async () => (await daemon.status(path)) === 'RUNNING', 10_000);
  });

  it('hangs can be made to crash, is kept, and has its memory written to a file', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('hung', ["on_crash = 'preserve'"]);
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    await line.untilShell();
    line.type('echo 1 > /proc/sys/kernel/unknown_nmi_panic; echo rea""dy');
    await line.expect(/ready/);
    line.close();
    expect(await daemon.local('crash_vm', path)).toBe('success');
    await waitUntil('it is kept', async () => (await daemon.status(path)) === 'ERROR', 20_000);
    const [, file] = /^success:file=(\/var\/xen\/dump\/.+)$/.exec(String(await daemon.local('dump_vm', path))) ?? [];
    const dump = statSync(daemon.paths.onDisk(file!));
    expect(dump.size).toBeGreaterThan(32 * 2 ** 20);
    expect(dump.mode & 0o777).toBe(0o600);
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(await daemon.local('crash_vm', path)).toMatch(/^failed:WRONG_STATE/);
  });

  it('ignores its power button is destroyed in the end, by the step that the reply names', async () => {
    daemon = await new Daemon(['[guests]', 'stop_agent_timeout=1', 'stop_timeout=2']).start();
    const path = daemon.makeGuest('deaf', [], 'demo.noacpi');
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    const stop = daemon.local('stop_vm', path, '', { agent: 0, acpi: 1 });
    await line.expect(/DEMO-GUEST-ACPI/);
    line.close();
    expect(await stop).toBe('success:step=destroyed');
    expect(await daemon.local('db_get_vm', path)).toMatchObject({
      status: 'DOWN',
      stopped_how: 'destroyed',
      stopped_by: 'root',
    });
  });

  it('fills the disk is paused with the reason, and goes on when there is space and it is told to', async () => {
    daemon = await new Daemon(['[guests]', 'disk_error=keep']).start();
    const disk = makeDiskOn(daemon.paths.onDisk('/OVS/running_pool/greedy'), { spaceMib: 24, diskMib: 64 });
    try {
      const path = daemon.makeGuest('greedy', [`disk = ['file:/OVS/running_pool/greedy/${disk.name},xvda,w']`]);
      await daemon.local('start_vm', path);
      const line = await SerialLine.attach(daemon.paths.controlSocket, path);
      await line.expect(/DEMO-GUEST-UP/);
      await line.untilShell();
      line.type('dd if=/dev/urandom of=/dev/vda bs=1M count=48 conv=fsync; echo wri""tten-$?');
      await untilRecord(path, { status: 'PAUSED' });
      expect(await daemon.local('db_get_vm', path)).toMatchObject({
        reason: expect.stringMatching(/xvda.*space/) as unknown,
      });
      disk.makeRoom();
      expect(await daemon.local('unpause_vm', path)).toBe('success');
      await line.expect(/written-0/, 60_000);
      line.close();
      expect(await daemon.status(path)).toBe('RUNNING');
      await daemon.local('stop_vm', path, true);
    } finally {
      disk.remove();
    }
  });
});
