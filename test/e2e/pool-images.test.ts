import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { serveFiles } from '../support/web-server.ts';
import { mountSmall, unmount } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const MIB = 2 ** 20;

let daemon: Daemon;
const cleanUp: (() => void)[] = [];

beforeEach(async () => {
  daemon = await new Daemon().start();
  for (const pool of ['iso_pool', 'sharedDisk']) mkdirSync(place(`/OVS/${pool}`), { recursive: true });
});

afterEach(async () => {
  for (const undo of cleanUp.splice(0)) undo();
  await daemon.dispose();
});

const place = (path: string): string => daemon.paths.onDisk(path);
const call = async (method: string, ...args: unknown[]): Promise<string> => String(await daemon.local(method, ...args));
const content = Buffer.alloc(3 * MIB + 17, 'an installation disc ');
const sum = createHash('sha256').update(content).digest('hex');

describe('ISOs', () => {
  it('come over http, are listed with the guests that have them, and are not removed under a guest', async () => {
    const elsewhere = temporaryDirectory();
    writeFileSync(join(elsewhere, 'el5.iso'), content);
    writeFileSync(join(elsewhere, 'el5.iso.sha256'), `${sum}  el5.iso\n`);
    const url = `${await serveFiles(elsewhere)}/el5.iso`;
    expect(await call('import_iso', url, 'linux/el5.iso')).toBe('success:iso=/OVS/iso_pool/linux/el5.iso');
    expect(await call('import_iso', url, 'other.iso', sum)).toBe('success:iso=/OVS/iso_pool/other.iso');
    expect(readFileSync(place('/OVS/iso_pool/linux/el5.iso'))).toEqual(content);

    const guest = '/OVS/running_pool/guest';
    daemon.makeGuest('guest', [`disk = ['file:/OVS/iso_pool/linux/el5.iso,hdc:cdrom,r']`]);
    expect(await call('register_vm', guest)).toBe('success');
    const isos = async (): Promise<unknown> => daemon.local('list_isos');
    const own = { name: 'linux/el5.iso', path: '/OVS/iso_pool/linux/el5.iso', size_mib: 4 };
    const other = { name: 'other.iso', path: '/OVS/iso_pool/other.iso', size_mib: 4, used_by: [] };
    expect(await isos()).toEqual([{ ...own, used_by: [{ path: guest, target: 'hdc', running: false }] }, other]);
    expect(await call('delete_iso', 'linux/el5.iso')).toBe(
      `failed:IN_USE: delete /OVS/iso_pool/linux/el5.iso: ${guest} has it as hdc; take it out of the guest first`,
    );
    expect(await call('start_vm', guest)).toMatch(/^success/);
    expect(await isos()).toEqual([{ ...own, used_by: [{ path: guest, target: 'hdc', running: true }] }, other]);
    expect(await call('delete_iso', '/OVS/iso_pool/linux/el5.iso')).toContain(`${guest} runs with it as hdc`);
    expect(await call('delete_iso', 'other.iso')).toBe('success');
    expect(await call('stop_vm', guest, true)).toMatch(/^success/);
    expect(await call('delete_vm', guest)).toBe('success');
    expect(await call('delete_iso', 'linux/el5.iso')).toBe('success');
    expect(await isos()).toEqual([]);
  });

  it('that are not what they should be are refused, and nothing of them is left', async () => {
    const elsewhere = temporaryDirectory();
    writeFileSync(join(elsewhere, 'el5.iso'), content);
    const url = `${await serveFiles(elsewhere)}/el5.iso`;
    expect(await call('import_iso', url, 'there.iso')).toMatch(/^success/);
    const refusals: [readonly unknown[], RegExp][] = [
      [[url, 'x.iso', '0'.repeat(64)], /^failed:BAD_VALUE: .*SHA-256/],
      [[url, 'group/x.iso', '0'.repeat(64)], /^failed:BAD_VALUE: .*SHA-256/],
      [[`${url}x`, 'x.iso'], /^failed:NO_SUCH_FILE: /],
      [[url, 'there.iso'], /^failed:EXISTS: /],
      [[url, '../x.iso'], /^failed:BAD_VALUE: /],
      [[url, 'a/b/x.iso'], /^failed:BAD_VALUE: /],
      [[url, '/etc/x.iso'], /^failed:BAD_VALUE: /],
      [[url, '/OVS/running_pool/x.iso'], /^failed:BAD_VALUE: /],
      [['/etc/passwd', 'x.iso'], /^failed:BAD_VALUE: .*outside the repositories/],
    ];
    for (const [args, reason] of refusals) expect(await call('import_iso', ...args), String(args[1])).toMatch(reason);
    expect(await call('delete_iso', 'none.iso')).toMatch(/^failed:NO_SUCH_FILE: /);
    expect(readdirSync(place('/OVS/iso_pool'))).toEqual(['there.iso']);
  });

  it('for which there is no room are given up, and other guests keep theirs', async () => {
    const other = '/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF';
    mountSmall(place(other), 40);
    cleanUp.push(() => unmount(place(other)));
    mkdirSync(place(`${other}/iso_pool`));
    const elsewhere = temporaryDirectory();
    writeFileSync(join(elsewhere, 'large.iso'), Buffer.alloc(64 * MIB, 'data'));
    const url = `${await serveFiles(elsewhere)}/large.iso`;
    expect(await call('import_iso', url, `${other}/iso_pool/large.iso`)).toMatch(/^failed:NO_RESOURCES: /);
    expect(existsSync(place(`${other}/iso_pool/large.iso`))).toBe(false);
    expect(readdirSync(place(`${other}/iso_pool`))).toEqual([]);
  });
});
