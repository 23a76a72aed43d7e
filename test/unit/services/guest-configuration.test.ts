import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Driver } from '../../../src/drivers/driver.ts';
import { AgentError } from '../../../src/errors.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import {
  caller,
  guestPath as path,
  guestServices,
  type TestedServices,
  writeGuest,
} from '../../support/guest-services.ts';

function fileOf({ root }: TestedServices): string {
  return readFileSync(join(root, path, 'vm.cfg'), 'utf8');
}

function addImage({ root }: TestedServices, given: string): void {
  mkdirSync(dirname(join(root, given)), { recursive: true });
  writeFileSync(join(root, given), '');
}

/** The driver with one of its acts failing. */
function failing(act: keyof Driver): (driver: Driver) => Driver {
  return driver =>
    new Proxy(driver, {
      get(target, name) {
        if (name === act) return () => Promise.reject(new AgentError('HYPERVISOR', `${act}: it failed`));
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
}

describe('a change of a guest file', () => {
  it('changes the guest that runs with it, and its record', async () => {
    const services = guestServices({ lines: ['maxmem = 512', "vcpus = '1'", 'maxvcpus = 4'] });
    await services.lifecycle.start(caller, path);
    await services.configuration.setMemory(caller, path, 256);
    await services.configuration.setVcpus(caller, path, 3);
    expect(services.machine.domains.get(path)).toMatchObject({ memoryMib: 256, vcpus: 3 });
    expect(services.records.get(path).fields).toMatchObject({ memory: 256, vcpus: 3 });
    expect(fileOf(services)).toContain("memory = 256\nmaxmem = 512\nvcpus = '3'\n");
  });

  it.each<[keyof Driver, (services: TestedServices) => Promise<void>]>([
    ['setMemory', ({ configuration }) => configuration.setMemory(caller, path, 128)],
    ['setVcpus', ({ configuration }) => configuration.setVcpus(caller, path, 2)],
    ['attachDisk', ({ configuration }) => configuration.addDisk(caller, path, '/OVS/data.img', 'w')],
    [
      'attachNetworkInterface',
      ({ configuration }) =>
        configuration.addCard(caller, path, { mac: undefined, bridge: undefined, type: undefined }),
    ],
    ['setVncPassword', ({ configuration }) => configuration.setVncPassword(caller, path, 'new')],
    ['changeMedium', ({ configuration }) => configuration.changeCdrom(caller, path, undefined, false)],
  ])('that the hypervisor refuses (%s) leaves the file as it was', async (act, change) => {
    const services = guestServices({
      wrap: failing(act),
      lines: [
        'maxmem = 256',
        'maxvcpus = 2',
        "vfb = ['type=vnc,vncpasswd=old']",
        "disk = ['file:/OVS/cd.iso,xvdc:cdrom,r']",
      ],
    });
    addImage(services, '/OVS/data.img');
    addImage(services, '/OVS/cd.iso');
    await services.lifecycle.start(caller, path);
    const before = fileOf(services);
    await expect(change(services)).rejects.toMatchObject({ code: 'HYPERVISOR' });
    expect(fileOf(services)).toBe(before);
    expect(services.status()).toBe('RUNNING');
  });

  it('of several things is taken back as a whole when one of them fails', async () => {
    const services = guestServices({
      wrap: failing('attachNetworkInterface'),
      lines: ['maxmem = 256', 'maxvcpus = 4'],
    });
    await services.lifecycle.start(caller, path);
    const before = fileOf(services);
    const change = services.configuration.write(
      caller,
      path,
      { memory: 128, vcpus: 2, vif: ['mac=00:16:3e:00:00:05'] },
      undefined,
    );
    await expect(change).rejects.toMatchObject({ code: 'HYPERVISOR' });
    expect(fileOf(services)).toBe(before);
    expect(services.machine.domains.get(path)).toMatchObject({ memoryMib: 64, vcpus: 1 });
  });

  it('of a disk that cannot be exchanged leaves the guest the one it has', async () => {
    const services = guestServices({
      lines: ["disk = ['file:/OVS/a,xvda,w']"],
      wrap: driver =>
        new Proxy(driver, {
          get(target, name) {
            const member: unknown = Reflect.get(target, name);
            if (name !== 'attachDisk') return typeof member === 'function' ? (member.bind(target) as unknown) : member;
            return (guest: typeof path, disk: { source?: string }, context: typeof caller) =>
              disk.source?.endsWith('/b')
                ? Promise.reject(new AgentError('HYPERVISOR', 'it failed'))
                : target.attachDisk(guest, disk as never, context);
          },
        }),
    });
    for (const name of ['a', 'b']) addImage(services, `/OVS/${name}`);
    await services.lifecycle.start(caller, path);
    const change = services.configuration.write(caller, path, { disk: ['file:/OVS/b,xvda,w'] }, undefined);
    await expect(change).rejects.toMatchObject({ code: 'HYPERVISOR' });
    expect(services.driver.holdings()[0]?.disks).toMatchObject([{ target: 'xvda', source: `${services.root}/OVS/a` }]);
    expect(fileOf(services)).toContain('/OVS/a,xvda');
  });

  it('that an agent did not finish before it was killed is finished by the same call again', async () => {
    const services = guestServices({ lines: ["disk = ['file:/OVS/a,xvda,w']"] });
    addImage(services, '/OVS/a');
    await services.lifecycle.start(caller, path);
    // The file was written, and the guest not yet changed.
    writeFileSync(join(services.root, path, 'vm.cfg'), fileOf(services).replace("'file:/OVS/a,xvda,w'", ''));
    await services.configuration.addDisk(caller, path, '/OVS/a', 'w');
    await services.configuration.removeDisk(caller, path, '/OVS/a');
    expect(services.driver.holdings()[0]?.disks).toEqual([]);
  });

  it('takes nothing from a guest that is paused and cannot let go of it', async () => {
    const services = guestServices({ lines: ["disk = ['file:/OVS/a,xvda,w']"] });
    addImage(services, '/OVS/a');
    await services.lifecycle.start(caller, path);
    await services.lifecycle.pause(caller, path);
    await expect(services.configuration.removeDisk(caller, path, 'xvda')).rejects.toMatchObject({
      code: 'WRONG_STATE',
    });
    expect(fileOf(services)).toContain('/OVS/a,xvda');
  });

  it('that asks for more memory than is free changes nothing', async () => {
    const services = guestServices({ lines: ['maxmem = 4096'] });
    await services.lifecycle.start(caller, path);
    await expect(services.configuration.setMemory(caller, path, 2048)).rejects.toMatchObject({ code: 'NO_RESOURCES' });
    expect(fileOf(services)).toContain('memory = 64\n');
  });

  it('is refused while the guest is between two states', async () => {
    const services = guestServices();
    await services.lifecycle.start(caller, path);
    services.machine.set(path, 'unreachable');
    await expect(services.configuration.setMemory(caller, path, 32)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  it('needs no registration, and no guest that could start', async () => {
    const services = guestServices({ lines: ["disk = ['file:/OVS/none.img,xvda,w']"] });
    await services.configuration.setVcpus(caller, path, 2);
    expect(fileOf(services)).toMatch(/\nvcpus = 2\n$/);
    expect(services.records.find(path)).toBeUndefined();
  });

  it('leaves the file with its owner and its permissions', async () => {
    const services = guestServices();
    const file = join(services.root, path, 'vm.cfg');
    chmodSync(file, 0o640);
    chownSync(file, 1234, 1235);
    await services.configuration.setVcpus(caller, path, 2);
    const { gid, mode, uid } = statSync(file);
    expect([uid, gid, mode & 0o777]).toEqual([1234, 1235, 0o640]);
  });

  it('by an old digest is refused, and so is one while somebody else writes', async () => {
    const services = guestServices();
    const { digest } = await services.configuration.read(path);
    await services.configuration.setVcpus(caller, path, 2);
    const late = services.configuration.write(caller, path, { memory: 32 }, digest);
    await expect(late).rejects.toMatchObject({ code: 'STALE' });
    await expect(services.files.write(path, Buffer.from('x'), digest)).rejects.toMatchObject({ code: 'STALE' });
    expect(fileOf(services)).toContain('memory = 64');
  });
});

describe('a CD-ROM', () => {
  it('that was changed in the file only is changed in the drive by the same image again', async () => {
    const services = guestServices({ lines: ["disk = [',xvdc:cdrom,r']"] });
    addImage(services, '/OVS/cd.iso');
    await services.lifecycle.start(caller, path);
    await services.configuration.changeCdrom(caller, path, '/OVS/cd.iso', true);
    expect(services.driver.holdings()[0]?.disks).toEqual([]);
    await services.configuration.changeCdrom(caller, path, '/OVS/cd.iso', false);
    expect(services.driver.holdings()[0]?.disks).toMatchObject([{ target: 'xvdc', mode: 'r' }]);
  });
});

describe('a disk', () => {
  it('gets the first free name of its kind, and its place in the file', async () => {
    const services = guestServices({ lines: ["disk = ['file:/OVS/a,xvda,w']"] });
    for (const name of ['a', 'b', 'c.qcow2']) addImage(services, `/OVS/${name}`);
    await services.configuration.addDisk(caller, path, '/OVS/b', 'r');
    await services.configuration.addDisk(caller, path, 'tap:qcow2:/OVS/c.qcow2', 'w!');
    expect(fileOf(services)).toContain(
      "disk = ['file:/OVS/a,xvda,w', 'file:/OVS/b,xvdb,r', 'tap:qcow2:/OVS/c.qcow2,xvdc,w!']",
    );
    await expect(services.configuration.addDisk(caller, path, 'file:/OVS/b', 'r')).rejects.toMatchObject({
      code: 'EXISTS',
    });
    await services.configuration.removeDisk(caller, path, 'xvdb');
    await expect(services.configuration.removeDisk(caller, path, '/OVS/b')).rejects.toMatchObject({
      code: 'NO_SUCH_RECORD',
    });
  });

  it('of a machine with firmware is on the bus that firmware knows', async () => {
    const services = guestServices();
    writeGuest(services.root, path, ["builder = 'hvm'", "disk = [',hdc:cdrom,r']"]);
    for (const name of ['a', 'b', 'c', 'd']) addImage(services, `/OVS/${name}`);
    for (const name of ['a', 'b', 'c', 'd']) await services.configuration.addDisk(caller, path, `/OVS/${name}`, 'w');
    const { disks } = await services.configuration.get(path);
    expect(disks.map(disk => disk.target)).toEqual(['hdc', 'hda', 'hdb', 'hdd', 'xvda']);
  });

  it('must be there, inside a repository, before a guest that is DOWN gets it', async () => {
    const services = guestServices();
    addImage(services, '/etc/shadow');
    const before = fileOf(services);
    await expect(services.configuration.addDisk(caller, path, '/OVS/none', 'w')).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
    });
    await expect(services.configuration.addDisk(caller, path, '/etc/shadow', 'w')).rejects.toMatchObject({
      code: 'BAD_CONFIG',
    });
    expect(fileOf(services)).toBe(before);
  });

  it('is not given to a running guest while another one has it', async () => {
    const services = guestServices();
    const other = parseGuestPath('/OVS/running_pool/other');
    addImage(services, '/OVS/shared.img');
    writeGuest(services.root, other, ["kernel = '/boot/vmlinuz'", "disk = ['file:/OVS/shared.img,xvda,w']"]);
    await services.lifecycle.start(caller, other);
    await services.lifecycle.start(caller, path);
    const add = services.configuration.addDisk(caller, path, '/OVS/shared.img', 'w');
    await expect(add).rejects.toMatchObject({ code: 'IN_USE', message: expect.stringContaining(other) as string });
    expect(fileOf(services)).not.toContain('shared.img');
  });
});

describe('a start', () => {
  it('takes no ramdisk by a name that the hypervisor would read as two', async () => {
    const services = guestServices({ lines: ["ramdisk = '/OVS/x,/etc/passwd'"] });
    addImage(services, '/OVS/x,/etc/passwd');
    await expect(services.lifecycle.start(caller, path)).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: expect.stringContaining('a comma or a blank in its name') as string,
    });
  });

  it('writes the addresses it makes into the guest file, and nothing else', async () => {
    const services = guestServices({ lines: ["vif = ['', ' ', 'bridge=lo0x'] # three"] });
    await expect(services.lifecycle.start(caller, path)).rejects.toMatchObject({ code: 'NO_RESOURCES' });
    const [one, two, three] = (await services.configuration.get(path)).networkInterfaces.map(card => card.mac);
    expect(fileOf(services)).toContain(`vif = ['mac=${one}', 'mac=${two}', 'mac=${three}, bridge=lo0x'] # three`);
    expect(new Set([one, two, three]).size).toBe(3);
  });

  it('takes kernel and ramdisk out of the disk, with what the guest file adds, and leaves no copy', async () => {
    const seen: { directory: string; image: string; entry: string | undefined }[] = [];
    const services = guestServices({
      bootFiles: {
        find(request) {
          seen.push(request);
          writeFileSync(join(request.directory, 'kernel'), '');
          return Promise.resolve({
            kernel: join(request.directory, 'kernel'),
            ramdisk: undefined,
            commandLine: `menu ${request.commandLine}`,
            title: 'Linux',
            notes: [],
          });
        },
      },
    });
    addImage(services, '/OVS/a.img');
    writeGuest(services.root, path, [
      "bootloader = '/usr/bin/pygrub'",
      "bootargs = '--entry 2'",
      "extra = '3'",
      "disk = [',xvdc:cdrom,r', 'file:/OVS/a.img,xvda,w']",
    ]);
    await services.lifecycle.start(caller, path);
    expect(seen).toMatchObject([{ image: join(services.root, '/OVS/a.img'), entry: '2', commandLine: '3' }]);
    expect(existsSync(seen[0]!.directory)).toBe(false);
  });
});
