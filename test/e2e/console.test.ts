import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { waitUntil } from '../support/wait.ts';

const project = resolve(import.meta.dirname, '../..');

let daemon: Daemon;
afterEach(() => daemon.dispose());

/** `ovs-agent console` as a person runs it: under a terminal, or with pipes. */
class ConsoleProgram {
  readonly #child: ChildProcess;
  #output = '';
  #errors = '';

  constructor(args: readonly string[], hasTerminal: boolean) {
    const command = [
      process.execPath,
      join(project, 'dist/utils/ovs-agent.js'),
      'console',
      ...args,
      '--root',
      daemon.root,
    ];
    const [program, rest] = hasTerminal
      ? ['script', ['-qefc', command.map(word => `'${word}'`).join(' '), '/dev/null']]
      : [command[0]!, command.slice(1)];
    this.#child = spawn(program, rest, { stdio: 'pipe', env: { ...process.env, TERM: 'dumb' } });
    this.#child.stdout!.on('data', data => (this.#output += String(data)));
    this.#child.stderr!.on('data', data => (this.#errors += String(data)));
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  get output(): string {
    return this.#output;
  }

  get errors(): string {
    return this.#errors;
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  async sees(pattern: RegExp): Promise<void> {
    await waitUntil(`${String(pattern)} on the console`, () => pattern.test(this.#output + this.#errors), 30_000).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; it says:\n${this.#output.slice(-1500)}${this.#errors}`);
      },
    );
  }

  async exitCode(): Promise<number | null> {
    await waitUntil('the program ends', () => this.#child.exitCode !== null || this.#child.signalCode !== null, 15_000);
    return this.#child.exitCode;
  }
}

describe('"ovs-agent console"', () => {
  it('is a terminal of the guest, for one at a time; Ctrl-] leaves and gives the terminal back', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('consoled');
    expect(await daemon.local('start_vm', path)).toMatch(/^success/);
    const terminal = new ConsoleProgram(['consoled'], true);
    await terminal.sees(/Connected to consoled; Ctrl-\] leaves/);
    await terminal.sees(/DEMO-GUEST-UP/);
    terminal.type('echo $((6*7))-from-inside\r');
    await terminal.sees(/42-from-inside/);

    const second = new ConsoleProgram(['consoled'], false);
    expect(await second.exitCode()).toBe(1);
    expect(second.errors).toMatch(/root \(local\) types there since .*--read-only/);

    const viewer = new ConsoleProgram([path, '--read-only'], false);
    await viewer.sees(/42-from-inside/);
    viewer.type('echo $((7*9))-by-viewer\r');
    terminal.type('echo $((8*8))-by-owner\r');
    await viewer.sees(/64-by-owner/);
    expect(viewer.output).not.toContain('63-by-viewer');

    expect(await daemon.local('reset_vm', path)).toBe('success');
    await waitUntil(
      'the guest is up again',
      () => (terminal.output.match(/DEMO-GUEST-UP/g) ?? []).length === 2,
      30_000,
    );
    terminal.type('\x1d');
    expect(await terminal.exitCode()).toBe(0);
    expect(daemon.log()).toMatch(/"mode":"interactive","user":"root".*looks at a console/);
    expect(daemon.log()).not.toContain('by-owner');
  });

  it('goes on when the agent is killed and started again, with the boot in the history', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('survivor');
    expect(await daemon.local('start_vm', path)).toMatch(/^success/);
    const terminal = new ConsoleProgram(['survivor'], true);
    await terminal.sees(/DEMO-GUEST-UP/);
    await daemon.signal('SIGKILL');
    await terminal.sees(/the agent ended the connection/);
    await daemon.start();
    await terminal.sees(/connected again/);
    terminal.type('echo $((3*3*3))-after\r');
    await terminal.sees(/27-after/);
    expect(terminal.output.match(/DEMO-GUEST-UP/g)).toHaveLength(1);
    const later = new ConsoleProgram(['survivor', '--read-only'], false);
    await later.sees(/DEMO-GUEST-UP[\s\S]*27-after/);
    terminal.type('\x1d');
    await terminal.exitCode();
  });

  it('says what is wrong', () => {
    daemon = new Daemon();
    const stopped = daemon.program('ovs-agent', ['console', 'nobody']);
    expect(stopped).toMatchObject({ exitCode: 1 });
    expect(stopped.stderr).toMatch(/no agent answers on this server; "ovs-agent start" starts it/);
    expect(daemon.program('ovs-agent', ['console']).exitCode).toBe(2);
  });
});
