import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { qemuProcesses, runState } from '../support/qemu-truth.ts';
import { seededRandom } from '../support/random.ts';
import { SerialLine } from '../support/serial-line.ts';
import { waitUntil } from '../support/wait.ts';

interface JobRecord {
  readonly id: string;
  readonly method: string;
  readonly guest: string;
  readonly state: string;
  readonly step?: string;
  readonly error?: string;
}

interface GuestRow {
  readonly path: string;
  readonly status: string;
}

const SAVED = '/var/ovs/saved';
const ENDED = ['done', 'failed', 'cancelled'];

let daemon: Daemon;
afterEach(() => daemon.dispose());

/** Number that a Linux makes anew at each boot. */
async function bootIdOf(path: string): Promise<string> {
  const line = await SerialLine.attach(daemon.paths.controlSocket, path);
  await line.untilShell();
  line.type('echo boot=$(cat /proc/sys/kernel/random/boot_id)');
  const [, id] = await line.expect(/boot=([0-9a-f-]{36})/);
  line.close();
  return id!;
}

async function jobs(): Promise<readonly JobRecord[]> {
  return (await daemon.local('list_jobs')) as readonly JobRecord[];
}

describe('kill -9 of the agent in the middle of its operations', () => {
  it('loses, doubles and half-makes no guest; every job ends; what is stored is what QEMU says', async () => {
    const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);
    const rounds = Number(process.env['KILL_ROUNDS'] ?? 8);
    console.log(`KILL_SEED=${seed}`);
    const random = seededRandom(seed);
    const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    daemon = await new Daemon(['[guests]', 'stop_timeout=3', 'stop_agent_timeout=0']).start();
    /** A guest that is only ever put aside and brought back: it must never boot again. */
    const kept = daemon.makeGuest('kept', ['memory = 80']);
    const others = ['one', 'two'].map(name => daemon.makeGuest(name, ['memory = 80']));
    await daemon.local('start_vm', kept);
    const bootId = await bootIdOf(kept);
    let doomedCount = 0;

    for (let round = 0; round < rounds; round++) {
      const where = `round ${round} of seed ${seed}`;
      const doomed = daemon.makeGuest(`doomed${doomedCount++}`);
      await daemon.local('register_vm', doomed);
      const file = (name: string): string => `${SAVED}/${name}-${round}.state`;
      const calls: readonly (readonly [string, readonly unknown[]])[] = [
        [oneOf(['suspend_vm', 'resume_vm', 'pause_vm', 'unpause_vm']), [kept]],
        ...others.map(path => {
          const name = path.split('/').at(-1)!;
          const act = oneOf([
            'start_vm',
            'stop_vm',
            'reboot_vm',
            'reset_vm',
            'suspend_vm',
            'resume_vm',
            'save_vm',
            'restore_vm',
          ]);
          const earlier = `${SAVED}/${oneOf(savedStates(name))}`;
          return [
            act,
            act === 'save_vm' ? [path, file(name)] : act === 'restore_vm' ? [path, earlier] : [path],
          ] as const;
        }),
        ['delete_vm', [doomed]],
      ];
      await Promise.all(
        calls.map(([method, args], index) => daemon.local('submit_job', method, args, `${round}-${index}`)),
      );
      await sleep(random() * (round % 2 === 0 ? 60 : 700));
      await daemon.signal('SIGKILL');
      await daemon.start();
      await waitUntil('every job ends', async () => (await jobs()).every(job => ENDED.includes(job.state)), 30_000, 50);
      const all = await jobs();
      expect(new Set(all.map(job => job.id)).size, where).toBe((round + 1) * calls.length);

      const running = qemuProcesses(daemon);
      expect(new Set(running).size, `no guest runs twice, ${where}`).toBe(running.length);
      const stored = await rows();
      expect(existsSync(daemon.paths.onDisk(doomed)), where).toBe(stored.some(row => row.path === doomed));
      expect(halfMade(), where).toEqual([]);
      // Its monitor has one client at a time: QEMU is asked while no agent runs.
      await daemon.signal('SIGKILL');
      for (const path of [kept, ...others]) await expectTruth(stored, path, where);
      await daemon.start();
    }

    const { status } = (await rows()).find(row => row.path === kept)!;
    if (status === 'SUSPEND') expect(await daemon.local('resume_vm', kept)).toBe('success');
    if ((await daemon.status(kept)) === 'PAUSED') expect(await daemon.local('unpause_vm', kept)).toBe('success');
    expect(await bootIdOf(kept), `it is the guest that was started first, seed ${seed}`).toBe(bootId);
  }, 900_000);
});

async function rows(): Promise<readonly GuestRow[]> {
  return (await daemon.local('list_vms')) as readonly GuestRow[];
}

/** States of a guest that earlier rounds have saved; one that is not there where there is none. */
function savedStates(name: string): readonly string[] {
  const place = daemon.paths.onDisk(SAVED);
  const found = existsSync(place) ? readdirSync(place).filter(file => file.startsWith(`${name}-`)) : [];
  return found.length > 0 ? found : ['none.state'];
}

/** A guest is where its record says, and in one place only: as a QEMU, as a state in its directory, or not at all. */
async function expectTruth(stored: readonly GuestRow[], path: string, where: string): Promise<void> {
  const status = stored.find(row => row.path === path)?.status ?? 'DOWN';
  const truth = await runState(daemon, path);
  const isSuspended = existsSync(daemon.paths.onDisk(`${path}/suspended.state`));
  expect([truth, isSuspended], `${path} is stored as ${status}, ${where}`).toEqual(
    status === 'SUSPEND' ? ['DOWN', true] : [status, false],
  );
}

/** What an operation makes on its way, and must not leave. */
function halfMade(): string[] {
  return readdirSync(daemon.paths.onDisk('/OVS'), { recursive: true, encoding: 'utf8' })
    .concat(existsSync(daemon.paths.onDisk(SAVED)) ? readdirSync(daemon.paths.onDisk(SAVED)) : [])
    .filter(name => /\.part|\.deleted-|unfinished|\.tmp/.test(name));
}
