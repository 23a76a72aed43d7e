import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { waitUntil } from '../support/wait.ts';

const program = resolve(import.meta.dirname, '../../dist/utils/xm.js');

/** xm top at a terminal of its own, which is asked for its settings afterwards. */
describe('xm top', () => {
  let daemon: Daemon;

  beforeAll(async () => {
    daemon = await new Daemon(['hypervisor=simulated']).start();
    for (const name of ['first', 'second']) await daemon.local('start_vm', daemon.makeGuest(name));
  });

  afterAll(() => daemon.dispose());

  interface Screen {
    text: string;
    type(keys: string): void;
    until(pattern: RegExp): Promise<void>;
    readonly ended: Promise<unknown>;
  }

  function atTerminal(args: string): Screen {
    const inner = `sh -c 'stty rows 20 cols 100; echo PID-$$; exec ${process.execPath} ${program} top ${args}'`;
    const child = spawn('script', ['-qec', `${inner}; echo EXIT-$?; stty -a; echo OVER`, '/dev/null'], {
      env: { ...process.env, TERM: 'vt100', OVS_AGENT_ROOT: daemon.root, HOME: daemon.home },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const screen: Screen = {
      text: '',
      type: keys => void child.stdin.write(keys),
      until: pattern =>
        waitUntil(String(pattern), () => pattern.test(screen.text)).catch((error: unknown) => {
          throw new Error(`${String(error)}; it shows:\n${screen.text.slice(-2000)}`);
        }),
      ended: new Promise(done => child.once('close', done)),
    };
    child.stdout.on('data', (data: Buffer) => (screen.text += data.toString('latin1')));
    return screen;
  }

  /** The cursor is shown again, the old screen is back, and the terminal echoes and reads lines as before. */
  async function expectRestored(screen: Screen, exit: number): Promise<void> {
    await screen.until(/OVER/);
    expect(screen.text).toContain('\u001b[?25h\u001b[?1049l');
    expect(screen.text).toContain(`EXIT-${exit}`);
    expect(screen.text.slice(screen.text.indexOf('EXIT-'))).toMatch(/ icanon .* echo /s);
    await screen.ended;
  }

  it('shows the server and its guests, heeds keys, and leaves the terminal as it was', async () => {
    const screen = atTerminal('-d 0.2');
    await screen.until(/2 domains: 2 running/);
    await screen.until(/first .*\n?.*r-----|first +[-rb]{6}/);
    screen.type('h');
    await screen.until(/turn the order round/);
    screen.type('hs');
    await screen.until(/\*MEM\(k\)/);
    screen.type('d5\r');
    await screen.until(/every 5 s/);
    screen.type('q');
    await expectRestored(screen, 0);
  });

  it('is ended by a signal as by a key', async () => {
    const screen = atTerminal('');
    await screen.until(/2 domains/);
    process.kill(Number(/PID-(\d+)/.exec(screen.text)![1]), 'SIGTERM');
    await expectRestored(screen, 0);
  });

  it('says that the agent is gone, and shows guests again when it is back', async () => {
    const screen = atTerminal('-d 0.2');
    await screen.until(/2 domains/);
    await daemon.stop();
    await screen.until(/no agent runs/);
    await daemon.start();
    screen.text = screen.text.slice(-1);
    await screen.until(/xm top - .*every/s);
    await waitUntil('it shows no error', () => {
      screen.type(' ');
      return !screen.text.slice(-400).includes('no agent runs');
    });
    screen.type('\u0003');
    await expectRestored(screen, 0);
  });

  it('prints text where there is no terminal, as often as it is told to', () => {
    const { exitCode, stdout } = daemon.program('xm', ['top', '-b', '-d', '0.1', '-i', '2']);
    expect(exitCode).toBe(0);
    expect(stdout.match(/^xm top - /gm)).toHaveLength(2);
    expect(stdout).not.toContain('\u001b');
  });

  it.each(['-d 0', '-d x', '-i 0'])('refuses %s', args => {
    expect(daemon.program('xm', ['top', ...args.split(' ')])).toMatchObject({ exitCode: 1 });
  });
});
