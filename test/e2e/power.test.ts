import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { killProcess } from '../../src/host/processes.ts';
import { Daemon } from '../support/daemon.ts';
import { SerialLine } from '../support/serial-line.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

async function untilUp(path: string): Promise<void> {
  const line = await SerialLine.attach(daemon.paths.controlSocket, path);
  await line.expect(/DEMO-GUEST-UP/);
  line.close();
}

describe('the shutdown and the start of the server', () => {
  it('save one guest and stop another, and bring back the one that was saved and the one that is marked', async () => {
    daemon = await new Daemon(['[guests]', 'stop_timeout=20', 'stop_agent_timeout=1']).start();
    const [saved, stopped, marked] = ['saved', 'stopped', 'marked'].map(name => daemon.makeGuest(name));
    for (const path of [saved!, stopped!, marked!]) {
      await daemon.local('start_vm', path);
      await untilUp(path);
    }
    expect(await daemon.local('set_vm_boot', saved, { at_shutdown: 'save' })).toBe('success');
    expect(await daemon.local('set_vm_boot', marked, { start: true, order: 1 })).toBe('success');
    expect(await daemon.local('set_vm_boot', marked, { order: -1 })).toMatch(/^failed:BAD_VALUE: .*order/);
    expect(await daemon.local('get_vm_boot', marked)).toEqual({ start: true, order: 1, delay: 0, at_shutdown: 'stop' });

    const down = daemon.program('ovs-agent', ['guests', 'stop']);
    expect(down).toMatchObject({ exitCode: 0, stderr: '' });
    expect(down.stdout.split(': ')[1]!.trim().split(' ').sort()).toEqual(['marked', 'saved', 'stopped']);
    expect([await daemon.status(saved!), await daemon.status(stopped!), await daemon.status(marked!)]).toEqual([
      'SUSPEND',
      'DOWN',
      'DOWN',
    ]);
    expect(await daemon.local('db_get_vm', stopped)).toMatchObject({ stopped_how: 'power button' });

    // A new start of the server: its agent is another.
    await daemon.stop();
    await daemon.start();
    expect(daemon.program('ovs-agent', ['guests', 'start'])).toEqual({
      exitCode: 0,
      stdout: 'started: marked saved\n',
      stderr: '',
    });
    expect([await daemon.status(saved!), await daemon.status(stopped!), await daemon.status(marked!)]).toEqual([
      'RUNNING',
      'DOWN',
      'RUNNING',
    ]);
  });
});

describe('guests that the agent does not know', () => {
  it('are listed: one that lost its record is adopted and stopped, a stranger is shown and lives on', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('lost');
    await daemon.local('start_vm', path);
    const place = makeTemporaryDirectory();
    const stranger = spawn(
      'qemu-system-x86_64',
      [
        '-name',
        'guest=stranger',
        '-M',
        'none',
        '-nodefaults',
        '-display',
        'none',
        '-monitor',
        `unix:${join(place, 'm')},server=on,wait=off`,
      ],
      { stdio: 'ignore' },
    );
    try {
      await daemon.stop();
      for (const suffix of ['', '-wal', '-shm']) rmSync(daemon.paths.databaseFile + suffix, { force: true });
      await daemon.start();
      const listed = daemon.program('ovs-agent', ['guests', 'foreign']).stdout;
      expect(listed).toContain(`${path}  lost  can be adopted`);
      await waitUntil('the stranger is seen', () =>
        daemon
          .program('ovs-agent', ['guests', 'foreign'])
          .stdout.includes(`${stranger.pid}  stranger  cannot be adopted`),
      );
      expect(daemon.program('ovs-agent', ['guests', 'adopt', String(stranger.pid)])).toMatchObject({ exitCode: 1 });
      expect(daemon.program('ovs-agent', ['guests', 'ignore', String(stranger.pid)]).exitCode).toBe(0);
      expect(daemon.program('ovs-agent', ['guests', 'foreign']).stdout).toContain('stranger  ignored');
      expect(daemon.program('ovs-agent', ['guests', 'adopt', path])).toMatchObject({
        exitCode: 0,
        stdout: `${path}: adopted\n`,
      });
      expect(await daemon.status(path)).toBe('RUNNING');
      expect(await daemon.local('stop_vm', path, true)).toBe('success');
      expect(stranger.exitCode).toBeNull();
    } finally {
      if (stranger.pid !== undefined) killProcess(stranger.pid);
      rmSync(place, { recursive: true, force: true });
    }
  });
});
