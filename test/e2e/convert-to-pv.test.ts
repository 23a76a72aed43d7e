import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { DiskImages } from '../support/disk-image.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { treeEl5 } from '../unit/image-files/conversion/guest-tree.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

const path = '/OVS/running_pool/el5';

/** A guest that is registered and down, with the image of an installed Linux. */
async function start(lines: readonly string[] = []): Promise<void> {
  daemon = await new Daemon().start();
  daemon.makeGuestFile('el5', [
    "builder = 'hvm'  # as it was installed",
    'memory = 256',
    `disk = ['file:${path}/System.img,hda,w']`,
    "vif = ['type=ioemu, mac=00:16:3e:00:00:01']",
    'vnc = 1',
    ...lines,
  ]);
  const images = new DiskImages(temporaryDirectory());
  copyFileSync(images.disk('dos', [{ image: images.ext(treeEl5, { type: 'ext3' }) }]), onDisk('System.img'));
  await daemon.call('register_vm', path);
}

const onDisk = (name: string): string => daemon.paths.onDisk(`${path}/${name}`);
const digests = (): string[] =>
  readdirSync(onDisk('')).map(
    name =>
      `${name} ${createHash('sha256')
        .update(readFileSync(onDisk(name)))
        .digest('hex')}`,
  );

describe('convert_to_pv', () => {
  it('shows what it would change and changes nothing, then converts, and has nothing more to convert', async () => {
    await start();
    const before = digests();
    const shown = daemon.program('convert_to_pv', ['el5', '--dry-run']);
    expect(shown).toMatchObject({ exitCode: 0, stderr: '' });
    expect(shown.stdout).toContain(`/etc/fstab (partition 1)
  - /dev/hda1               /boot                   ext3    defaults        1 2
  + /dev/xvda1               /boot                   ext3    defaults        1 2
`);
    expect(shown.stdout).toContain(`${path}: nothing was changed\nLeft to be done in the guest:\n  1. the ramdisk of`);
    expect(digests()).toEqual(before);

    const done = daemon.program('convert_to_pv', ['el5', '--keep']);
    expect(done).toMatchObject({ exitCode: 0, stderr: '' });
    expect(done.stdout).toContain(`${path}: it is paravirtual now\n`);
    expect(digests().find(line => line.startsWith('System.img.before-pv'))).toBe(
      before.find(line => line.startsWith('System.img'))?.replace('System.img', 'System.img.before-pv'),
    );
    expect(readFileSync(onDisk('vm.cfg'), 'utf8')).toBe(`memory = 256
disk = ['file:${path}/System.img,xvda,w']
vif = ['mac=00:16:3e:00:00:01']
bootloader = '/usr/bin/pygrub'
vfb = ['type=vnc']
`);
    const again = daemon.program('convert_to_pv', [path]);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain('it is paravirtual already');
  });

  it('works without an agent, and tells scripts what it did', async () => {
    await start();
    await daemon.stop();
    const { exitCode, stdout } = daemon.program('convert_to_pv', ['el5', '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      guest: path,
      converted: true,
      image: `${path}/System.img`,
      kept: null,
      kernel: '/boot/vmlinuz-2.6.18-164.el5xen',
      left: [expect.any(String)],
    });
    expect(readdirSync(onDisk('')).sort()).toEqual(['System.img', 'vm.cfg']);
  });

  it('leaves a guest alone that is not down', async () => {
    await start();
    await daemon.stop();
    daemon.program('db_kfv', ['vm', 'el5', 'status', 'SUSPEND']);
    const before = digests();
    const { exitCode, stderr } = daemon.program('convert_to_pv', ['el5']);
    expect([exitCode, stderr]).toEqual([
      1,
      `convert_to_pv: convert ${path}: it is SUSPEND; it must be DOWN, and its system shut down cleanly\n`,
    ]);
    expect(digests()).toEqual(before);
  });
});
