import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentPaths } from '../../src/config/paths.ts';
import { parseNewGuest } from '../../src/model/new-guest.ts';
import type { XmlRpcValue } from '../../src/xmlrpc/values.ts';
import { type ProgramResult, runProgram } from '../support/daemon.ts';
import { type AgentCall, ScriptedAgent } from '../support/scripted-agent.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';

const program = resolve(import.meta.dirname, '../../dist/utils/virt-install.js');
const PATH = '/OVS/running_pool/web';
const ARGS = ['-n', 'web', '-r', '512', '-v', '-c', '/OVS/iso_pool/os.iso', '-s', '1', '--force', '--vnc'];

/** A server with a CD image, on which no agent runs. */
function makeServer(): AgentPaths {
  const paths = new AgentPaths(temporaryDirectory());
  for (const pool of ['running_pool', 'iso_pool']) mkdirSync(paths.onDisk(`/OVS/${pool}`), { recursive: true });
  writeFileSync(paths.onDisk('/OVS/iso_pool/os.iso'), '');
  return paths;
}

const run = (paths: AgentPaths, args: readonly string[], input = ''): ProgramResult =>
  runProgram('virt-install', args, { input, env: { OVS_AGENT_ROOT: paths.root } });

function start(
  paths: AgentPaths,
  command: string,
  args: readonly string[],
): { child: ChildProcess; seen: () => string } {
  const child = spawn(command, args, { stdio: 'pipe', env: { ...process.env, OVS_AGENT_ROOT: paths.root } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  return { child, seen: () => text };
}

/** Somebody at a terminal, who types when the program asks. */
class Person {
  readonly #session: { readonly child: ChildProcess; readonly seen: () => string };
  #read = 0;

  constructor(paths: AgentPaths, args: readonly string[]) {
    // The shell would end with a program that Ctrl-C ended.
    const inner = `trap : INT; ${process.execPath} ${program} ${args.join(' ')}; echo EXIT-$?; stty -a; echo OVER`;
    this.#session = start(paths, 'script', ['-qec', inner, '/dev/null']);
  }

  get seen(): string {
    return this.#session.seen();
  }

  /** Waits for a text that was not waited for before. */
  async sees(text: string): Promise<void> {
    await waitUntil(text, () => this.seen.includes(text, this.#read)).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows:\n${this.seen.slice(-1500)}`);
    });
    this.#read = this.seen.indexOf(text, this.#read) + text.length;
  }

  async answers(question: string, answer: string): Promise<void> {
    await this.sees(question);
    this.#session.child.stdin?.write(answer);
  }
}

/** An agent whose job goes through these states, one a question. */
function jobAgent(
  paths: AgentPaths,
  states: readonly object[],
  answer: (call: AgentCall) => XmlRpcValue | undefined = () => undefined,
): Promise<ScriptedAgent> {
  const left = [...states];
  return ScriptedAgent.start(paths, call => {
    const own = answer(call);
    if (own !== undefined) return own;
    switch (call.method) {
      case 'submit_job':
        return 'success:job=17';
      case 'get_job':
        return { ...JOB, ...(left.length > 1 ? left.shift() : left[0]) };
      case 'list_vms':
        return [{ path: PATH, name: 'web', status: 'RUNNING', vnc_port: 5907 }];
      default:
        return 'failed:NO_SUCH_METHOD: it was not expected';
    }
  });
}

const JOB = {
  id: '17',
  method: 'install_vm',
  user: 'root',
  guest: PATH,
  state: 'running',
  progress: 0,
  created_at: '2026-01-01T00:00:00.000Z',
};
const HALF = { progress: 50, step: 'makes its disks' };
const DONE = { state: 'done', progress: 100, ended_at: '2026-01-01T00:00:01.000Z' };

describe('the dialogue of virt-install at a terminal', () => {
  it('asks, asks again after a slip, and shows the file that would be written', async () => {
    const paths = makeServer();
    const person = new Person(paths, ['--dry-run']);
    await person.answers('(yes or no)?  This will allow you to run unmodified operating systems. ', 'yes\n');
    await person.answers('What is the name of your virtual machine? ', 'my web\n');
    await person.answers('What is the name of your virtual machine? ', 'web\n');
    await person.answers('How much RAM should be allocated (in megabytes)? ', '512\n');
    await person.answers('What would you like to use as the disk (path)? ', '\n');
    await person.answers('How large would you like the disk (/OVS/running_pool/web) to be (in gigabytes)? ', '0.5\n');
    await person.answers('Would you like to enable graphics support? (yes or no) ', 'y\n');
    await person.answers('What is the virtual CD image, CD device or install location? ', '/OVS/iso_pool/os.iso\n');
    await person.sees("disk = ['file:/OVS/running_pool/web/System.img,hda,w'");
    await person.sees('vncunused = 1');
    await person.sees('OVER');
    expect(person.seen).toContain("ERROR: System name can only contain alphanumeric, '_', '.', or '-' characters");
    expect(person.seen).toContain('EXIT-0');
    expect(readdirSync(paths.onDisk('/OVS/running_pool'))).toEqual([]);
  });

  it('is ended by Ctrl-C: nothing is made, and the terminal is as it was', async () => {
    const paths = makeServer();
    const agent = await jobAgent(paths, [DONE]);
    const person = new Person(paths, ['-p']);
    await person.answers('What is the name of your virtual machine? ', 'web\n');
    await person.answers('How much RAM should be allocated (in megabytes)? ', '\u0003');
    await person.sees('OVER');
    expect(person.seen).toContain('EXIT-130');
    expect(person.seen.slice(person.seen.indexOf('EXIT-'))).toMatch(/ icanon .* echo /s);
    expect(agent.calls).toEqual([]);
  });
});

describe('virt-install', () => {
  it('has the agent make the guest, shows how far it is, and where its display is', async () => {
    const paths = makeServer();
    const agent = await jobAgent(paths, [{ state: 'waiting' }, HALF, DONE]);
    const { child, seen } = start(paths, process.execPath, [program, ...ARGS]);
    expect(await new Promise(done => child.once('close', done))).toBe(0);
    expect(seen()).toMatch(/^\n\nStarting install\.\.\.\n/);
    expect(seen()).toContain('17  running  50 %  install_vm /OVS/running_pool/web (root)  makes its disks\n');
    expect(seen()).toContain('The display of web is on VNC port 5907.\n');
    expect(seen()).toMatch(/Domain installation still in progress\. {2}You can reconnect to \nthe console to complete/);
    const [submitted] = agent.callsOf('submit_job');
    const [method, args, key] = submitted!.params as [string, [string, unknown], string];
    expect([method, args[0]]).toEqual(['install_vm', PATH]);
    expect(parseNewGuest(args[1])).toMatchObject({ type: 'hvm', disks: [{ size: 1024 }], display: { type: 'vnc' } });
    expect(key).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('draws a bar for somebody at a terminal, and cancels the job at Ctrl-C', async () => {
    const paths = makeServer();
    let isCancelled = false;
    const agent = await jobAgent(paths, [HALF], ({ method }) => {
      if (method === 'cancel_job') {
        isCancelled = true;
        return 'success:state=cancelling';
      }
      return method === 'get_job' && isCancelled ? { ...JOB, state: 'cancelled' } : undefined;
    });
    const person = new Person(paths, ARGS);
    await person.answers('[############............]  50 %', '\u0003');
    await person.sees('virt-install: install web: it was cancelled, and nothing of it is left');
    await person.sees('EXIT-1');
    await person.sees('OVER');
    expect(agent.callsOf('cancel_job')).toEqual([{ method: 'cancel_job', params: ['17'] }]);
  });

  it('fails with the words of the agent', async () => {
    const paths = makeServer();
    await jobAgent(paths, [{ state: 'failed', error: 'failed:NO_RESOURCES: 1024 MiB are needed, 3 are free' }]);
    const { child, seen } = start(paths, process.execPath, [program, ...ARGS]);
    expect(await new Promise(done => child.once('close', done))).toBe(1);
    expect(seen()).toContain('virt-install: failed:NO_RESOURCES: 1024 MiB are needed, 3 are free\n');
  });

  it('submits the same job again where the agent is lost before it answers', async () => {
    const paths = makeServer();
    let lost = 0;
    const agent = await ScriptedAgent.start(paths, ({ method }) => {
      if (method === 'submit_job') return lost++ === 0 ? undefined : 'success:job=17';
      return method === 'get_job' ? { ...JOB, ...DONE } : [{ path: PATH, name: 'web', status: 'RUNNING' }];
    });
    const { child } = start(paths, process.execPath, [program, ...ARGS]);
    expect(await new Promise(done => child.once('close', done))).toBe(0);
    const [first, second] = agent.callsOf('submit_job');
    expect(second).toEqual(first);
  });

  it.each([
    [[], 'Guest installation complete... restarting guest.\n', 1],
    [['--noreboot'], 'Guest installation complete... you can restart your domain\nby running:\n  xm start web\n', 0],
  ])('with --wait and %j waits for the end of the installation', async (more, sentence, starts) => {
    const paths = makeServer();
    const statuses = ['RUNNING', 'RUNNING', 'DOWN'];
    const agent = await jobAgent(paths, [DONE], ({ method }) => {
      if (method === 'start_vm') return 'success';
      if (method !== 'list_vms') return undefined;
      return [{ path: PATH, name: 'web', status: statuses.length > 1 ? statuses.shift()! : statuses[0]! }];
    });
    const { child, seen } = start(paths, process.execPath, [program, ...ARGS, '--wait', '-1', ...more]);
    expect(await new Promise(done => child.once('close', done))).toBe(0);
    expect(seen()).toContain(sentence);
    expect(agent.callsOf('start_vm')).toHaveLength(starts);
  });

  it('prints one JSON document, and nothing else, for a program', async () => {
    const paths = makeServer();
    await jobAgent(paths, [HALF, DONE]);
    const { child, seen } = start(paths, process.execPath, [program, ...ARGS, '--json']);
    expect(await new Promise(done => child.once('close', done))).toBe(0);
    expect(JSON.parse(seen())).toEqual({ path: PATH, job: '17', vnc_port: 5907 });
    const dry = JSON.parse(run(paths, [...ARGS, '--json', '--dry-run']).stdout) as { guest: unknown; file: string };
    expect(parseNewGuest(dry.guest)).toMatchObject({ memory: 512 });
    expect(dry.file).toContain("name = 'web'\n");
  });

  it('says that no agent runs, and ends with 1', () => {
    const result = run(makeServer(), ARGS);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/no agent runs below .*"ovs-agent start" starts it/);
  });

  it('ends with 1 where the answers of a pipe run out, and takes those that come', () => {
    const paths = makeServer();
    const result = run(paths, ['--dry-run'], 'no\nweb\n512\n');
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('virt-install: "What would you like to use as the disk (path)?" was not answered');
    const whole = run(paths, ['--dry-run'], 'no\nweb\n512\n\n1\nno\nhttp://127.0.0.1/ol5\n');
    expect(whole.exitCode).toBe(0);
    expect(whole.stdout).toContain("bootloader = '/usr/bin/pygrub'\n");
  });

  it.each([
    [['-v', '-p'], "error: Can't do both --hvm and --paravirt\n"],
    [['-r', 'much'], "argument 'much' is invalid"],
    [['--os-variant', 'rehl5'], 'did you mean rhel5?'],
    [['--no-such-option'], "unknown option '--no-such-option'"],
    [['operand'], 'too many arguments'],
  ])('ends with 2 where it is used wrongly: %j', (args, sentence) => {
    const result = run(makeServer(), args);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain(sentence);
    expect(result.stderr).toContain('Try "virt-install --help".');
  });

  it('refuses a guest that exists, a set of processors that is none, and a path that is too long', () => {
    const paths = makeServer();
    mkdirSync(join(paths.onDisk('/OVS/running_pool'), 'web'));
    expect(run(paths, ARGS)).toMatchObject({ exitCode: 1, stderr: 'virt-install: Domain named web already exists!\n' });
    const other = run(
      paths,
      ARGS.map(word => (word === 'web' ? 'other' : word)).concat('--cpuset', '5-1', '--dry-run'),
    );
    expect(other).toMatchObject({ exitCode: 1, stdout: '' });
    expect(other.stderr).toContain('"5-1" in "5-1" is no set of processors');
    const long = run(paths, ['-p', '-n', 'guest', '-r', '512', '-s', '1', '-f', `/${'x'.repeat(300)}`, '--dry-run']);
    expect(long.exitCode).toBe(1);
    expect(long.stderr).toContain('cannot be looked at: ENAMETOOLONG');
  });

  it('shows its options, and what it asks the agent for with --debug', () => {
    const paths = makeServer();
    expect(run(paths, ['-h'])).toMatchObject({ exitCode: 0 });
    expect(run(paths, ['--help']).stdout).toContain('-x, --extra-args <arguments>');
    expect(run(paths, [...ARGS, '-d', '--dry-run']).stderr).toContain('"from": "iso"');
  });
});
