import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
  chmodSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Daemon, PASSWORD, runProgram } from '../support/daemon.ts';
import { makeTemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';

const project = resolve(import.meta.dirname, '../..');
let daemon: Daemon;
afterEach(() => daemon.dispose());

describe('ovs-agent', () => {
  it('start, status, restart, stop: in the background, as an operator does it', () => {
    daemon = new Daemon();
    expect(daemon.program('ovs-agent', ['status'])).toMatchObject({
      exitCode: 3,
      stdout: expect.stringContaining('is stopped') as string,
    });
    const started = daemon.program('ovs-agent', ['start']);
    onTestFinished(() => void daemon.program('ovs-agent', ['stop']));
    expect(started).toMatchObject({ exitCode: 0, stderr: '' });
    expect(started.stdout).toMatch(/running, process \d+, version \d/);

    const status = JSON.parse(daemon.program('ovs-agent', ['status', '--json']).stdout) as Record<string, unknown>;
    expect(status).toMatchObject({ running: true, ssl: true, hypervisor: 'qemu', guests: {} });

    const second = daemon.program('ovs-agent', ['start']);
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toBe(
      `ovs-agent: an agent runs already below ${daemon.root} (process ${String(status['pid'])}); "ovs-agent stop" ends it\n`,
    );
    expect(daemon.program('ovs-agent', ['start', '--foreground']).stderr).toContain(
      `(process ${String(status['pid'])})`,
    );

    expect(daemon.program('ovs-agent', ['restart']).exitCode).toBe(0);
    const after = JSON.parse(daemon.program('ovs-agent', ['status', '--json']).stdout) as { pid: number };
    expect(after.pid).not.toBe(status['pid']);
    expect(daemon.program('ovs-agent', ['stop'])).toMatchObject({ exitCode: 0 });
    expect(daemon.program('ovs-agent', ['stop'])).toMatchObject({
      exitCode: 0,
      stdout: 'ovs-agent was stopped already\n',
    });
    expect(daemon.program('ovs-agent', ['status', '--json'])).toMatchObject({
      exitCode: 3,
      stdout: '{\n  "running": false\n}\n',
    });
  });

  it.each([
    ['prot=8899', /agent\.ini line \d: there is no key prot; the keys here are ssl, port, .*; did you mean port\?/],
    ['ssl=maybe', /line \d: ssl=maybe cannot be used; it must be enable or disable/],
    [
      'allow=10.1.1.300',
      /line \d: address pattern "10\.1\.1\.300": it cannot be read; it must be one of 10\.1\.1\.1, 10\.1\.1\.\*/,
    ],
    ['deny', /line \d: "deny" cannot be read; a line is key=value/],
    ['hypervisor=xen', /hypervisor = xen: no hypervisor can be used here/],
  ])('does not start with %s, and says where and what was expected', (line, message) => {
    daemon = new Daemon([line]);
    const { exitCode, stderr } = daemon.program('ovs-agent', ['start']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(message);
    expect(daemon.program('ovs-agent', ['status']).exitCode).toBe(3);
  });

  it('does not start where QEMU is missing, and says what to install', () => {
    daemon = new Daemon(['[guests]', 'qemu_binary=qemu-system-none']);
    expect(daemon.program('ovs-agent', ['start']).stderr).toMatch(
      /qemu-system-none is not installed; install it \(on Debian: apt-get install qemu-system-x86\)/,
    );
  });

  it('does not start with a password file that others can read', () => {
    daemon = new Daemon();
    chmodSync(daemon.paths.passwordFile, 0o644);
    expect(daemon.program('ovs-agent', ['start']).stderr).toContain(`run "chmod 600 ${daemon.paths.passwordFile}"`);
  });

  it('does not start without users, and says which program makes them', () => {
    daemon = new Daemon();
    rmSync(daemon.paths.passwordFile);
    expect(daemon.program('ovs-agent', ['start']).stderr).toMatch(/"ovs-agent passwd" makes it/);
  });

  it('names the port that is in use, and who has it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise(resolve => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    daemon = new Daemon([`port=${port}`]);
    expect(daemon.program('ovs-agent', ['start']).stderr).toMatch(
      new RegExp(`port ${port} is in use by .+ \\(process ${process.pid}\\); stop that, or set another port`),
    );
  });

  it('keeps everything it makes to itself', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    const open: string[] = [];
    const look = (directory: string): void => {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const place = join(directory, entry.name);
        if ((statSync(place).mode & 0o077) !== 0) open.push(place);
        if (entry.isDirectory()) look(place);
      }
    };
    for (const directory of ['/run/ovs-agent', '/etc/ovs-agent/cert', '/etc/ovs-agent/db', '/var/log/ovs-agent']) {
      look(daemon.paths.onDisk(directory));
    }
    expect(open).toEqual([]);
  });

  it('reads allow, deny and the level again on SIGHUP, and goes on with the old ones when they are broken', async () => {
    daemon = await new Daemon().start();
    expect(await daemon.call('echo', 'x')).toBe('success:echo=x');
    daemon.configure([`port=${daemon.port}`, 'deny=127.0.0.*']);
    process.kill(daemon.processId, 'SIGHUP');
    await expect
      .poll(() =>
        daemon.call('echo', 'x').then(
          () => 'let in',
          () => 'kept out',
        ),
      )
      .toBe('kept out');
    daemon.configure([`port=${daemon.port}`, 'deny=127.0.0.300']);
    process.kill(daemon.processId, 'SIGHUP');
    await expect.poll(() => daemon.log()).toMatch(/the settings cannot be read; the agent goes on with those it has/);
    await expect(daemon.call('echo', 'x')).rejects.toThrow();
    daemon.configure([`port=${daemon.port}`]);
    process.kill(daemon.processId, 'SIGHUP');
    await expect.poll(() => daemon.call('echo', 'x').catch(() => '')).toBe('success:echo=x');
  });

  it('takes a changed password at once, by the program and by RPC, for open connections too', async () => {
    daemon = await new Daemon().start();
    expect(daemon.do_rpc('echo', 'x').exitCode).toBe(0);
    expect(daemon.program('ovs-agent', ['passwd', '--stdin'], 'other').exitCode).toBe(0);
    expect(daemon.do_rpc('echo', 'x')).toMatchObject({
      exitCode: 1,
      stderr: 'do_rpc: the agent refused the user or the password\n',
    });
    expect(daemon.program('do_rpc', ['--accept-new', daemon.url('other'), 'echo', 'x']).exitCode).toBe(0);
    expect(await daemon.local('update_agent_password', 'admin', 'wrong', 'third')).toMatch(/^failed:DENIED: /);
    expect(await daemon.local('update_agent_password', 'admin', 'other', 'third')).toBe('success');
    expect(daemon.program('do_rpc', ['--accept-new', daemon.url('other'), 'echo', 'x']).exitCode).toBe(1);
    expect(daemon.program('do_rpc', ['--accept-new', daemon.url('third'), 'echo', 'x']).exitCode).toBe(0);
  });

  it('lets users do what their role allows and no more', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    daemon.program('ovs-agent', ['passwd', '--user', 'watcher', '--role', 'read', '--stdin'], 'w');
    const url = daemon.url().replace(`admin:${PASSWORD}`, 'watcher:w');
    expect(daemon.program('do_rpc', ['--accept-new', url, 'list_vms']).exitCode).toBe(0);
    expect(daemon.program('do_rpc', ['--accept-new', url, 'start_vm', path]).stdout).toMatch(
      /=> failed:DENIED: start_vm: user watcher has access "read"/,
    );
    expect(daemon.qemuOf(path)).toBeUndefined();
  });

  it('begins a new log file when one is full, and loses no line', async () => {
    daemon = await new Daemon(['[log]', 'level=debug', 'file_size=8KiB', 'files_kept=40']).start();
    const calls = 150;
    for (let index = 0; index < calls; index++) await daemon.local('echo', `message ${index}`);
    const names = readdirSync(daemon.paths.logDirectory).filter(name => name.startsWith('ovs_trace.log'));
    expect(names.length).toBeGreaterThan(2);
    const lines = names.flatMap(name => readFileSync(join(daemon.paths.logDirectory, name), 'utf8').trim().split('\n'));
    const answered = lines
      .map(line => JSON.parse(line) as { msg: string; method?: string })
      .filter(line => line.method === 'echo');
    expect(answered).toHaveLength(calls);
  });
});

describe('ovs-agent configure', () => {
  it('walks through the dialogue of the guide', () => {
    daemon = new Daemon();
    writeFileSync(daemon.paths.settingsFile, '; mine\nssl=disable\n\n# who\nallow=*\ndeny=\n');
    const { exitCode, stdout } = daemon.program('ovs-agent', ['configure'], '\n*.example.com\n\nn\n');
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`;ssl support --
;enable ssl support in xmlrpc transport?(enable/disable)
ssl=disable
ssl
;network access control by ip --
;rules := if addr.match(allow) and not addr.match(deny):return True
;pattern items delimited by comma and could be
;10.1.1.1    #single ip
;10.1.1.*     #range
;10.1.1.1/24 #range
;default to allow all, deny none
allow=*
allow=*.example.com
now allow=*.example.com
deny=
deny=
now deny=
would you like to modify password to communicate with agent?[y/N]n
the settings are written; "ovs-agent restart" makes them effective
`);
    expect(readFileSync(daemon.paths.settingsFile, 'utf8')).toBe(
      '; mine\nssl=disable\n\n# who\nallow=*.example.com\ndeny=\n',
    );
  });

  it('asks again for what cannot be used, and sets the password when it is wanted', async () => {
    daemon = new Daemon();
    const answers = [
      'perhaps',
      'enable',
      '10.1.1.999',
      '127.0.0.1',
      '',
      'y',
      'new one',
      'new two',
      'new one',
      'new one',
    ];
    const { stdout } = daemon.program('ovs-agent', ['configure'], `${answers.join('\n')}\n`);
    expect(stdout).toMatch(/ssl=perhaps cannot be used; it must be enable or disable/);
    expect(stdout).toMatch(/"10\.1\.1\.999": it cannot be read/);
    expect(stdout).toMatch(/the two are not the same/);
    await daemon.start();
    expect(daemon.program('do_rpc', ['--accept-new', daemon.url('new one'), 'echo', 'x']).exitCode).toBe(0);
  });

  it('changes by flags, all or nothing', () => {
    daemon = new Daemon();
    const before = readFileSync(daemon.paths.settingsFile, 'utf8');
    const refused = daemon.program('ovs-agent', ['configure', '--ssl', 'disable', '--allow', '10.1.1.x']);
    expect(refused.exitCode).toBe(1);
    expect(readFileSync(daemon.paths.settingsFile, 'utf8')).toBe(before);
    expect(daemon.program('ovs-agent', ['configure', '--ssl', 'disable', '--allow', '10.1.1.*']).exitCode).toBe(0);
    expect(readFileSync(daemon.paths.settingsFile, 'utf8')).toMatch(/ssl=disable\n/);
  });
});

describe('every program', () => {
  const { bin } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  it.each(Object.keys(bin))('%s has --help and --version, and exits 2 on wrong usage', name => {
    daemon = new Daemon();
    expect(runProgram(name, ['--help'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^Usage: /) as string,
    });
    expect(runProgram(name, ['--version']).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(runProgram(name, ['--no-such-option']).exitCode).toBe(2);
  });
});

describe('do_rpc', () => {
  it('remembers the key of an agent, and refuses another one in its place', async () => {
    daemon = await new Daemon().start();
    // As from another server: without the file of the agent's own certificate at hand.
    const elsewhere = temporaryDirectory();
    const call = (...options: string[]): ReturnType<typeof runProgram> =>
      runProgram('do_rpc', [...options, '--root', elsewhere, daemon.url(), 'echo', 'x'], { env: { HOME: elsewhere } });
    expect(call()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/is not known \(sha256:.*use --accept-new/) as string,
    });
    expect(call('--accept-new').exitCode).toBe(0);
    expect(call().exitCode).toBe(0);
    await daemon.stop();
    rmSync(daemon.paths.certificateDirectory, { recursive: true });
    daemon.configure([`port=${daemon.port}`]);
    await daemon.start();
    expect(call('--accept-new')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('has another key than before') as string,
    });
    expect(call('--insecure')).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('key is not checked') as string,
    });
  });

  it('says what is wrong with a URL, an argument, an agent that is not there', async () => {
    daemon = await new Daemon().start();
    expect(runProgram('do_rpc', ['host:8899', 'echo']).stderr).toMatch(
      /it must look like https:\/\/user:password@host:8899/,
    );
    expect(daemon.do_rpc('echo', 'json:{')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('after json: there must be JSON') as string,
    });
    expect(daemon.do_rpc('echo', 'int:x')).toMatchObject({ exitCode: 1 });
    expect(daemon.do_rpc('no_such_method').stderr).toBe('do_rpc: method "no_such_method" is not supported\n');
    await daemon.stop();
    expect(daemon.do_rpc('echo', 'x').stderr).toMatch(/Connection refused\ndo_rpc: no agent listens on/);
  });
});

describe('the installation', () => {
  it('puts everything where scripts for the original look for it, passes systemd, and goes without a trace', () => {
    daemon = new Daemon();
    const destination = makeTemporaryDirectory();
    onTestFinished(() => rmSync(destination, { recursive: true, force: true }));
    const run = (script: string): void => {
      const { status, stderr } = spawnSync('bash', [join(project, script)], {
        encoding: 'utf8',
        env: { ...process.env, DESTDIR: destination },
      });
      expect([status, stderr]).toEqual([0, '']);
    };
    mkdirSync(join(destination, 'etc/ovs-agent'), { recursive: true });
    writeFileSync(join(destination, 'etc/ovs-agent/agent.ini'), 'ssl=disable\n');
    run('scripts/install-system.sh');
    run('scripts/install-system.sh');

    expect(readFileSync(join(destination, 'etc/ovs-agent/agent.ini'), 'utf8')).toBe('ssl=disable\n');
    expect(readlinkSync(join(destination, 'opt/ovs-agent-latest'))).toBe('/opt/ovs-agent-2.2');
    for (const [link, usage] of [
      ['utils/do_rpc.py', 'do_rpc'],
      ['db/db_kfv.py', 'db_kfv'],
      ['db/db_del.py', 'db_del'],
      ['bin/ovs-agent', 'ovs-agent'],
      ['bin/xm', 'xm'],
      ['bin/ovsrepositories', 'ovsrepositories'],
    ] as const) {
      const { stdout } = spawnSync(join(destination, 'opt/ovs-agent-2.2', link), ['--help'], { encoding: 'utf8' });
      expect(stdout).toMatch(new RegExp(`^Usage: ${usage} `));
    }
    // systemd looks for the programs that a unit names: here they lie below the destination.
    const units = ['ovs-agent.service', 'ovsrepositories.service', 'ovs-guests.service'].map(name => {
      const shipped = readFileSync(join(destination, 'etc/systemd/system', name), 'utf8');
      writeFileSync(
        join(destination, name),
        shipped.replaceAll('/opt/ovs-agent-2.2', join(destination, 'opt/ovs-agent-2.2')),
      );
      return join(destination, name);
    });
    const verdict = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' });
    expect(`${verdict.stdout}${verdict.stderr}`).toBe('');
    expect(verdict.status).toBe(0);

    run('scripts/uninstall-system.sh');
    expect(existsSync(join(destination, 'opt/ovs-agent-2.2'))).toBe(false);
    expect(readdirSync(join(destination, 'usr/local/bin'))).toEqual([]);
    expect(readdirSync(join(destination, 'usr/lib/ovs'))).toEqual([]);
    expect(readdirSync(join(destination, 'etc/systemd/system'))).toEqual([]);
    expect(readFileSync(join(destination, 'etc/ovs-agent/agent.ini'), 'utf8')).toBe('ssl=disable\n');
  });
});
