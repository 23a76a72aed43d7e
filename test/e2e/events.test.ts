import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AgentEvent } from '../../src/services/agent-event.ts';
import { Daemon, PASSWORD } from '../support/daemon.ts';
import { waitUntil } from '../support/wait.ts';
import { ServerSentEventReader, type ServerSentEvent } from '../../utils/server-sent-events.ts';

const program = resolve(import.meta.dirname, '../../dist/utils/ovs-agent.js');

async function startDaemon(settings: readonly string[] = []): Promise<Daemon> {
  const daemon = new Daemon(['hypervisor=simulated', ...settings]);
  onTestFinished(() => daemon.dispose());
  mkdirSync(daemon.paths.onDisk('/boot'), { recursive: true });
  writeFileSync(daemon.paths.onDisk('/boot/vmlinuz'), '');
  return daemon.start();
}

function makeGuest(daemon: Daemon, name: string): string {
  return daemon.makeGuestFile(name, ["kernel = '/boot/vmlinuz'", 'memory = 1']);
}

/** `ovs-agent events --follow --json` as somebody has it running in a window. */
class Follower {
  readonly #process: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(daemon: Daemon, args: readonly string[] = []) {
    const child = spawn(process.execPath, [program, 'events', '--follow', '--json', '--root', daemon.root, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.on('data', data => (this.stdout += String(data)));
    child.stderr.on('data', data => (this.stderr += String(data)));
    this.#process = child;
    onTestFinished(() => void child.kill('SIGKILL'));
  }

  get events(): AgentEvent[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as AgentEvent);
  }

  until(what: string, isTrue: (events: readonly AgentEvent[]) => boolean): Promise<void> {
    return waitUntil(`${what}; ${this.stderr}`, () => isTrue(this.events), 30_000);
  }

  interrupt(): Promise<number | null> {
    const ended = new Promise<number | null>(done => this.#process.once('exit', code => done(code)));
    this.#process.kill('SIGINT');
    return ended;
  }
}

const listed = async (daemon: Daemon, after: string): Promise<AgentEvent[]> =>
  (await daemon.local('list_events', after, 1000)) as AgentEvent[];

const hasSummary =
  (text: string, count = 1) =>
  (events: readonly AgentEvent[]): boolean =>
    events.filter(({ summary }) => summary.includes(text)).length >= count;

describe('following events', () => {
  it('misses none and sees none twice, over a restart and a kill -9 in the middle of acts', async () => {
    const daemon = await startDaemon();
    const guests = ['a', 'b', 'c', 'd'].map(name => makeGuest(daemon, name));
    const [{ token } = { token: '' }] = (await daemon.local('list_events', '', 1)) as AgentEvent[];
    const follower = new Follower(daemon, ['--after', token]);
    for (const guest of guests) expect(await daemon.local('start_vm', guest)).toMatch(/^success/);
    await follower.until('four starts', hasSummary('called start_vm', 4));

    await daemon.stop();
    await daemon.start();
    for (const guest of guests) expect(await daemon.local('start_vm', guest)).toMatch(/^success/);
    await follower.until('four more starts', hasSummary('called start_vm', 8));

    // Acts without a pause, so that the end comes in the middle of some.
    let isEnding = false;
    const acts = guests.map(async guest => {
      for (let round = 0; !isEnding; round++) {
        await daemon
          .local(round % 2 === 0 ? 'stop_vm' : 'start_vm', guest, ...(round % 2 === 0 ? [true] : []))
          .catch(() => undefined);
      }
    });
    await follower.until('acts', hasSummary('called stop_vm', 20));
    await daemon.signal('SIGKILL');
    isEnding = true;
    await Promise.all(acts);
    await daemon.start();
    expect(await daemon.local('unregister_vm', guests[0])).toBe('success');
    await follower.until('what came after', hasSummary('was unregistered'));
    expect(await daemon.local('delete_vm', guests[1])).toBe('success');
    await follower.until('the last', hasSummary('called delete_vm'));

    const stored: AgentEvent[] = [];
    for (let from = token; ; from = stored.at(-1)!.token) {
      const page = await listed(daemon, from);
      if (page.length === 0) break;
      stored.push(...page);
    }
    const seen = follower.events;
    expect(seen).toEqual(stored);
    const first = seen[0]!.number;
    expect(seen.map(({ number }) => number)).toEqual(seen.map((_event, index) => first + index));
    expect(seen.filter(({ data }) => data['change'] === 'started')).toHaveLength(2);
    expect(seen.filter(({ data }) => data['change'] === 'stopping')).toHaveLength(1);
    // Nothing that was stored of a guest is untold: each of its changes begins where the one before ended.
    for (const guest of guests) {
      const changes = seen.filter(event => event.guest === guest && event.data['change'] === 'status');
      const broken = changes.filter(
        (event, index) => index > 0 && event.data['from'] !== changes[index - 1]!.data['to'],
      );
      expect(broken).toEqual([]);
    }
    expect(follower.stderr).toContain('[the agent was lost; waiting for it]\n[connected again]\n');
    expect(follower.stderr).not.toContain('events were lost');
    expect(await follower.interrupt()).toBe(0);
  });

  it('says when events were lost meanwhile, and goes on', async () => {
    const daemon = await startDaemon(['[events]', 'kept=5']);
    const guest = makeGuest(daemon, 'a');
    const [{ token } = { token: '' }] = (await daemon.local('list_events', '', 1)) as AgentEvent[];
    for (let round = 0; round < 5; round++) {
      await daemon.local('register_vm', guest);
      await daemon.local('unregister_vm', guest);
    }
    const follower = new Follower(daemon, ['--after', token]);
    await follower.until('the events that are kept', events => events.length >= 6);
    expect(follower.events[0]).toMatchObject({ kind: 'resync', reason: 'too-old', lost: 15 });
    expect(follower.stderr).toContain('[events were lost: 15 events are kept no more; those that are kept follow]');
    expect(await follower.interrupt()).toBe(0);
  });

  it('fails with one sentence without an agent, and for a token that is none', async () => {
    const daemon = await startDaemon();
    expect(daemon.program('ovs-agent', ['events', '--follow', '--after', 'nonsense'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('"nonsense": it is no token of an event') as string,
    });
    await daemon.stop();
    for (const args of [['events', '--follow'], ['events'], ['timeline', '/OVS/running_pool/a'], ['jobs']]) {
      const { exitCode, stderr } = daemon.program('ovs-agent', args);
      expect([exitCode, stderr]).toEqual([
        1,
        `ovs-agent: no agent runs below ${daemon.root}; "ovs-agent start" starts it\n`,
      ]);
    }
  });
});

describe('the programs that show the past', () => {
  it('tell events, those of a guest, and its timeline', async () => {
    const daemon = await startDaemon();
    const guest = makeGuest(daemon, 'web');
    const other = makeGuest(daemon, 'other');
    await daemon.call('start_vm', guest);
    await daemon.call('start_vm', other);
    await daemon.call('pause_vm', guest);
    expect(await daemon.call('start_vm', guest)).toMatch(/^failed:WRONG_STATE/);
    const all = daemon.program('ovs-agent', ['events', '--json']).stdout.trimEnd().split('\n');
    const mine = daemon.program('ovs-agent', ['events', '--guest', 'web']).stdout.trimEnd().split('\n');
    const events = all.map(line => JSON.parse(line) as AgentEvent);
    expect(events[0]?.summary).toMatch(/^the agent has started, version /);
    expect(mine).toHaveLength(events.filter(event => event.guest === guest).length);
    const { token } = events[0]!;
    const after = daemon.program('ovs-agent', ['events', '--json', '--after', token, '--guest', guest]).stdout;
    expect(after.trimEnd().split('\n')).toEqual(all.filter(line => (JSON.parse(line) as AgentEvent).guest === guest));

    const { stdout, exitCode } = daemon.program('ovs-agent', ['timeline', 'web']);
    expect(exitCode).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.replace(/^(?:TIME|\S+ \S+) +/, ''));
    expect(lines).toEqual([
      'WHO                WHAT',
      'admin              registered, DOWN',
      '-                  DOWN → RUNNING',
      'admin (127.0.0.1)  start_vm: done',
      '-                  RUNNING → PAUSED',
      'admin (127.0.0.1)  pause_vm: done',
      expect.stringMatching(/^admin \(127\.0\.0\.1\) {2}admin called start_vm, which failed: start .*: it is PAUSED/),
    ]);
    const last = JSON.parse(
      daemon.program('ovs-agent', ['timeline', guest, '--json', '--limit', '1']).stdout,
    ) as object[];
    expect(last).toEqual([expect.objectContaining({ kind: 'call', outcome: 'WRONG_STATE', user: 'admin' })]);
    expect(daemon.program('ovs-agent', ['timeline', 'web', '--limit', 'all'])).toMatchObject({ exitCode: 1 });
    expect(daemon.program('ovs-agent', ['timeline', '/OVS/running_pool/none'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('NO_SUCH_GUEST') as string,
    });
  });
});

describe('the stream over HTTPS', () => {
  /** The stream as any client of HTTPS gets it. */
  const open = (daemon: Daemon, query: string, password = PASSWORD): Promise<IncomingMessage> =>
    new Promise((done, failed) => {
      const ca = readFileSync(join(daemon.paths.certificateDirectory, 'certificate.pem'));
      const sent = request(
        { host: '127.0.0.1', port: daemon.port, path: `/events${query}`, auth: `admin:${password}`, ca, agent: false },
        done,
      );
      sent.on('error', failed).end();
      onTestFinished(() => void sent.destroy());
    });

  it('needs a password, refuses nonsense, and ends when the password is changed', async () => {
    const daemon = await startDaemon();
    expect((await open(daemon, '', 'wrong')).statusCode).toBe(401);
    expect((await open(daemon, '?after=nonsense')).statusCode).toBe(400);
    const stream = await open(daemon, '?kind=call');
    expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const reader = new ServerSentEventReader();
    const events: ServerSentEvent[] = [];
    let hasEnded = false;
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => events.push(...reader.push(text)));
    stream.on('end', () => (hasEnded = true));
    await daemon.local('register_vm', makeGuest(daemon, 'a'));
    await waitUntil('the event', () => events.length > 0);
    expect(events[0]).toMatchObject({ type: 'call', id: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) as string });
    expect(JSON.parse(events[0]!.data)).toMatchObject({
      user: 'root',
      data: { method: 'register_vm', address: 'local', outcome: 'done' },
    });
    expect(daemon.program('ovs-agent', ['passwd', '--user', 'admin', '--stdin'], 'another')).toMatchObject({
      exitCode: 0,
    });
    await waitUntil('the end of the stream', () => hasEnded);
    expect((await open(daemon, '')).statusCode).toBe(401);
  });

  it('ends cleanly when the agent stops, after the last event', async () => {
    const daemon = await startDaemon();
    const stream = await open(daemon, '');
    let text = '';
    let hasEnded = false;
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => (text += part));
    stream.on('end', () => (hasEnded = true));
    expect(await daemon.stop()).toBe(0);
    await waitUntil('the end of the stream', () => hasEnded);
    expect(text).toContain('the agent stops; guests go on');
    expect(stream.complete).toBe(true);
  });
});
