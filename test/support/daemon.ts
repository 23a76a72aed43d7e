import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AgentPaths } from '../../src/config/paths.ts';
import { findQemuByMonitor } from '../../src/drivers/qemu/process.ts';
import { RunDirectory } from '../../src/drivers/qemu/run-directory.ts';
import { killProcess } from '../../src/host/processes.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { callLocalAgent } from '../../utils/local-agent.ts';
import { callAgent, type RpcTarget } from '../../utils/rpc-client.ts';
import { KnownAgents, TrustingAgent } from '../../utils/known-agents.ts';
import { demoGuest, requireDemoGuest } from './demo-guest.ts';
import { unmountBelow } from './mounts.ts';
import { makeTemporaryDirectory } from './temporary.ts';
import { waitUntil } from './wait.ts';

const project = resolve(import.meta.dirname, '../..');
const { bin } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { bin: Record<string, string> };

export interface ProgramResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of the project's programs to its end, as a person at a shell does. */
export function runProgram(
  name: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): ProgramResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(project, bin[name]!), ...args], {
    encoding: 'utf8',
    input: options.input ?? '',
    env: { ...process.env, ...options.env },
    timeout: 60_000,
  });
  return { exitCode: status, stdout, stderr };
}

export const PASSWORD = 'se:cret';

/** A real agent in a root directory of its own, as its own process. */
export class Daemon {
  readonly root: string;
  readonly paths: AgentPaths;
  /** Home of the user who calls it: where its key is remembered. */
  readonly home: string;
  #process: ChildProcess | undefined;
  #output = '';
  #port = 0;

  readonly #networkNamespace: string | undefined;

  /**
   * @param settings lines of agent.ini beside those that keep tests apart
   * @param networkNamespace in which the agent and its guests run
   */
  constructor(settings: readonly string[] = [], networkNamespace?: string) {
    this.#networkNamespace = networkNamespace;
    this.root = makeTemporaryDirectory();
    this.paths = new AgentPaths(this.root);
    this.home = join(this.root, 'home');
    mkdirSync(this.home);
    for (const pool of ['running_pool', 'seed_pool', 'iso_pool', 'publish_pool', 'sharedDisk']) {
      mkdirSync(join(this.root, 'OVS', pool), { recursive: true });
    }
    mkdirSync(this.paths.onDisk('/etc/ovs-agent'), { recursive: true });
    this.configure(settings);
    const set = this.program('ovs-agent', ['passwd', '--user', 'admin', '--stdin'], PASSWORD);
    if (set.exitCode !== 0) throw new Error(`the password could not be set: ${set.stderr}`);
  }

  get port(): number {
    return this.#port;
  }

  get processId(): number {
    return this.#process?.pid ?? 0;
  }

  /** Everything the agent wrote to its terminal. */
  get output(): string {
    return this.#output;
  }

  get isSecure(): boolean {
    return !readFileSync(this.paths.settingsFile, 'utf8').includes('ssl=disable');
  }

  url(password = PASSWORD): string {
    return `http${this.isSecure ? 's' : ''}://admin:${password}@127.0.0.1:${this.port}`;
  }

  configure(settings: readonly string[]): void {
    const flat = settings.filter(line => !line.includes('['));
    const keys = new Set(flat.map(line => line.split('=')[0]));
    const defaults = ['listen=127.0.0.1', 'port=0', 'hypervisor=qemu'].filter(line => !keys.has(line.split('=')[0]));
    const first = settings.findIndex(line => line.startsWith('['));
    const sections = first < 0 ? [] : settings.slice(first);
    const top = first < 0 ? settings : settings.slice(0, first);
    writeFileSync(this.paths.settingsFile, [...defaults, ...top, ...sections, ''].join('\n'));
  }

  /**
   * Starts the agent and waits until it answers.
   * @param lookMs how often to look
   */
  async start(lookMs?: number): Promise<this> {
    const command = [process.execPath, join(project, bin['ovs-agent']!), 'start', '--foreground', '--root', this.root];
    const within = this.#networkNamespace === undefined ? [] : ['ip', 'netns', 'exec', this.#networkNamespace];
    const [program, ...args] = [...within, ...command];
    const child = spawn(program!, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: this.home },
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (this.#output += String(data)));
    await waitUntil(
      'the agent answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}:\n${this.#output}`);
        return (await this.local('get_agent_status').catch(() => undefined)) !== undefined;
      },
      20_000,
      lookMs,
    );
    const { addresses } = (await this.local('get_agent_status')) as { addresses: string[] };
    this.#port = Number(addresses[0]?.split(':').at(-1));
    return this;
  }

  /** Calls over the control socket. */
  local(method: string, ...params: unknown[]): Promise<unknown> {
    return callLocalAgent(this.paths, method, params, 60_000);
  }

  /** Calls over the network, as a manager does. */
  call(method: string, ...params: unknown[]): Promise<unknown> {
    return callAgent(this.#target(), method, params, 60_000);
  }

  #target(): RpcTarget {
    const agent = new TrustingAgent({
      known: new KnownAgents(join(this.home, 'known_agents')),
      alsoTrusted: [],
      onUnknown: () => Promise.resolve(true),
      isInsecure: false,
    });
    const secure = this.isSecure ? { secureAgent: agent } : {};
    return { host: '127.0.0.1', port: this.port, path: '/RPC2', user: 'admin', password: PASSWORD, ...secure };
  }

  /** Runs a program of the project against this agent's root. */
  program(name: string, args: readonly string[], input?: string): ProgramResult {
    return runProgram(name, args, {
      env: { OVS_AGENT_ROOT: this.root, HOME: this.home },
      ...(input === undefined ? {} : { input }),
    });
  }

  do_rpc(...args: string[]): ProgramResult {
    return this.program('do_rpc', ['--accept-new', this.url(), ...args]);
  }

  async signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>(done => child.once('exit', code => done(code)));
    child.kill(signal);
    return ended;
  }

  stop(): Promise<number | null> {
    return this.signal('SIGTERM');
  }

  /** A guest of the demo kernel, made by hand as the guide's section 4.3 describes. */
  makeGuest(name: string, lines: readonly string[] = [], commandLine = ''): string {
    requireDemoGuest();
    const boot = this.paths.onDisk('/boot');
    mkdirSync(boot, { recursive: true });
    for (const [file, source] of [
      ['vmlinuz', demoGuest.kernel],
      ['initramfs.img', demoGuest.ramdisk],
    ] as const) {
      if (!readdirSync(boot).includes(file)) linkOrCopy(source, join(boot, file));
    }
    return this.makeGuestFile(name, [
      `name = '${name}'`,
      'memory = 96',
      'vcpus = 1',
      "kernel = '/boot/vmlinuz'",
      "ramdisk = '/boot/initramfs.img'",
      `extra = 'console=ttyS0 quiet mitigations=off cryptomgr.notests ${commandLine}'`,
      ...lines,
    ]);
  }

  /** @returns the guest's path */
  makeGuestFile(name: string, lines: readonly string[]): string {
    const path = `/OVS/running_pool/${name}`;
    mkdirSync(this.paths.onDisk(path), { recursive: true });
    writeFileSync(this.paths.onDisk(`${path}/vm.cfg`), `${lines.join('\n')}\n`);
    return path;
  }

  runDirectory(path: string): RunDirectory {
    return RunDirectory.of(this.paths.guestRuntimeDirectory, parseGuestPath(path));
  }

  /** Process of a guest's QEMU, found in the process table and not by asking the agent. */
  qemuOf(path: string): number | undefined {
    return findQemuByMonitor(this.runDirectory(path).files.monitor);
  }

  async status(path: string): Promise<string> {
    return ((await this.local('db_get_vm', path)) as { status: string }).status;
  }

  log(): string {
    return readFileSync(join(this.paths.logDirectory, 'ovs_trace.log'), 'utf8');
  }

  /** Ends the agent and its guests, and removes every file. */
  async dispose(): Promise<void> {
    await this.signal('SIGKILL');
    for (const { place } of RunDirectory.all(this.paths.guestRuntimeDirectory)) {
      const id = findQemuByMonitor(place.files.monitor);
      if (id === undefined) continue;
      killProcess(id);
      await waitUntil('a QEMU is gone', () => findQemuByMonitor(place.files.monitor) === undefined);
    }
    unmountBelow(this.root);
    rmSync(this.root, { recursive: true, force: true });
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
