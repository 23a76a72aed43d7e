import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { demoGuest } from '../support/demo-guest.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';
import { serveFiles } from '../support/web-server.ts';

const MIB = 2 ** 20;
const GUEST = '/OVS/running_pool/made';

let daemon: Daemon;

beforeEach(async () => {
  daemon = await new Daemon().start();
  for (const pool of ['running_pool', 'iso_pool', 'sharedDisk']) mkdirSync(place(`/OVS/${pool}`), { recursive: true });
  writeFileSync(place('/OVS/iso_pool/os.iso'), Buffer.alloc(MIB));
});

afterEach(() => daemon.dispose());

const place = (path: string): string => daemon.paths.onDisk(path);
const call = async (method: string, ...args: unknown[]): Promise<string> => String(await daemon.local(method, ...args));
const everything = (): string[] => readdirSync(place('/OVS'), { recursive: true }).map(String).sort();
const newGuest = {
  type: 'hvm',
  memory: 64,
  vcpus: 1,
  disks: [{ size: 16 }, { file: '/OVS/sharedDisk/quorum.img', size: 8, preallocate: true }],
  vifs: [],
  display: { type: 'none' },
  install: { from: 'iso', iso: '/OVS/iso_pool/os.iso' },
};

async function boots(path: string): Promise<void> {
  expect(await daemon.status(path)).toBe('RUNNING');
  expect(daemon.qemuOf(path)).toBeDefined();
  expect(await call('stop_vm', path, true)).toMatch(/^success/);
}

describe('a new guest', () => {
  it('has its disks and a vm.cfg of its own, starts, and goes with all that is its own', async () => {
    const before = everything();
    expect(await call('create_vm', GUEST, newGuest)).toBe('success');
    expect(await daemon.status(GUEST)).toBe('DOWN');
    const system = statSync(place(`${GUEST}/System.img`));
    expect([system.size, system.blocks, system.mode & 0o777]).toEqual([16 * MIB, 0, 0o600]);
    const quorum = statSync(place('/OVS/sharedDisk/quorum.img'));
    expect(quorum.size).toBe(8 * MIB);
    expect(quorum.blocks * 512).toBeGreaterThanOrEqual(8 * MIB);
    expect(readFileSync(place(`${GUEST}/vm.cfg`), 'utf8')).toContain(`file:${GUEST}/System.img,hda,w`);
    expect(await call('start_vm', GUEST)).toMatch(/^success/);
    await boots(GUEST);
    expect(await call('delete_shared_disk', 'quorum.img')).toContain(
      `IN_USE: delete /OVS/sharedDisk/quorum.img: ${GUEST}`,
    );
    expect(await call('delete_vm', GUEST)).toBe('success');
    expect(await call('delete_shared_disk', 'quorum.img')).toBe('success');
    expect(everything()).toEqual(before);
  });

  it('is installed from a CD, as controllers of old and as virt-install ask for it', async () => {
    const asked = ['System.img:1:True', '/OVS/iso_pool/os.iso', 'geheim1'] as const;
    expect(await call('install_vm_hvm', GUEST, 64, 1, '', ...asked, '127.0.0.1')).toBe('success');
    expect(statSync(place(`${GUEST}/System.img`)).size).toBe(1024 * MIB);
    await boots(GUEST);
    const other = '/OVS/running_pool/web';
    const args = ['-n', 'web', '-r', '64', '-v', '-c', '/OVS/iso_pool/os.iso', '-s', '0.1', '--nonetworks', '--force'];
    const { exitCode, stderr, stdout } = daemon.program('virt-install', [...args, '--nographics', '--noautoconsole']);
    expect([exitCode, stderr], stdout).toEqual([0, expect.any(String)]);
    await boots(other);
  });

  it('is installed from a tree: its kernel boots with the arguments, and the disk is what it boots from then on', async () => {
    const tree = temporaryDirectory();
    mkdirSync(join(tree, 'images/pxeboot'), { recursive: true });
    copyFileSync(demoGuest.kernel, join(tree, 'images/pxeboot/vmlinuz'));
    copyFileSync(demoGuest.ramdisk, join(tree, 'images/pxeboot/initrd.img'));
    const url = await serveFiles(tree);
    const asked = ['System.img:1:True', url, 'console=ttyS0 console=hvc0 ks=http://127.0.0.1/ks.cfg'] as const;
    expect(await call('install_vm_para', GUEST, 128, 1, '', ...asked)).toBe('success');
    expect(await daemon.status(GUEST)).toBe('RUNNING');
    const consoles = daemon.paths.consoleDirectory;
    await waitUntil(
      'the kernel tells its arguments',
      () =>
        existsSync(consoles) &&
        readdirSync(consoles, { recursive: true, withFileTypes: true }).some(
          entry =>
            entry.isFile() &&
            readFileSync(join(entry.parentPath, entry.name), 'latin1').includes('ks=http://127.0.0.1/ks.cfg'),
        ),
    );
    const text = readFileSync(place(`${GUEST}/vm.cfg`), 'utf8');
    expect(text).toContain("bootloader = '/usr/bin/pygrub'");
    expect(text).not.toMatch(/^(?:kernel|ramdisk|extra) /m);
    expect(readdirSync(place(GUEST)).sort()).toEqual(['System.img', 'vm.cfg']);
    expect(readdirSync(join(daemon.paths.runtimeDirectory, 'boot'))).toEqual([]);
    expect(await call('stop_vm', GUEST, true)).toMatch(/^success/);
  });

  it('that cannot be made is refused, and nothing of it is left', async () => {
    expect(await call('create_vm', GUEST, { ...newGuest, disks: [{ size: 1 }] })).toBe('success');
    mkdirSync(place('/OVS/running_pool/handmade'));
    writeFileSync(place('/OVS/running_pool/handmade/vm.cfg'), 'memory = 64\n');
    const before = everything();
    const path = '/OVS/running_pool/another';
    const refusals: [string, readonly unknown[], RegExp][] = [
      ['create_vm', [GUEST, newGuest], /EXISTS/],
      ['create_vm', ['/OVS/seed_pool/x', newGuest], /BAD_VALUE/],
      ['create_vm', [path, { ...newGuest, colour: 'red' }], /BAD_VALUE/],
      ['create_vm', [path, { ...newGuest, memory: 0 }], /BAD_VALUE/],
      ['create_vm', [path, { ...newGuest, install: { from: 'iso', iso: '/OVS/iso_pool/none.iso' } }], /NO_SUCH_FILE/],
      ['create_vm', [path, { ...newGuest, install: { from: 'iso', iso: '/etc/passwd' } }], /BAD_CONFIG/],
      ['create_vm', [path, { ...newGuest, disks: [{ file: '/OVS/iso_pool/os.iso', size: 1 }] }], /EXISTS|BAD_VALUE/],
      ['create_vm', [path, { ...newGuest, disks: [{ file: '/etc/x.img', size: 1 }] }], /BAD_CONFIG/],
      ['create_vm', [path, { ...newGuest, disks: [{ size: 60_000_000 }] }], /NO_RESOURCES/],
      ['install_vm_hvm', [path, 64, 1, 'x', 'System.img:1:True', '/OVS/iso_pool/os.iso'], /BAD_VALUE/],
      ['install_vm_hvm', [path, 64, 1, '', '../x:1:True', '/OVS/iso_pool/os.iso'], /BAD_VALUE/],
      ['install_vm_para', [path, 64, 1, '', 'System.img:1:True', 'http://127.0.0.1:1/tree', ''], /HOST|TIMEOUT/],
      ['install_vm_para', [path, 64, 1, '', 'System.img:1:True', '/etc', ''], /BAD_VALUE/],
      ['xen_create_disk', ['/etc/x.img', 1], /BAD_CONFIG/],
      ['xen_create_disk', ['/OVS/iso_pool/os.iso', 1], /EXISTS/],
      ['create_shared_disk', ['../x', 1], /BAD_VALUE/],
      ['utl_test_url', ['http://x/;id', 'x'], /BAD_VALUE/],
      ['utl_test_url', ['gopher://x/', 'x'], /BAD_VALUE/],
    ];
    for (const [method, args, reason] of refusals)
      expect(await call(method, ...args), `${method} ${JSON.stringify(args)}`).toMatch(
        new RegExp(`^failed:(?:${reason.source})`),
      );
    expect(await call('utl_test_url', 'http://127.0.0.1:1/x.iso', 'x.iso')).toBe('success');
    expect(everything()).toEqual(before);
    expect(await daemon.local('list_unregistered_vms')).toEqual(['/OVS/running_pool/handmade']);
    expect(await call('xen_create_disk', `${GUEST}/disk2.img`, 4)).toBe('success');
    expect(await call('create_shared_disk', 'lock.img', 4)).toBe('success:disk=/OVS/sharedDisk/lock.img');
    expect(existsSync(place(`${GUEST}/disk2.img`))).toBe(true);
  });

  it('is known by one name, whichever name its repository has besides', async () => {
    const id = '/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF';
    mkdirSync(place('/var/ovs/mount'), { recursive: true });
    // As a default repository is: one directory with two names.
    execFileSync('mv', [place('/OVS'), place(id)]);
    execFileSync('ln', ['-s', id.replace('/var', 'var'), place('/OVS')]);
    expect(await call('create_vm', GUEST, { ...newGuest, disks: [{ size: 1 }] })).toBe('success');
    const twin = `${id}/running_pool/made`;
    expect(await call('register_vm', twin)).toBe(
      `failed:EXISTS: register ${twin}: that directory is registered as ${GUEST}; use that name`,
    );
    expect(await call('create_vm', twin, newGuest)).toMatch(/^failed:EXISTS/);
    expect(await daemon.local('list_unregistered_vms')).toEqual([]);
  });
});
