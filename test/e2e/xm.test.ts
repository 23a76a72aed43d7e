import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon, type ProgramResult } from '../support/daemon.ts';

/** xm against a real agent whose guests are simulated: what is tested is the program, its calls and its words. */
describe('xm', () => {
  let daemon: Daemon;
  let path: string;

  beforeAll(async () => {
    daemon = await new Daemon(['hypervisor=simulated', '[guests]', 'stop_timeout=5']).start();
    path = daemon.makeGuest('guest', ["vif = ['mac=00:16:3e:00:00:01']"]);
  });

  afterAll(() => daemon.dispose());

  const xm = (...args: string[]): ProgramResult => daemon.program('xm', args);
  const done = { exitCode: 0, stderr: '' };

  it('create starts a guest from its file, list shows it behind Domain-0, destroy ends it', async () => {
    expect(xm('create', daemon.paths.onDisk(`${path}/vm.cfg`))).toEqual({
      ...done,
      stdout: `Using config file "${path}/vm.cfg".\nStarted domain guest\n`,
    });
    const [header, first, second] = xm('list').stdout.split('\n');
    expect(header).toBe('Name                                        ID   Mem VCPUs      State   Time(s)');
    expect(first).toMatch(/^Domain-0 +0 +\d+ +\d+ +r----- +\d+\.\d$/);
    expect(second).toMatch(/^guest +\d+ +96 +1 +[rb-]{6} +\d+\.\d$/);
    const id = xm('domid', 'guest').stdout.trim();
    expect(xm('domname', id).stdout).toBe('guest\n');
    expect(xm('destroy', id)).toEqual({ ...done, stdout: '' });
    expect(await daemon.status(path)).toBe('DOWN');
    expect(xm('list', 'guest').stdout.split('\n')[1]).toMatch(/^guest +96 +1 +0\.0$/);
  });

  it('create takes values for one start only', async () => {
    expect(xm('create', '--quiet', 'guest', 'memory=64', 'vcpus=2')).toEqual({ ...done, stdout: '' });
    expect(xm('list', 'guest').stdout.split('\n')[1]).toMatch(/^guest +\d+ +64 +2 /);
    expect(await daemon.local('xen_get_memory', path)).toBe('success:memory=96');
    xm('destroy', 'guest');
  });

  it('create --paused leaves it paused, unpause and pause change that', async () => {
    xm('create', '-p', 'guest');
    expect(await daemon.status(path)).toBe('PAUSED');
    expect(xm('list', '--state=paused').stdout).toContain('guest');
    expect(xm('unpause', 'guest')).toEqual({ ...done, stdout: '' });
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(xm('list', '--state=paused').stdout).not.toContain('guest');
    xm('pause', path);
    expect(await daemon.status(path)).toBe('PAUSED');
    xm('destroy', 'guest');
  });

  it('save, restore, suspend and resume', async () => {
    xm('create', 'guest');
    expect(xm('save', 'guest', '/var/ovs/saved/guest.state')).toEqual({ ...done, stdout: '' });
    expect(await daemon.status(path)).toBe('DOWN');
    expect(xm('save', '-c', 'guest', '/var/ovs/saved/other.state')).toMatchObject({ exitCode: 1 });
    expect(xm('restore', '/var/ovs/saved/guest.state')).toEqual({ ...done, stdout: '' });
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(xm('restore', '/var/ovs/saved/nothing.state')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('nothing.state') as unknown,
    });
    xm('suspend', 'guest');
    expect(await daemon.status(path)).toBe('SUSPEND');
    xm('resume', 'guest');
    expect(await daemon.status(path)).toBe('RUNNING');
    xm('destroy', 'guest');
  });

  it('shutdown and reboot go on by themselves, or are waited for', async () => {
    xm('create', 'guest');
    expect(xm('reboot', '--wait', 'guest')).toEqual({ ...done, stdout: '' });
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(xm('shutdown', '-w', '-a')).toEqual({ ...done, stdout: '' });
    expect(await daemon.status(path)).toBe('DOWN');
    xm('create', 'guest');
    expect(xm('shutdown', 'guest')).toEqual({ ...done, stdout: '' });
    await expect.poll(() => daemon.status(path)).toBe('DOWN');
    expect(xm('shutdown')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--all') as unknown });
  });

  it('new makes a guest known, delete forgets it and leaves its files', async () => {
    const other = daemon.makeGuest('other');
    expect(xm('new', `${daemon.paths.onDisk(other)}/vm.cfg`).exitCode).toBe(0);
    expect(await daemon.status(other)).toBe('DOWN');
    expect(xm('delete', 'other')).toEqual({ ...done, stdout: '' });
    expect(await daemon.local('register_vm', other)).toBe('success');
  });

  it('mem-set and vcpu-set change the guest and its file', async () => {
    xm('create', 'guest');
    expect(xm('mem-set', 'guest', '80')).toEqual({ ...done, stdout: '' });
    expect(await daemon.local('xen_get_memory', path)).toBe('success:memory=80');
    xm('mem-set', 'guest', '96');
    xm('destroy', 'guest');
    expect(xm('vcpu-set', 'guest', 'many')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('"many"') as unknown,
    });
  });

  it('create --dryrun and --xmldryrun print the configuration, and start nothing', async () => {
    const sxp = xm('create', '--dryrun', 'guest', 'memory=64').stdout;
    expect(sxp).toMatch(/^\(vm\s/);
    expect(sxp).toContain('(memory 64)');
    expect(xm('create', '-x', 'guest').stdout).toMatch(/^<\?xml/);
    expect(await daemon.status(path)).toBe('DOWN');
  });

  it('info, log, dmesg and uptime tell of this server', () => {
    expect(xm('info').stdout).toMatch(/^host {19}: \S+$/m);
    expect(xm('info').stdout).toMatch(/^total_memory {11}: \d+$/m);
    expect(xm('log', '-n', '5').stdout.split('\n').length).toBe(6);
    expect(xm('dmesg').stdout).toContain('simulated');
    expect(xm('uptime').stdout).toMatch(/^Name +ID Uptime\n/);
  });

  it('migrate says that this server is in no pool', () => {
    expect(xm('migrate', '-l', 'guest', '10.0.0.2')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('in no server pool') as unknown,
    });
  });

  it.each<[string[], number, RegExp]>([
    [['pause', 'gest'], 1, /"gest" does not exist; did you mean guest\?/],
    [['destroy', 'Domain-0'], 1, /is this server itself/],
    [['create', '/etc/hosts'], 1, /is no guest file in a repository; make the directory/],
    [['create', 'guest', 'memory'], 1, /not name=value/],
    [['lst'], 2, /Did you mean list\?/],
    [['list', '--state=odd'], 2, /Allowed choices/],
    [['log', '-n', 'x'], 1, /lines "x" is not a whole number/],
    [['top', '-i', '1.5'], 1, /iterations "1.5" is not a whole number/],
    [['pause'], 2, /missing required argument/],
    [['help', 'nothing'], 1, /there is no command "nothing"/],
  ])('%j ends with %i and says what to do', (args, exitCode, words) => {
    const result = xm(...args);
    expect(result.exitCode).toBe(exitCode);
    expect(result.stderr).toMatch(words);
  });

  it('ends without a word when its reader has seen enough', () => {
    const program = resolve(import.meta.dirname, '../../dist/utils/xm.js');
    for (const args of ['list', 'top -b -d 0.1']) {
      const { stderr, stdout } = spawnSync('sh', ['-c', `${process.execPath} ${program} ${args} | head -n 1`], {
        encoding: 'utf8',
        env: { ...process.env, OVS_AGENT_ROOT: daemon.root },
        timeout: 20_000,
      });
      expect([stdout.split('\n').length, stderr]).toEqual([2, '']);
    }
  });

  it('help lists every command, and --long every option', () => {
    const short = xm('help').stdout;
    for (const name of [
      'console',
      'create',
      'destroy',
      'dmesg',
      'help',
      'info',
      'list',
      'log',
      'migrate',
      'new',
      'pause',
      'reboot',
      'restore',
      'save',
      'shutdown',
      'top',
      'unpause',
    ]) {
      expect(short).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    expect(xm('help', '--long').stdout).toContain('--xmldryrun');
    expect(xm('help', 'save').stdout).toContain('--checkpoint');
  });

  it('without an agent says how to start one', async () => {
    await daemon.stop();
    expect(xm('list')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('"ovs-agent start" starts it') as unknown,
    });
    await daemon.start();
  });
});
