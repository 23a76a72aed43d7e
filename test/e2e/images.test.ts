import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { DISK_BYTES, hostileFile, hostileImages, makeImage, makeRaw } from '../support/foreign-images.ts';
import { mountSmall, unmount } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { serveFiles } from '../support/web-server.ts';

const MIB = 2 ** 20;
const GUEST = '/OVS/running_pool/guest';

let daemon: Daemon;
const cleanUp: (() => void)[] = [];

beforeEach(async () => {
  daemon = await new Daemon().start();
  daemon.makeGuest('guest', [`disk = ['file:${GUEST}/System.img,xvda,w']`]);
});

afterEach(async () => {
  for (const undo of cleanUp.splice(0)) undo();
  await daemon.dispose();
});

const place = (path: string): string => daemon.paths.onDisk(path);
const call = async (method: string, ...args: unknown[]): Promise<string> => String(await daemon.local(method, ...args));

describe('the disk of another hypervisor', () => {
  it('is fetched, becomes the disk of a guest that runs from it, and grows', async () => {
    const raw = makeRaw();
    const elsewhere = temporaryDirectory();
    writeFileSync(join(elsewhere, 'disk.vmdk'), readFileSync(makeImage('streamed vmdk', raw)));
    const url = `${await serveFiles(elsewhere)}/disk.vmdk`;
    const image = `${GUEST}/System.img`;
    const before = readdirSync(place(GUEST));
    expect(await call('import_image', url, image)).toBe('success');
    expect(readFileSync(place(image)).equals(readFileSync(raw))).toBe(true);
    expect(readdirSync(place(GUEST)).sort()).toEqual([...before, 'System.img'].sort());
    expect(await call('register_vm', GUEST)).toBe('success');
    expect(await call('start_vm', GUEST)).toMatch(/^success/);
    expect(await call('grow_disk', image, 20)).toBe(
      `failed:IN_USE: grow ${image}: ${GUEST} runs with it as xvda; stop the guest first`,
    );
    expect(await call('stop_vm', GUEST, true)).toMatch(/^success/);
    expect(await call('grow_disk', image, 20)).toBe('success');
    expect(statSync(place(image)).size).toBe(20 * MIB);
    expect(readFileSync(place(image)).subarray(0, DISK_BYTES).equals(readFileSync(raw))).toBe(true);
    expect(await call('grow_disk', image, 10)).toMatch(/^failed:BAD_VALUE: .*not made smaller/);
  });

  it('that cannot be used is refused, and nothing of it is left', async () => {
    const elsewhere = temporaryDirectory();
    const server = await serveFiles(elsewhere);
    const before = readdirSync(place(GUEST));
    for (const kind of [
      'qcow2: backing file /etc/shadow',
      `vmdk: a description with RW 24576 FLAT "/etc/shadow" 0`,
      'vdi: a difference',
    ]) {
      const image = hostileImages.find(({ what }) => what === kind)!;
      writeFileSync(join(elsewhere, 'x'), readFileSync(hostileFile(image)));
      expect(await call('import_image', `${server}/x`, `${GUEST}/System.img`), kind).toMatch(/^failed:NOT_SUPPORTED: /);
    }
    const good = join(elsewhere, 'good');
    writeFileSync(good, readFileSync(makeImage('vdi')));
    const url = `${server}/good`;
    const refusals: [readonly unknown[], RegExp][] = [
      [[url, `${GUEST}/vm.cfg`], /EXISTS/],
      [[url, '/etc/x.img'], /BAD_CONFIG/],
      [[url, '/OVS/running_pool/none/x.img'], /NO_SUCH_FILE/],
      [[url, `${GUEST}/x.img`, '0'.repeat(64)], /BAD_VALUE/],
      [['/etc/passwd', `${GUEST}/x.img`], /BAD_VALUE/],
    ];
    for (const [args, reason] of refusals)
      expect(await call('import_image', ...args), String(args)).toMatch(new RegExp(`^failed:${reason.source}`));
    expect(readdirSync(place(GUEST))).toEqual(before);
    const small = '/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF';
    mountSmall(place(small), 40);
    cleanUp.push(() => unmount(place(small)));
    mkdirSync(place(`${small}/sharedDisk`));
    writeFileSync(join(elsewhere, 'large'), Buffer.alloc(30 * MIB, 'data'));
    expect(await call('import_image', `${server}/large`, `${small}/sharedDisk/x.img`)).toMatch(/^failed:NO_RESOURCES/);
    expect(readdirSync(place(`${small}/sharedDisk`))).toEqual([]);
  });
});
