import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { makeImage } from '../support/image.ts';
import { NetworkNamespace } from '../support/network-namespace.ts';
import { SerialLine } from '../support/serial-line.ts';
import { waitUntil } from '../support/wait.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

type DomainRow = Readonly<Record<string, string | number>>;

const domains = async (): Promise<readonly DomainRow[]> => (await daemon.local('list_domains')) as DomainRow[];
const domainOf = async (path: string): Promise<DomainRow> => (await domains()).find(row => row['path'] === path) ?? {};
const history = async (method: string, ...params: unknown[]): Promise<readonly DomainRow[]> => {
  const answer = await daemon.local(method, ...params);
  if (!Array.isArray(answer)) throw new Error(String(answer));
  return answer as DomainRow[];
};

/** The pairs of a reply, as old clients read them. */
async function pairsOf(method: string, ...params: unknown[]): Promise<Record<string, number>> {
  const reply = String(await daemon.local(method, ...params));
  expect(reply).toMatch(/^success:/);
  const pairs = reply.slice('success:'.length).split(';');
  return Object.fromEntries(pairs.map(pair => [pair.split('=')[0]!, Number(pair.split('=')[1])]));
}

describe('what a guest uses', () => {
  it('is measured: processor, disk and network, in numbers that its own acts explain', async () => {
    const namespace = new NetworkNamespace('xenbr0');
    daemon = await new Daemon(['[performance]', 'interval=1'], namespace.name).start();
    const path = daemon.makeGuest('worker', [
      `disk = ['file:/OVS/running_pool/worker/System.img,xvda,w']`,
      "vif = ['bridge=xenbr0']",
    ]);
    makeImage(daemon.paths.onDisk(`${path}/System.img`), 4 << 20);
    expect(await daemon.local('start_vm', path)).toMatch(/^success/);
    const [server, ...guests] = await domains();
    expect(server).toMatchObject({ name: 'Domain-0', path: '', id: 0, state: 'r-----', status: 'RUNNING' });
    expect(guests).toMatchObject([
      { name: 'worker', path, id: daemon.qemuOf(path)!, memory: 96, max_memory: 96, vcpus: 1, status: 'RUNNING' },
    ]);

    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    await line.untilShell();
    const before = await domainOf(path);
    line.type(
      'dd if=/dev/urandom of=/dev/vda bs=64k count=16 conv=fsync; ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0',
    );
    line.type('ping -c 3 -W 1 10.9.0.2; while true; do :; done');
    let now: DomainRow = {};
    await waitUntil(
      'all of it is seen',
      async () => {
        now = await domainOf(path);
        const grew = (key: string, by: number): boolean => Number(now[key]) - Number(before[key]) >= by;
        return grew('block_written_bytes', 1 << 20) && grew('net_sent', 42) && Number(now['cpu_percent']) > 50;
      },
      30_000,
    );
    expect(now['state']).toBe('r-----');
    expect(now['time']).toBeGreaterThan(Number(before['time']));
    expect(now['block_writes']).toBeGreaterThan(Number(before['block_writes']));

    expect((await pairsOf('get_vm_perf', path))['cpu']).toBeGreaterThan(20);
    expect(await pairsOf('xen_get_vm_perf_metrics', path)).toMatchObject({ memory: 96, vcpus: 1 });
    const rows = (await daemon.local('list_vms')) as DomainRow[];
    expect(rows[0]!['cpu_percent']).toBeGreaterThan(20);
    const perf = await pairsOf('get_srv_perf');
    expect(perf['cpu']! + perf['cpu_idle']! + perf['cpu_iowait']! + perf['cpu_steal']!).toBeCloseTo(100, 0);
    const { cpu_idle, cpu_system, cpu_user } = await pairsOf('sys_perf_info');
    expect(cpu_idle! + cpu_system! + cpu_user!).toBeLessThanOrEqual(1.001);

    expect(await daemon.local('pause_vm', path)).toBe('success');
    expect(await domainOf(path)).toMatchObject({ state: '--p---', status: 'PAUSED' });
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(await domains()).toHaveLength(1);
    expect(await daemon.local('get_vm_perf', path)).toMatch(/^failed:WRONG_STATE: measure .*: it is DOWN/);
    expect(await daemon.local('get_vm_perf', '/OVS/running_pool/nobody')).toMatch(/^failed:NO_SUCH_GUEST: /);
    line.close();
  });
});

describe('a guest whose QEMU hangs', () => {
  it('is listed with what is known of it, and keeps nobody from an answer about the others', async () => {
    daemon = await new Daemon(['[performance]', 'interval=1']).start();
    const [hung, other] = ['hung', 'other'].map(name => daemon.makeGuest(name)) as [string, string];
    for (const path of [hung, other]) expect(await daemon.local('start_vm', path)).toMatch(/^success/);
    expect((await domainOf(hung))['memory']).toBe(96);
    process.kill(daemon.qemuOf(hung)!, 'SIGSTOP');
    for (let round = 0; round < 5; round++) {
      const startedAt = performance.now();
      expect((await domains()).map(row => row['path'])).toEqual(['', hung, other]);
      expect(performance.now() - startedAt).toBeLessThan(1000);
    }
    await waitUntil('the list says so', async () => (await domainOf(hung))['state'] === '------', 20_000, 200);
    expect(await domainOf(hung)).toMatchObject({ memory: 96, vcpus: 1 });
    expect((await domainOf(other))['state']).toMatch(/^[r-][b-]----$/);
    await waitUntil('figures of the other are measured on', async () =>
      String(await daemon.local('get_vm_perf', other)).startsWith('success:cpu='),
    );
    process.kill(daemon.qemuOf(hung)!, 'SIGCONT');
  });
});

describe('the past of performance', () => {
  const anHourAgo = (): string => new Date(Date.now() - 3_600_000).toISOString();

  it('is there after a kill, but for the last minute; what cannot be asked is refused in words', async () => {
    daemon = await new Daemon(['[performance]', 'interval=1']).start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    await waitUntil('samples were kept', async () => {
      const [own, server] = [
        await history('get_vm_perf', path, anHourAgo()),
        await history('get_srv_perf', anHourAgo()),
      ];
      return own.length >= 3 && server.length >= 3;
    });
    const before = await history('get_vm_perf', path, anHourAgo());
    expect(before.at(-1)).toMatchObject({ memory: 96, vcpus: 1, cpu_max: expect.any(Number) as number });
    await daemon.signal('SIGKILL');
    await daemon.start();
    const after = await history('get_vm_perf', path, anHourAgo(), '', 1);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(await history('get_srv_perf', anHourAgo(), new Date().toISOString(), 60)).not.toEqual([]);

    expect(await daemon.local('get_srv_perf', 'yesterday')).toMatch(
      /^failed:BAD_VALUE: argument from: "yesterday" is no time/,
    );
    expect(await daemon.local('get_srv_perf', '', '', 60)).toMatch(/^failed:BAD_VALUE: argument from: it is not given/);
    expect(await daemon.local('get_srv_perf', anHourAgo(), '2001-01-01')).toMatch(/^failed:BAD_VALUE: .* is after /);
    expect(await daemon.local('get_srv_perf', anHourAgo(), '', 0)).toMatch(/^failed:BAD_VALUE: argument resolution: /);
  });

  it('is made anew when its file is damaged, and no guest or record suffers', async () => {
    daemon = await new Daemon(['[performance]', 'interval=1']).start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    await daemon.stop();
    const file = join(daemon.paths.databaseDirectory, 'performance.db');
    expect(existsSync(file)).toBe(true);
    writeFileSync(file, 'garbage '.repeat(2000));
    await daemon.start();
    expect(existsSync(`${file}.damaged-last`)).toBe(true);
    expect(await daemon.status(path)).toBe('RUNNING');
    await waitUntil('samples are kept again', async () => (await history('get_srv_perf', anHourAgo())).length > 0);
  });

  it('is not kept where that is turned off; the present is measured when it is asked for', async () => {
    daemon = await new Daemon(['[performance]', 'interval=0']).start();
    const path = daemon.makeGuest('guest');
    await daemon.local('start_vm', path);
    expect((await pairsOf('get_vm_perf', path))['cpu']).toBeGreaterThanOrEqual(0);
    expect((await pairsOf('get_srv_perf'))['cpu']).toBeGreaterThanOrEqual(0);
    expect(existsSync(join(daemon.paths.databaseDirectory, 'performance.db'))).toBe(false);
    expect(await daemon.local('get_srv_perf', anHourAgo())).toMatch(/^failed:STORE: /);
  });
});
