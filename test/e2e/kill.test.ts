import { afterEach, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../support/daemon.ts';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { QmpConnection } from '../../src/drivers/qmp-connection.ts';
import { systemClock } from '../../src/host/clock.ts';
import { qemuProcesses, runState } from '../support/qemu-truth.ts';
import { seededRandom } from '../support/random.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

describe('kill -9 of the agent', () => {
  it('at random moments under load: every stored status is what QEMU says, no guest died, none runs twice', async () => {
    const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);
    const rounds = Number(process.env['KILL_ROUNDS'] ?? 8);
    console.log(`KILL_SEED=${seed}`);
    const random = seededRandom(seed);
    daemon = new Daemon(['[guests]', 'stop_timeout=5']);
    const guests = [0, 1, 2, 3].map(index => daemon.makeGuest(`guest${index}`, ['memory = 80', 'maxvcpus = 4']));
    const untouched = daemon.makeGuest('untouched', ['memory = 80']);
    await daemon.start();
    await daemon.local('start_vm', untouched);
    const untouchedQemu = daemon.qemuOf(untouched);

    for (let round = 0; round < rounds; round++) {
      const acts = [
        ['start_vm'],
        ['start_vm'],
        ['stop_vm', true],
        ['pause_vm'],
        ['unpause_vm'],
        ['reset_vm'],
        ['xen_set_vcpus', 1],
        ['xen_set_vcpus', 2],
        ['xen_set_vifs', ',,'],
      ] as const;
      let isOver = false;
      const load = guests.map(async path => {
        while (!isOver) {
          const [act, ...args] = acts[Math.floor(random() * acts.length)]!;
          // Some acts are refused for the guest's state; what counts is the state that is left.
          await daemon.local(act, path, ...args).catch(() => undefined);
        }
      });
      await sleep(50 + random() * 700);
      await daemon.signal('SIGKILL');
      isOver = true;
      await Promise.all(load);

      const truth = await Promise.all([...guests, untouched].map(path => runState(daemon, path)));
      const running = qemuProcesses(daemon);
      expect(new Set(running).size, 'no guest runs twice').toBe(running.length);
      await daemon.start();
      const stored = await Promise.all(
        [...guests, untouched].map(path =>
          daemon.local('db_get_vm', path).then(record => (record as { status?: string }).status ?? 'DOWN'),
        ),
      );
      expect(stored, `round ${round} of seed ${seed}`).toEqual(truth);
      expect(qemuProcesses(daemon).sort(), 'a start of the agent ends and starts no guest').toEqual(running.sort());
      expect(daemon.qemuOf(untouched)).toBe(untouchedQemu);
      for (const path of guests) {
        expect(await daemon.local('xen_get_vcpus', path), 'the guest file is whole').toMatch(/^success:vcpus=[12]$/);
      }
    }
  }, 180_000);

  it('leaves guests that the next agent pauses, resets and stops', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    const qemu = daemon.qemuOf(path);
    await daemon.signal('SIGKILL');
    expect(daemon.qemuOf(path)).toBe(qemu);
    await daemon.start();
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(await daemon.local('pause_vm', path)).toBe('success');
    expect(await daemon.local('unpause_vm', path)).toBe('success');
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(daemon.qemuOf(path)).toBeUndefined();
  });

  it('in the middle of the reset of a paused guest leaves one that can be told to go on', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    await daemon.local('pause_vm', path);
    await daemon.signal('SIGKILL');
    const listener = { onEvent: () => undefined, onClose: () => undefined };
    const monitor = await QmpConnection.connect(daemon.runDirectory(path).files.monitor, 5_000, systemClock, listener);
    await monitor.execute('system_reset', undefined, 5_000);
    monitor.close();
    await daemon.start();
    expect(await daemon.status(path)).toBe('PAUSED');
    expect(await daemon.local('unpause_vm', path)).toBe('success');
    expect(await daemon.status(path)).toBe('RUNNING');
  });

  it('and of a guest meanwhile: the next agent stores that it is down', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    await daemon.signal('SIGKILL');
    process.kill(daemon.qemuOf(path)!, 'SIGKILL');
    await expect.poll(() => daemon.qemuOf(path)).toBeUndefined();
    await daemon.start();
    expect(await daemon.status(path)).toBe('DOWN');
    expect(await daemon.local('start_vm', path)).toMatch(/^success=ip=/);
  });

  it('and a database that was removed or damaged: guests are found from their directories and by their QEMU', async () => {
    daemon = await new Daemon().start();
    const running = daemon.makeGuest('running');
    const down = daemon.makeGuest('down');
    await daemon.local('start_vm', running);
    await daemon.local('register_vm', down);
    await daemon.signal('SIGKILL');
    // Beside it lies the journal, from which SQLite would repair it.
    for (const suffix of ['-wal', '-shm']) rmSync(daemon.paths.databaseFile + suffix, { force: true });
    writeFileSync(daemon.paths.databaseFile, 'rubbish '.repeat(1000));
    await daemon.start();
    expect([await daemon.status(running), await daemon.status(down)]).toEqual(['RUNNING', 'DOWN']);
    expect(daemon.log()).toMatch(/"level":"error".*the database is damaged/);
    expect(
      readdirSync(daemon.paths.databaseDirectory).filter(name => name.includes('.damaged-')).length,
    ).toBeGreaterThan(0);
  });
});

describe('an agent that stops', () => {
  it('on SIGTERM leaves its guests running, and finds them when it starts again', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    const qemu = daemon.qemuOf(path);
    expect(await daemon.stop()).toBe(0);
    expect(daemon.qemuOf(path)).toBe(qemu);
    await daemon.start();
    expect(await daemon.status(path)).toBe('RUNNING');
  });

  it('on SIGTERM finishes the calls in flight', async () => {
    daemon = await new Daemon().start();
    const paths = [0, 1, 2].map(index => daemon.makeGuest(`guest${index}`));
    // A caller whose request had not arrived finds the connection closed: nothing was begun for it.
    const answers = paths.map(path => daemon.call('start_vm', path).catch(() => 'not taken'));
    await expect.poll(() => qemuProcesses(daemon).length, { interval: 5 }).toBeGreaterThan(0);
    const [exitCode, ...replies] = await Promise.all([daemon.stop(), ...answers]);
    expect(exitCode).toBe(0);
    for (const reply of replies) expect(reply).toMatch(/^(success=ip=|failed:STOPPING: |not taken)/);
    const started = replies.filter(reply => String(reply).startsWith('success'));
    expect(started.length).toBeGreaterThan(0);
    expect(started.length).toBe(qemuProcesses(daemon).length);
  });
});
