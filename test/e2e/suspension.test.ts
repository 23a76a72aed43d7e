import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { SerialLine } from '../support/serial-line.ts';
import { waitUntil } from '../support/wait.ts';

/** Guests that count, put aside and brought back by real agents. */
describe('a guest that is put aside', () => {
  let daemon: Daemon;
  let path: string;

  beforeEach(async () => {
    daemon = await new Daemon().start();
    path = daemon.makeGuest('counter', [], 'demo.tick=0.2');
  });

  afterEach(() => daemon.dispose());

  /** Uptime of the guest at its next tick, in seconds. */
  async function nextTick(line: SerialLine): Promise<number> {
    return Number((await line.expect(/DEMO-TICK ([\d.]+)/))[1]);
  }

  async function startCounting(): Promise<SerialLine> {
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    return line;
  }

  it('counts on after it was resumed, with its shell as it was left, though the agent was killed in between', async () => {
    const before = await startCounting();
    await before.untilShell();
    before.type('NOTE=remember""ed');
    const last = await nextTick(before);
    expect(await daemon.local('suspend_vm', path)).toBe('success');
    before.close();
    expect(daemon.qemuOf(path)).toBeUndefined();
    expect(await daemon.status(path)).toBe('SUSPEND');
    const file = daemon.paths.onDisk(`${path}/suspended.state`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await daemon.local('start_vm', path)).toMatch(/^failed:WRONG_STATE: .*SUSPEND/);
    expect(await daemon.local('db_get_vm', path)).toMatchObject({ stopped_how: 'suspended', stopped_by: 'root' });

    await daemon.signal('SIGKILL');
    await daemon.start();
    expect(await daemon.status(path)).toBe('SUSPEND');
    expect(await daemon.local('resume_vm', path)).toBe('success');
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(existsSync(file)).toBe(false);
    const after = await SerialLine.attach(daemon.paths.controlSocket, path);
    await after.untilShell();
    // What it printed before is shown again first.
    let tick = 0;
    while (tick <= last) tick = await nextTick(after);
    // It did not boot: its clock went on from where it was.
    after.type('echo "[$NOTE]"');
    await after.expect(/\[remembered\]/);
    after.close();
    expect(await daemon.local('stop_vm', path)).toBe('success');
  });

  it('stays paused when it was, and is told to go on afterwards', async () => {
    (await startCounting()).close();
    await daemon.local('pause_vm', path);
    expect(await daemon.local('suspend_vm', path)).toBe('success');
    expect(await daemon.local('resume_vm', path)).toBe('success');
    expect(await daemon.status(path)).toBe('PAUSED');
    expect(await daemon.local('unpause_vm', path)).toBe('success');
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await nextTick(line);
    line.close();
  });

  it('in a file of its own goes on from there, once: after it has run again the file is refused and kept', async () => {
    (await startCounting()).close();
    const file = '/var/ovs/saved/counter.state';
    expect(await daemon.local('save_vm', path, file)).toBe('success');
    expect(await daemon.status(path)).toBe('DOWN');
    expect(await daemon.local('get_state_info', file)).toMatchObject({
      path,
      name: 'counter',
      memory: 96,
      paused: false,
    });
    expect(await daemon.local('save_vm', path, file)).toMatch(/^failed:WRONG_STATE/);
    expect(await daemon.local('restore_vm', path, file)).toBe('success');
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await nextTick(line);
    line.close();
    expect(await daemon.local('save_vm', path, file)).toMatch(/^failed:EXISTS/);
    expect(await daemon.status(path)).toBe('RUNNING');
    await daemon.local('stop_vm', path, true);
    expect(await daemon.local('restore_vm', path, file)).toMatch(/^failed:BAD_VALUE: /);
    expect(existsSync(daemon.paths.onDisk(file))).toBe(true);
    expect(await daemon.status(path)).toBe('DOWN');
  });

  it.each<[string, (file: string) => void]>([
    ['damaged', file => writeFileSync(file, flipped(readFileSync(file)))],
    ['cut off', file => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['no state at all', file => writeFileSync(file, 'a letter')],
  ])('as a file that is %s is refused with the reason, and the file is kept', async (_what, spoil) => {
    (await startCounting()).close();
    const file = '/OVS/running_pool/counter/there.state';
    await daemon.local('save_vm', path, file);
    spoil(daemon.paths.onDisk(file));
    const spoilt = readFileSync(daemon.paths.onDisk(file));
    expect(await daemon.local('restore_vm', path, file)).toMatch(/^failed:BAD_VALUE: /);
    expect(readFileSync(daemon.paths.onDisk(file)).equals(spoilt)).toBe(true);
    expect(await daemon.status(path)).toBe('DOWN');
    expect(daemon.qemuOf(path)).toBeUndefined();
  });

  it('of another guest, or with another configuration, is refused', async () => {
    (await startCounting()).close();
    const file = '/OVS/running_pool/counter/there.state';
    await daemon.local('save_vm', path, file);
    const other = daemon.makeGuest('other');
    await daemon.local('register_vm', other);
    expect(await daemon.local('restore_vm', other, file)).toMatch(/^failed:BAD_VALUE: /);
    expect(await daemon.local('xen_set_memory', path, 128)).toBe('success');
    expect(await daemon.local('restore_vm', path, file)).toMatch(/^failed:BAD_VALUE: .*configuration/);
    expect(await daemon.local('xen_set_memory', path, 96)).toBe('success');
    expect(await daemon.local('restore_vm', path, file)).toBe('success');
  });

  it('by a job that is cancelled runs on, and nothing is left', async () => {
    const line = await startCounting();
    const reply = String(await daemon.local('submit_job', 'suspend_vm', [path], 'key'));
    const id = reply.replace('success:job=', '');
    expect(await daemon.local('submit_job', 'suspend_vm', [path], 'key')).toBe(reply);
    const began = Date.now();
    const cancelled = String(await daemon.local('cancel_job', id));
    const job = (await daemon.local('wait_job', id, 10)) as { state: string };
    expect(Date.now() - began).toBeLessThan(5000);
    // On a quick machine it may be done before it hears of it.
    if (cancelled.startsWith('success') && job.state === 'cancelled') {
      expect(await daemon.status(path)).toBe('RUNNING');
      await nextTick(line);
      expect(existsSync(daemon.paths.onDisk(`${path}/suspended.state`))).toBe(false);
    } else {
      expect([job.state, await daemon.status(path)]).toEqual(['done', 'SUSPEND']);
    }
    line.close();
  });

  it('and thrown away is DOWN, and starts anew', async () => {
    (await startCounting()).close();
    await daemon.local('suspend_vm', path);
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(await daemon.status(path)).toBe('DOWN');
    expect(existsSync(daemon.paths.onDisk(`${path}/suspended.state`))).toBe(false);
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    line.close();
  });

  it('is not put aside where there is no space for it: it runs on, and nothing is left', async () => {
    const line = await startCounting();
    const { mountSmall, unmount } = await import('../support/small-disk.ts');
    const place = daemon.paths.onDisk('/var/ovs/mount/0123456789abcdef0123456789abcdef');
    mkdirSync(place, { recursive: true });
    mountSmall(place, 16);
    try {
      expect(await daemon.local('save_vm', path, '/var/ovs/mount/0123456789abcdef0123456789abcdef/full.state')).toMatch(
        /^failed:NO_RESOURCES/,
      );
      expect(await daemon.status(path)).toBe('RUNNING');
      await nextTick(line);
    } finally {
      line.close();
      unmount(place);
    }
  });

  it('is known again when the database is lost', async () => {
    (await startCounting()).close();
    await daemon.local('suspend_vm', path);
    await daemon.signal('SIGKILL');
    writeFileSync(daemon.paths.databaseFile, 'rubbish '.repeat(1000));
    await daemon.start();
    await waitUntil('it is suspended', async () => (await daemon.status(path)) === 'SUSPEND');
    expect(await daemon.local('resume_vm', path)).toBe('success');
    expect(await daemon.status(path)).toBe('RUNNING');
  });
});

/** With one bit turned over somewhere in the middle. */
function flipped(bytes: Buffer): Buffer {
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = bytes[middle]! ^ 1;
  return bytes;
}
