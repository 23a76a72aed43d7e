import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMounts } from '../../src/host/mounts.ts';
import { Daemon } from '../support/daemon.ts';
import { makeLoopDisk, mountSilent } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';

interface Row {
  readonly uuid: string;
  readonly source: string;
  readonly state: string;
  readonly reason?: string;
  readonly default: boolean;
  readonly type?: string;
  readonly mount_point: string;
  readonly free_mib?: number;
}

const POOLS = ['running_pool', 'seed_pool', 'iso_pool', 'publish_pool', 'sharedDisk'];
const UUID = /uuid=([0-9A-F]{32});/;

let daemon: Daemon;
const cleanUp: (() => void)[] = [];

beforeEach(() => {
  daemon = new Daemon(['[storage]', 'timeout=2']);
});

afterEach(async () => {
  await daemon.dispose();
  for (const undo of cleanUp.splice(0)) undo();
});

const rows = async (): Promise<readonly Row[]> => (await daemon.local('list_repositories')) as Row[];

/** A directory of the agent's root that is to become a repository. */
function makeSource(name = '/export/one'): string {
  mkdirSync(daemon.paths.onDisk(name), { recursive: true });
  return name;
}

async function make(source: string, shared = '0', description = 'images'): Promise<string> {
  const reply = String(await daemon.local('make_repository', source, shared, description));
  expect(reply).toMatch(UUID);
  return UUID.exec(reply)![1]!;
}

function loopDisk(makeFileSystem: readonly string[], sizeMib = 64): string {
  const disk = makeLoopDisk(join(temporaryDirectory(), 'disk'), sizeMib, makeFileSystem);
  cleanUp.push(() => disk.detach());
  return disk.device;
}

/** A guest that runs from a repository. */
async function runGuest(repository: string): Promise<string> {
  daemon.makeGuest('guest');
  const path = `${repository}/running_pool/guest`;
  const file = daemon.paths.onDisk('/OVS/running_pool/guest/vm.cfg');
  mkdirSync(daemon.paths.onDisk(path), { recursive: true });
  writeFileSync(join(daemon.paths.onDisk(path), 'vm.cfg'), readFileSync(file));
  for (const name of ['vmlinuz', 'initramfs.img']) {
    writeFileSync(join(daemon.paths.onDisk(path), name), readFileSync(daemon.paths.onDisk(`/boot/${name}`)));
  }
  expect(String(await daemon.local('start_vm', path))).toMatch(/^success/);
  return path;
}

describe('a repository', () => {
  it('is made of a directory by the programs of the original, used by a guest, found again, and taken offline', async () => {
    await daemon.start();
    const source = makeSource();
    const made = daemon.program('ovs-makerepo', [source, '0', 'local images']);
    expect([made.exitCode, made.stderr]).toEqual([0, '']);
    expect(made.stdout).toMatch(
      /^Initializing NEW repository \/export\/one\nSUCCESS: Mounted \/var\/ovs\/mount\/[0-9A-F]{32}\nUpdating local repository list\.\novs-makerepo complete\n$/,
    );
    const [row] = await rows();
    const { mount_point: place, uuid } = row!;
    expect(row).toMatchObject({ source, state: 'mounted', default: true, type: expect.any(String) as string });
    // The pools of a new Daemon were empty: the default repository is at /OVS now.
    expect(readlinkSync(daemon.paths.onDisk('/OVS'))).toBe(`var/ovs/mount/${uuid}`);
    for (const pool of POOLS) expect(statSync(daemon.paths.onDisk(`/OVS/${pool}`)).isDirectory()).toBe(true);
    expect(readFileSync(daemon.paths.onDisk('/etc/ovs/repositories'), 'utf8')).toBe(`${uuid} ${source}\n`);
    expect(readFileSync(daemon.paths.onDisk(`${source}/.ovsrepo`), 'utf8')).toContain(`OVS_REPO_UUID=${uuid}\n`);
    const mounted = readMounts().find(mount => mount.place === daemon.paths.onDisk(place));
    expect(mounted?.options).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']));

    const path = await runGuest(place);
    const refused = daemon.program('ovs-offlinerepo', [uuid, source]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(`guest ${path} is RUNNING`);
    expect(await daemon.status(path)).toBe('RUNNING');

    // Its guest goes on while the agent is killed, and the repository is there for the next one.
    await daemon.signal('SIGKILL');
    await daemon.start();
    expect(await rows()).toEqual([expect.objectContaining({ uuid, state: 'mounted' })]);
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(String(await daemon.local('stop_vm', path, true))).toMatch(/^success/);

    const offline = daemon.program('ovs-offlinerepo', [uuid, source]);
    expect([offline.exitCode, offline.stderr]).toEqual([0, '']);
    expect(existsSync(daemon.paths.onDisk(place))).toBe(false);
    expect(existsSync(daemon.paths.onDisk('/OVS'))).toBe(false);
    expect((await rows())[0]).toMatchObject({ uuid, state: 'offline' });
    const status = daemon.program('ovsrepositories', ['status']);
    expect([status.exitCode, status.stdout]).toEqual([3, expect.stringContaining(`[ * ] ${uuid} => ${source}`)]);

    // Mounted again by the next start, with its guest; then forgotten for good, with nothing of it lost.
    await daemon.stop();
    await daemon.start();
    expect(await rows()).toEqual([expect.objectContaining({ uuid, state: 'mounted' })]);
    expect(await daemon.status(path)).toBe('DOWN');
    expect(daemon.program('ovs-offlinerepo', ['-d', uuid, source]).exitCode).toBe(0);
    expect(await rows()).toEqual([]);
    expect(readFileSync(daemon.paths.onDisk('/etc/ovs/repositories'), 'utf8')).toBe('');
    expect(existsSync(daemon.paths.onDisk(`${source}/running_pool/guest/vm.cfg`))).toBe(true);
    expect(await make(source)).toBe(uuid);
  });

  it.each([
    ['ext4', ['mkfs.ext4', '-q', '-F'], 64],
    ['xfs', ['mkfs.xfs', '-q'], 320],
  ] as const)(
    'lies on a block device with %s, and moves to another server with all that is in it',
    async (type, mkfs, size) => {
      await daemon.start();
      const device = loopDisk(mkfs, size);
      const uuid = await make(device, '1', 'a disk');
      expect(await rows()).toEqual([expect.objectContaining({ uuid, type, source: device, state: 'mounted' })]);
      const place = `/var/ovs/mount/${uuid}`;
      writeFileSync(daemon.paths.onDisk(`${place}/iso_pool/disc.iso`), 'contents');
      const free = String(await daemon.local('get_storage_repos'));
      expect(free).toMatch(new RegExp(`^success:${place}=[1-9]\\d*$`));
      expect(String(await daemon.local('offline_repository', uuid, device, true))).toBe('success');
      expect(await make(device, '0', 'another name')).toBe(uuid);
      expect(readFileSync(daemon.paths.onDisk(`${place}/iso_pool/disc.iso`), 'utf8')).toBe('contents');
      expect((await rows())[0]).toMatchObject({ description: 'a disk', shared: '1' });
    },
  );

  it('is made in the three steps of a controller', async () => {
    await daemon.start();
    const device = loopDisk(['mkfs.ext4', '-q', '-F']);
    const uuidOf = (reply: unknown): string => {
      const { status, value } = JSON.parse(String(reply)) as { status: string; value: { uuid: string } };
      expect(status).toBe('SUCC');
      return value.uuid;
    };
    const pool = uuidOf(await daemon.local('sp_create', 'OVSSPPartition', device));
    const repository = uuidOf(await daemon.local('sr_create', pool, 'cloud'));
    expect(await rows()).toEqual([]);
    uuidOf(await daemon.local('sr_do', repository, 'initialize'));
    const uuid = repository.replaceAll('-', '').toUpperCase();
    expect(await rows()).toEqual([expect.objectContaining({ uuid, state: 'mounted', description: 'cloud' })]);
    // Asked again, as controllers do, it is the same one.
    expect(uuidOf(await daemon.local('sp_create', 'OVSSPPartition', device))).toBe(pool);
    uuidOf(await daemon.local('sr_do', repository, 'initialize'));
    expect(await rows()).toHaveLength(1);
    expect(String(await daemon.local('sp_create', 'OVSSPNFS', device))).toContain('OVSSPNFS needs host:/path');
  });

  it('is refused when it is another one, damaged, or none; the others are mounted all the same', async () => {
    await daemon.start();
    const sources = ['/export/one', '/export/two', '/export/three', '/export/four'].map(makeSource);
    const uuids: string[] = [];
    for (const source of sources) uuids.push(await make(source));
    await daemon.stop();
    expect(daemon.program('ovsrepositories', ['stop']).exitCode).toBe(0);
    const stamp = (index: number): string => daemon.paths.onDisk(`${sources[index]!}/.ovsrepo`);
    writeFileSync(stamp(0), readFileSync(stamp(1)));
    writeFileSync(stamp(2), 'OVS_REPO_UUID=nonsense\n');
    rmSync(stamp(3));
    await daemon.start();
    const found = await rows();
    expect(found.map(({ state }) => state)).toEqual(['refused', 'mounted', 'refused', 'refused']);
    expect(found[0]!.reason).toContain(`it is repository ${uuids[1]}, and ${uuids[0]} was expected`);
    expect(found[2]!.reason).toContain('is damaged');
    expect(found[3]!.reason).toContain('ovs-makerepo makes it one');
    for (const index of [0, 2, 3])
      expect(existsSync(daemon.paths.onDisk(`/var/ovs/mount/${uuids[index]}`))).toBe(false);
    expect(daemon.program('ovsrepositories', ['start']).stderr).toContain('is damaged');
  });

  it('is refused with what to do, and nothing is left behind', async () => {
    await daemon.start();
    const before = readMounts().length;
    const bare = loopDisk([]);
    const swap = loopDisk(['mkswap']);
    const source = makeSource();
    const refusals: [readonly string[], RegExp][] = [
      [['/nothing/there', '0', 'x'], /NO_SUCH_FILE.*no such directory/],
      [['/dev/null', '0', 'x'], /NO_SUCH_FILE.*no such block device/],
      [[bare, '0', 'x'], new RegExp(`BAD_CONFIG.*mkfs.ext4 ${bare}`)],
      [[swap, '0', 'x'], /BAD_CONFIG.*"swap"/],
      [['/OVS', '0', 'x'], /BAD_VALUE.*name a directory elsewhere/],
      [['/var', '0', 'x'], /BAD_VALUE.*name a directory elsewhere/],
      [['/export/../etc', '0', 'x'], /BAD_VALUE/],
      [['relative', '0', 'x'], /BAD_VALUE.*none of the three/],
      [['host;reboot:/x', '0', 'x'], /BAD_VALUE/],
      [[source, '2', 'x'], /BAD_VALUE.*it must be 0/],
      [[source, '0', 'two\nlines'], /BAD_VALUE.*one line/],
      [
        [source, '0', 'x', 'noatime,suid,loop'],
        /BAD_CONFIG.*"suid" may not be given: programs of strangers.*"loop" may not be given/,
      ],
    ];
    for (const [args, reason] of refusals) {
      expect(String(await daemon.local('make_repository', ...args)), args.join(' ')).toMatch(reason);
    }
    expect(await rows()).toEqual([]);
    expect(readMounts()).toHaveLength(before);
    expect(existsSync(daemon.paths.onDisk(`${source}/.ovsrepo`))).toBe(false);
    const uuid = await make(source);
    expect(String(await daemon.local('make_repository', source, '0', 'again'))).toMatch(/EXISTS/);
    expect(String(await daemon.local('offline_repository', uuid, '/another'))).toMatch(
      /BAD_VALUE.*its source is \/export\/one/,
    );
    expect((await rows())[0]).toMatchObject({ uuid, state: 'mounted' });
  });

  it('that hangs holds up nobody else, is told of, and is used again when it answers', async () => {
    await daemon.start();
    const [good, bad] = [await make(makeSource('/export/good')), await make(makeSource('/export/bad'))];
    const guest = async (id: string): Promise<string> => {
      const path = `/var/ovs/mount/${id}/running_pool/guest`;
      mkdirSync(daemon.paths.onDisk(path));
      writeFileSync(daemon.paths.onDisk(`${path}/vm.cfg`), "builder = 'hvm'\nmemory = 32\n");
      expect(String(await daemon.local('register_vm', path))).toBe('success');
      return path;
    };
    const [fine, stuck] = [await guest(good), await guest(bad)];
    const silent = mountSilent(daemon.paths.onDisk(`/var/ovs/mount/${bad}`));
    cleanUp.push(() => silent.end());
    const stuckCall = { isWaiting: true };
    const waiting = daemon.local('get_vm_config', stuck).then(reply => {
      stuckCall.isWaiting = false;
      return String(reply);
    });
    const slowest = { echo: 0, config: 0 };
    while (stuckCall.isWaiting) {
      for (const [name, call] of [
        ['echo', () => daemon.local('echo', 'x')],
        ['config', () => daemon.local('get_vm_config', fine)],
      ] as const) {
        const began = performance.now();
        await call();
        slowest[name] = Math.max(slowest[name], performance.now() - began);
      }
    }
    expect(await waiting).toMatch(/TIMEOUT.*it has not answered since/);
    process.stdout.write(
      `while one repository hung: echo ${slowest.echo.toFixed()} ms, a guest of another ${slowest.config.toFixed()} ms at most\n`,
    );
    // The time limit of the repository is 2 s; whoever waited for it would have taken that long.
    expect(Math.max(slowest.echo, slowest.config)).toBeLessThan(1000);
    expect((await rows()).find(({ uuid }) => uuid === bad)).toMatchObject({ state: 'hung' });
    silent.end();
    await waitUntil('it answers again', async () => typeof (await daemon.local('get_vm_config', stuck)) === 'object');
    expect((await rows()).find(({ uuid }) => uuid === bad)).toMatchObject({ state: 'mounted' });
  });

  it('is never left by a link in it, whoever put that there', async () => {
    await daemon.start();
    const uuid = await make(makeSource());
    const pool = `/var/ovs/mount/${uuid}/running_pool`;
    const outside = daemon.paths.onDisk('/outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'vm.cfg'), "memory = 32\nname = 'secret'\n");
    symlinkSync(outside, daemon.paths.onDisk(`${pool}/guest`));
    expect(String(await daemon.local('register_vm', `${pool}/guest`))).toMatch(/^failed:NO_SUCH_GUEST/);
    rmSync(daemon.paths.onDisk(`${pool}/guest`));
    mkdirSync(daemon.paths.onDisk(`${pool}/guest`));
    symlinkSync(join(outside, 'vm.cfg'), daemon.paths.onDisk(`${pool}/guest/vm.cfg`));
    expect(String(await daemon.local('register_vm', `${pool}/guest`))).toMatch(/^failed:/);
    expect(String(await daemon.local('delete_vm', `${pool}/guest`))).toMatch(/^failed:/);
    expect(existsSync(join(outside, 'vm.cfg'))).toBe(true);
  });
});
