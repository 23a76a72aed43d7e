import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectSecurely } from 'node:tls';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { attachConsole } from '../../utils/console-client.ts';
import { Daemon, PASSWORD } from '../support/daemon.ts';
import { SerialLine } from '../support/serial-line.ts';
import { waitUntil } from '../support/wait.ts';

const program = resolve(import.meta.dirname, '../../dist/utils/ovs-agent.js');

/** A program that a person has started and looks at. */
class Session {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text = '';

  constructor(daemon: Daemon, command: string, args: readonly string[]) {
    this.child = spawn(command, args, {
      stdio: 'pipe',
      env: { ...process.env, OVS_AGENT_ROOT: daemon.root, HOME: daemon.home },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (data: Buffer) => (this.text += data.toString('latin1')));
    }
    this.ended = new Promise(done => this.child.once('close', code => done(code)));
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** `ovs-agent console` at a terminal; afterwards the settings of the terminal are shown. */
  static atTerminal(daemon: Daemon, ...args: string[]): Session {
    const inner = `sh -c 'echo PID-$$; exec ${process.execPath} ${program} console ${args.join(' ')}'`;
    return new Session(daemon, 'script', ['-qec', `${inner}; echo EXIT-$?; stty -a; echo OVER`, '/dev/null']);
  }

  /** `ovs-agent console` between pipes. */
  static piped(daemon: Daemon, ...args: string[]): Session {
    return new Session(daemon, process.execPath, [program, 'console', ...args]);
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  async until(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    await waitUntil(String(pattern), () => pattern.test(this.text), timeoutMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; it says:\n${this.text.slice(-1500)}`);
    });
    return pattern.exec(this.text)!;
  }
}

describe('the console of a guest', () => {
  let daemon: Daemon;
  let path: string;

  beforeAll(async () => {
    daemon = await new Daemon().start();
    path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    line.close();
  }, 60_000);

  afterAll(() => daemon.dispose());

  const view = { guest: 'guest', mode: 'view', takeOver: false, historyBytes: 0 } as const;

  it('shows the boot to who comes later, takes a command and shows its answer', async () => {
    const line = await SerialLine.attach(daemon.paths.controlSocket, 'guest');
    await line.expect(/DEMO-GUEST-UP/);
    await line.untilShell();
    line.type('echo an""swer');
    await line.expect(/answer/);
    line.close();
  });

  it('is held by one: a second is refused by the name of the first, may look on, or takes over', async () => {
    const first = await SerialLine.attach(daemon.paths.controlSocket, path);
    const refused = daemon.program('ovs-agent', ['console', 'guest']);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^ovs-agent: console of \/OVS\/running_pool\/guest: root \(local\) holds it since 20\S+Z; attach read-only \(--read-only\), or take it over \(--force\)\n$/,
    );

    const looker = await attachConsole(daemon.paths.controlSocket, view);
    onTestFinished(() => void looker.destroy());
    let seen = '';
    looker.on('data', (data: Buffer) => (seen += data.toString()));
    looker.write('echo from-the-vi""ew\n');
    first.type('echo from-the-fi""rst');
    await first.expect(/from-the-first/);
    await waitUntil('the view sees it too', () => seen.includes('from-the-first'));
    expect(seen).not.toContain('the-vi');

    const taker = Session.piped(daemon, 'guest', '--force', '--history', 'none');
    await first.expect(/\[console closed: root \(local\) took it over\]/);
    taker.type('echo from-the-ta""ker\n');
    await taker.until(/from-the-taker/);
    taker.child.kill('SIGTERM');
    expect(await taker.ended).toBe(143);
    expect(taker.text).toMatch(/^Connected to guest, Ctrl-C leaves\n/);
  });

  it('at a terminal: keys go to the guest one by one, Ctrl-C too; Ctrl-] leaves, and the terminal is as before', async () => {
    const session = Session.atTerminal(daemon, 'guest', '--history', 'none');
    await session.until(/Connected to guest, Ctrl-\] leaves/);
    session.type('sleep 1000\r');
    await session.until(/sleep 1000/);
    session.type('\x03');
    // Ctrl-C makes a terminal forget what it has not handed on yet, so that what follows it may need saying twice.
    await waitUntil(
      'the shell answers again',
      () => {
        session.type('echo inter""rupted\r');
        return session.text.includes('interrupted');
      },
      30_000,
      200,
    );
    session.type('\x1d');
    await session.until(/OVER/);
    expect(session.text).toMatch(/EXIT-0/);
    expect(session.text).toMatch(/\sisig icanon\s/);
    expect(await session.ended).toBe(0);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leaves the terminal as before when it is ended by %s', async (signal, exitCode) => {
    const session = Session.atTerminal(daemon, 'guest', '--history', 'none');
    await session.until(/Connected to guest/);
    const processId = Number((await session.until(/PID-(\d+)/))[1]);
    process.kill(processId, signal);
    await session.until(/OVER/);
    expect(session.text).toContain(`EXIT-${exitCode}`);
    expect(session.text).toMatch(/ icanon /);
  });

  it('read-only shows what others type and types nothing; Ctrl-C leaves', async () => {
    const session = Session.atTerminal(daemon, 'guest', '--read-only', '--history', 'none');
    await session.until(/Connected to guest, read-only/);
    session.type('echo from-the-rea""der\r');
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    line.type('echo from-the-wri""ter');
    await session.until(/from-the-writer/);
    line.close();
    session.type('\x03');
    await session.until(/EXIT-0/);
    expect(session.text).not.toContain('the-rea');
  });

  it('between pipes types what it is given and goes on reading after its end', async () => {
    const session = Session.piped(daemon, path, '--history', 'none');
    session.child.stdin?.end('sleep 1; echo la""ter\n');
    await session.until(/later/);
    expect(session.child.exitCode).toBeNull();
    session.child.stdout?.destroy();
    session.child.kill('SIGINT');
    expect(await session.ended).toBe(130);
  });

  it('ends quietly when nobody reads what it prints', async () => {
    const session = new Session(daemon, 'sh', [
      '-c',
      `${process.execPath} ${program} console guest --read-only | head -c 1 >/dev/null; echo THROUGH`,
    ]);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await waitUntil('it noticed', () => {
      line.type('');
      return session.text.includes('THROUGH');
    });
    line.close();
    expect(session.text).toMatch(/^Connected to guest, read-only, Ctrl-C leaves\nTHROUGH\n$/);
  });

  it('over HTTPS asks for a login, and is not for pages of a browser', async () => {
    const open = (headers: Record<string, string>, auth?: string): Promise<string> =>
      new Promise((done, fail) => {
        const sent = request({
          host: '127.0.0.1',
          port: daemon.port,
          path: '/console?guest=guest',
          rejectUnauthorized: false,
          headers: { Connection: 'Upgrade', Upgrade: 'ovs-console', ...headers },
          ...(auth === undefined ? {} : { auth }),
        });
        sent.on('upgrade', (_response, socket) => {
          let text = '';
          socket.on('data', (data: Buffer) => {
            text += data.toString();
            if (text.includes('over-https')) {
              socket.destroy();
              done('over-https');
            }
          });
          socket.write('echo over-ht""tps\n');
        });
        sent.on('response', response => {
          response.resume();
          done(String(response.statusCode));
        });
        sent.on('error', fail);
        sent.end();
      });
    expect(await open({})).toBe('401');
    expect(await open({}, 'admin:wrong')).toBe('401');
    expect(await open({ Origin: 'https://evil.example' }, `admin:${PASSWORD}`)).toBe('403');
    expect(await open({}, `admin:${PASSWORD}`)).toBe('over-https');
    const lines = readFileSync(join(daemon.paths.logDirectory, 'audit.log'), 'utf8');
    expect(lines).toMatch(
      /"method":"console","user":"admin","from":"127\.0\.0\.1","guest":"\/OVS[^"]*","mode":"interactive","outcome":"attached"/,
    );
    expect(lines).not.toContain('over-ht');
    expect(daemon.log()).not.toContain('over-ht');
  });

  it('a call over HTTPS that offers another protocol is answered all the same', async () => {
    const socket = connectSecurely({ host: '127.0.0.1', port: daemon.port, rejectUnauthorized: false });
    onTestFinished(() => void socket.destroy());
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString()));
    const auth = Buffer.from(`admin:${PASSWORD}`).toString('base64');
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${auth}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    await waitUntil('the page of methods', () => text.startsWith('HTTP/1.1 200') && text.includes('</html>'));
  });

  it('stays over a reboot, and over a stop and the next start', async () => {
    const session = Session.piped(daemon, 'guest', '--history', 'none');
    await session.until(/Connected/);
    expect(await daemon.local('reboot_vm', path)).toBe('success');
    await session.until(/DEMO-GUEST-ACPI[^]*DEMO-GUEST-UP/);
    await daemon.local('stop_vm', path, true);
    await session.until(/\r\n\[guest is down; waiting for its next start, Ctrl-\] leaves\]\r\n$/);
    session.text = '';
    await daemon.local('start_vm', path);
    await session.until(/\[guest runs\][^]*DEMO-GUEST-UP/);
    session.type('echo af""terwards\n');
    await session.until(/afterwards/);
    session.child.kill('SIGTERM');
    await session.ended;
  });

  it('is refused for a guest that is not there, and where no agent runs', async () => {
    expect(daemon.program('ovs-agent', ['console', 'nobody'])).toMatchObject({
      exitCode: 1,
      stderr: 'ovs-agent: guest "nobody": no guest of that name is registered\n',
    });
    expect(daemon.program('ovs-agent', ['console', 'guest', '--history', 'much']).stderr).toBe(
      'ovs-agent: --history much: it must be a number of bytes, or none\n',
    );
    const other = new Daemon();
    expect(other.program('ovs-agent', ['console', 'guest']).stderr).toBe(
      `ovs-agent: no agent runs below ${other.root}; "ovs-agent start" starts it\n`,
    );
    await other.dispose();
  });
});

describe('an end of the agent', () => {
  let daemon: Daemon;
  afterEach(() => daemon.dispose());

  it('by kill -9 leaves the history, and who is attached is attached to the next agent', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    const session = Session.atTerminal(daemon, 'guest');
    await session.until(/DEMO-GUEST-UP/);
    await daemon.signal('SIGKILL');
    await session.until(/\[the agent was lost; connecting again\]/);
    await daemon.start();
    await session.until(/\[connected again\]/);
    session.type('echo sti""ll-here\r');
    await session.until(/still-here/);
    expect(session.text.match(/DEMO-GUEST-UP/g)).toHaveLength(1);

    const line = await attachConsole(daemon.paths.controlSocket, {
      guest: path,
      mode: 'view',
      takeOver: false,
      historyBytes: 2 ** 20,
    });
    onTestFinished(() => void line.destroy());
    let text = '';
    line.on('data', (data: Buffer) => (text += data.toString()));
    await waitUntil('the boot and what came later', () => /DEMO-GUEST-UP[^]*still-here/.test(text));
    const directory = join(daemon.paths.logDirectory, 'console');
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const [name, ...others] = readdirSync(directory);
    expect(name).toMatch(/^guest-[0-9a-f]{8}\.log$/);
    expect(others).toEqual([]);
    expect(statSync(join(directory, name!)).mode & 0o777).toBe(0o600);

    await daemon.local('stop_vm', path, true);
    await session.until(/\[guest is down/);
    await daemon.local('delete_vm', path);
    await session.until(/\[console closed: guest deleted\]/);
    await session.until(/EXIT-1/);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('by SIGTERM is a good one: who is attached comes back, and that they left is written down', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('register_vm', path);
    const session = Session.piped(daemon, 'guest');
    await session.until(/\[guest is down/);
    expect(await daemon.stop()).toBe(0);
    const audit = readFileSync(join(daemon.paths.logDirectory, 'audit.log'), 'utf8');
    expect(audit).toMatch(/"method":"console".*"outcome":"attached"[^]*"method":"console".*"outcome":"detached"/);
    await session.until(/\[the agent was lost; connecting again\]/);
    await daemon.start();
    await session.until(/\[connected again\]/);
    session.child.kill('SIGTERM');
    await session.ended;
  });

  it('for good: who is attached may leave while it is looked for', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('register_vm', path);
    const session = Session.atTerminal(daemon, 'guest');
    await session.until(/\[guest is down/);
    await daemon.signal('SIGKILL');
    await session.until(/\[the agent was lost; connecting again\]/);
    session.type('\x1d');
    await session.until(/EXIT-0/);
    await session.until(/ icanon /);
  });
});
