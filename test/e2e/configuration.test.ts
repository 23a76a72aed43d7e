import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { demoGuest } from '../support/demo-guest.ts';
import { DiskImages } from '../support/disk-image.ts';
import { makeImage } from '../support/image.ts';
import { NetworkNamespace } from '../support/network-namespace.ts';
import { connectRfb, securityTypes } from '../support/rfb-client.ts';
import { SerialLine } from '../support/serial-line.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

/** The shell of a guest: a line in, what it prints out. */
class Shell {
  readonly #line: SerialLine;

  private constructor(line: SerialLine) {
    this.#line = line;
  }

  static async of(path: string): Promise<Shell> {
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    onTestFinished(() => line.close());
    await line.expect(/DEMO-GUEST-UP/);
    await line.untilShell();
    return new Shell(line);
  }

  /** @returns what the command printed, and its exit code behind it */
  async run(command: string): Promise<string> {
    this.#line.type(`echo BE""GIN; ${command}; echo "EN""D $?"`);
    const [, output = '', code = ''] = await this.#line.expect(/BEGIN\r?\n([\s\S]*?)END (\d+)/);
    return `${output.replaceAll('\r', '').trim()} [${code}]`.trim();
  }

  /** Runs a command again and again until it prints what is waited for. */
  async until(command: string, pattern: RegExp): Promise<void> {
    await waitUntil(
      `${command} prints ${String(pattern)}`,
      async () => pattern.test(await this.run(command)),
      20_000,
      200,
    );
  }
}

async function ok(method: string, ...params: unknown[]): Promise<string> {
  const reply = await daemon.local(method, ...params);
  expect(reply).toMatch(/^success/);
  return String(reply);
}

function configOf(path: string): string {
  return readFileSync(daemon.paths.onDisk(`${path}/vm.cfg`), 'utf8');
}

function labelledImage(path: string, label: string): void {
  makeImage(daemon.paths.onDisk(path));
  const descriptor = openSync(daemon.paths.onDisk(path), 'r+');
  writeFileSync(descriptor, label);
  closeSync(descriptor);
}

describe('disks of a real guest', () => {
  it('two that can be written, one that cannot; a second guest is kept away from them by name', async () => {
    daemon = await new Daemon().start();
    const folder = '/OVS/running_pool/owner';
    const disks = `disk = ['file:${folder}/a.img,xvda,w', 'file:${folder}/b.img,xvdb,w', 'file:${folder}/c.img,xvdc,r']`;
    const path = daemon.makeGuest('owner', [disks]);
    for (const name of ['a', 'b', 'c']) labelledImage(`${folder}/${name}.img`, name);
    await ok('start_vm', path);
    const shell = await Shell.of(path);
    expect(await shell.run('echo second > /dev/vdb; sync; dd if=/dev/vdb bs=6 count=1 2>/dev/null')).toBe('second [0]');
    expect(await shell.run('cat /sys/block/vda/ro /sys/block/vdc/ro')).toBe('0\n1 [0]');
    expect(await shell.run('dd if=/dev/zero of=/dev/vdc bs=512 count=1 conv=fsync 2>/dev/null')).toBe('[1]');
    expect(readFileSync(daemon.paths.onDisk(`${folder}/c.img`)).toString('latin1', 0, 1)).toBe('c');

    const thief = daemon.makeGuest('thief', [`disk = ['file:${folder}/b.img,xvda,w']`]);
    expect(await daemon.local('start_vm', thief)).toMatch(
      /^failed:IN_USE: start \/OVS\/running_pool\/thief: disk xvda \(\/OVS\/running_pool\/owner\/b\.img\) is in use by \/OVS\/running_pool\/owner, as xvdb with mode w/,
    );
    const reader = daemon.makeGuest('reader', [`disk = ['file:${folder}/c.img,xvda,r']`]);
    await ok('start_vm', reader);
  });

  it('one that another program holds is refused with the name of that program', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('locked', ["disk = ['file:/OVS/running_pool/locked/a.img,xvda,w']"]);
    const image = daemon.paths.onDisk(`${path}/a.img`);
    makeImage(image);
    const holder = spawn('qemu-io', ['-f', 'raw', image], { stdio: ['pipe', 'pipe', 'ignore'] });
    onTestFinished(() => void holder.kill('SIGKILL'));
    await new Promise(resolve => holder.stdout.once('data', resolve));
    expect(await daemon.local('start_vm', path)).toMatch(
      new RegExp(`^failed:IN_USE: .*lock.*a\\.img is open in process ${holder.pid} \\(qemu-io\\)`),
    );
    expect(await daemon.status(path)).toBe('DOWN');
  });

  it('one comes and goes while the guest runs, and stays in its file', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('growing', ['# disks come below']);
    labelledImage(`${path}/data.img`, 'hot-plugged');
    await ok('start_vm', path);
    const shell = await Shell.of(path);
    expect(await ok('xen_get_vdisks', path)).toBe('success:vdisks=');
    await ok('xen_add_disk', path, `${path}/data.img`, 'w');
    await shell.until('cat /proc/partitions', /vda/);
    expect(await shell.run('dd if=/dev/vda bs=11 count=1 2>/dev/null')).toBe('hot-plugged [0]');
    expect(configOf(path)).toContain(`# disks come below\ndisk = ['file:${path}/data.img,xvda,w']\n`);
    expect(await ok('xen_get_vdisks', path)).toBe(`success:vdisks=${path}/data.img`);
    expect(await daemon.local('xen_add_disk', path, `${path}/data.img`, 'w')).toMatch(/^failed:EXISTS: /);
    await ok('xen_remove_disk', path, `${path}/data.img`);
    expect(await shell.run('grep -c vda /proc/partitions')).toBe('0 [1]');
    expect(configOf(path)).toContain('disk = []\n');
    expect(await daemon.local('xen_add_disk', path, '/etc/passwd', 'r')).toMatch(
      /^failed:(?:BAD_CONFIG|NO_SUCH_FILE): /,
    );
    expect(configOf(path)).toContain('disk = []\n');
  });
});

describe('a CD-ROM', () => {
  it('is changed and ejected while the guest runs', async () => {
    daemon = await new Daemon().start();
    for (const name of ['one', 'two']) labelledImage(`/OVS/iso_pool/${name}.iso`, `disc ${name}`);
    const path = daemon.makeGuest('reading', ["disk = ['file:/OVS/iso_pool/one.iso,xvdc:cdrom,r']"]);
    await ok('start_vm', path);
    const shell = await Shell.of(path);
    const label = 'dd if=/dev/sr0 bs=8 count=1 2>/dev/null';
    await shell.until(label, /disc one/);
    await ok('xen_change_vm_cdrom', path, '/OVS/iso_pool/two.iso', 'both');
    await shell.until(label, /disc two/);
    expect(configOf(path)).toContain("disk = ['file:/OVS/iso_pool/two.iso,xvdc:cdrom,r']");
    await ok('xen_change_vm_cdrom', path, '', 'both');
    await shell.until(label, /^\[1\]$/);
    expect(configOf(path)).toContain("disk = [',xvdc:cdrom,r']");
    await ok('xen_change_vm_cdrom', path, '/OVS/iso_pool/one.iso', 'cfg');
    expect(await shell.run(label)).toBe('[1]');
    expect(configOf(path)).toContain('one.iso');
    expect(await daemon.local('xen_change_vm_cdrom', path, '/OVS/iso_pool/none.iso', 'both')).toMatch(
      /^failed:NO_SUCH_FILE: /,
    );
  });
});

describe('network cards', () => {
  it('of two guests on a bridge reach each other; a second card is added while the guest runs', async () => {
    const namespace = new NetworkNamespace('xenbr0');
    daemon = await new Daemon([], namespace.name).start();
    const [one, two] = ['one', 'two'].map(name => daemon.makeGuest(name, ["vif = ['bridge=xenbr0']"])) as [
      string,
      string,
    ];
    await ok('start_vm', one);
    await ok('start_vm', two);
    expect(configOf(one)).toMatch(/vif = \['mac=00:16:3e:[0-9a-f:]{8}, bridge=xenbr0'\]/);
    expect(namespace.portsOf('xenbr0')).toHaveLength(2);
    const [first, second] = [await Shell.of(one), await Shell.of(two)];
    await first.run('ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up');
    await second.run('ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up');
    await first.until('ping -c 1 -W 2 10.9.0.2', /1 packets received/);

    await ok('xen_set_vifs', one, '00:16:3e:00:00:99,xenbr0,netfront');
    await first.until('ip link', /00:16:3e:00:00:99/);
    await first.run('ip addr flush dev eth0; ip addr add 10.9.0.3/24 dev eth1; ip link set eth1 up');
    await first.until('ping -c 1 -W 2 10.9.0.2', /1 packets received/);
    expect(await ok('xen_get_vifs', one)).toMatch(
      /^success:vif0=[0-9a-f:]+,xenbr0,netfront;vif1=00:16:3e:00:00:99,xenbr0,netfront$/,
    );
    expect(namespace.portsOf('xenbr0')).toHaveLength(3);
    await ok('xen_remove_vif', one, '00:16:3e:00:00:99');
    expect(namespace.portsOf('xenbr0')).toHaveLength(2);
    expect(await daemon.local('xen_set_vifs', one, ',xenbr9,')).toMatch(
      /^failed:NO_RESOURCES: .*bridge "xenbr9" is not on this server/,
    );

    await ok('stop_vm', one, true);
    expect(namespace.portsOf('xenbr0')).toHaveLength(1);
    await daemon.signal('SIGKILL');
    process.kill(daemon.qemuOf(two)!, 'SIGKILL');
    await waitUntil('QEMU has ended', () => daemon.qemuOf(two) === undefined);
    await daemon.start();
    expect(namespace.interfaces().sort()).toEqual(['lo', 'xenbr0']);
  });

  it('with a rate: it holds, or the start is refused with what the kernel lacks', async () => {
    const namespace = new NetworkNamespace('xenbr0');
    daemon = await new Daemon([], namespace.name).start();
    const path = daemon.makeGuest('limited', ["vif = ['bridge=xenbr0, rate=10Mb/s, vifname=web0']"]);
    const reply = String(await daemon.local('start_vm', path));
    if (reply.startsWith('success')) {
      expect(namespace.run('tc', 'filter', 'show', 'dev', 'web0', 'parent', 'ffff:')).toMatch(/police .*rate 10Mbit/);
    } else {
      expect(reply).toMatch(/^failed:NOT_SUPPORTED: rate in vif: this server cannot limit it .*act_police/);
      expect(namespace.interfaces().sort()).toEqual(['lo', 'xenbr0']);
    }
  });

  it('with a name of their own on the server come and go again', async () => {
    const namespace = new NetworkNamespace('xenbr0');
    daemon = await new Daemon([], namespace.name).start();
    const path = daemon.makeGuest('named');
    await ok('start_vm', path);
    await Shell.of(path);
    for (let round = 0; round < 2; round++) {
      await ok('set_vm_config', path, { vif: ['mac=00:16:3e:00:00:42, bridge=xenbr0, vifname=mytap'] });
      expect(namespace.interfaces()).toContain('mytap');
      await ok('xen_remove_vif', path, '00:16:3e:00:00:42');
      expect(namespace.interfaces()).not.toContain('mytap');
    }
  });

  it('never take or remove an interface of somebody else', async () => {
    const namespace = new NetworkNamespace('xenbr0');
    namespace.run('ip', 'link', 'add', 'theirs0', 'type', 'bridge');
    daemon = await new Daemon([], namespace.name).start();
    const path = daemon.makeGuest('named', ["vif = ['bridge=xenbr0, vifname=theirs0']"]);
    expect(await daemon.local('start_vm', path)).toMatch(
      /^failed:NO_RESOURCES: network interface theirs0: it is there already/,
    );
    expect(namespace.interfaces()).toContain('theirs0');
    const other = daemon.makeGuest('other');
    await ok('start_vm', other);
    expect(await daemon.local('set_vm_config', other, { vif: ['bridge=xenbr0, vifname=theirs0'] })).toMatch(
      /^failed:NO_RESOURCES: /,
    );
    await ok('stop_vm', other, true);
    expect(namespace.interfaces()).toContain('theirs0');
  });

  it('with the address or the uuid of a guest that runs keep their guest from starting', async () => {
    daemon = await new Daemon().start();
    const first = daemon.makeGuest('first', [
      "vif = ['mac=00:16:3e:00:00:01']",
      "uuid = '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11'",
    ]);
    const mac = daemon.makeGuest('mac', ["vif = ['mac=00:16:3E:00:00:01']"]);
    const uuid = daemon.makeGuest('uuid', ["uuid = '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11'"]);
    await ok('start_vm', first);
    expect(await daemon.local('start_vm', mac)).toMatch(
      /^failed:IN_USE: .*first runs with the same network address 00:16:3e:00:00:01/,
    );
    expect(await daemon.local('start_vm', uuid)).toMatch(/^failed:IN_USE: .*first runs with the same uuid/);
  });
});

describe('memory and processors', () => {
  it('grow while the guest runs, as the system inside sees', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('resized', ['maxmem = 352', "maxvcpus = '2'"], 'memhp_default_state=online');
    await ok('start_vm', path);
    const shell = await Shell.of(path);
    const memoryKib = async (): Promise<number> =>
      Number(/MemTotal:\s+(\d+)/.exec(await shell.run('grep MemTotal /proc/meminfo'))?.[1]);
    const before = await memoryKib();
    await ok('xen_set_memory', path, 224);
    await waitUntil('the memory is there', async () => (await memoryKib()) > before + 100 * 1024, 20_000, 200);
    expect(configOf(path)).toContain('memory = 224\n');
    expect(await ok('xen_get_memory', path)).toBe('success:memory=224');
    await ok('xen_set_vcpus', path, 2);
    await shell.until('cat /sys/devices/system/cpu/present', /^0-1 /);
    expect(configOf(path)).toContain('vcpus = 2\n');
    expect(await daemon.local('xen_set_memory', path, 2048)).toMatch(/^failed:NOT_SUPPORTED: .*maxmem/);
    expect(await daemon.local('xen_set_vcpus', path, 3)).toMatch(/^failed:NOT_SUPPORTED: .*maxvcpus/);
    expect(configOf(path)).toContain('memory = 224\nvcpus = 2\n');
  });
});

describe('the display', () => {
  it('lets a viewer in by its password, which is changed while the guest runs; an empty one lets nobody in', async () => {
    daemon = await new Daemon().start();
    const open = daemon.makeGuest('open', ["vfb = ['type=vnc,vncunused=1']"]);
    const closed = daemon.makeGuest('closed', ["vfb = ['type=vnc,vncunused=1,vncpasswd=first']"]);
    await ok('start_vm', open);
    await ok('start_vm', closed);
    const portOf = async (name: string): Promise<number> => Number((await ok('xen_get_vnc_port', name)).split('=')[1]);
    const size = { width: expect.any(Number) as number, height: expect.any(Number) as number };
    expect(await connectRfb(await portOf('open'))).toEqual({ offered: [securityTypes.none], isIn: true, size });
    const port = await portOf('closed');
    expect(await connectRfb(port, 'first')).toEqual({ offered: [securityTypes.password], isIn: true, size });
    expect(await connectRfb(port, 'wrong')).toMatchObject({ isIn: false });
    await ok('xen_set_vm_vnc_password', closed, 'second');
    expect(await connectRfb(port, 'first')).toMatchObject({ isIn: false });
    expect(await connectRfb(port, 'second')).toMatchObject({ isIn: true });
    await ok('xen_set_vm_vnc_password', closed, '');
    for (const password of ['', 'second']) expect(await connectRfb(port, password)).toMatchObject({ isIn: false });
    expect(configOf(closed)).toContain("vfb = ['type=vnc,vncunused=1,vncpasswd=']");
    expect(await daemon.local('xen_set_vm_vnc_password', open, 'x')).toMatch(
      /^failed:NOT_SUPPORTED: .*asks for no password/,
    );
    expect(configOf(open)).toContain("vfb = ['type=vnc,vncunused=1']");
    expect(daemon.log()).not.toMatch(/vncpasswd|second/);
  });
});

describe('pygrub', () => {
  it("boots the kernel out of a partitioned disk, by the guest's own menu", async () => {
    daemon = await new Daemon().start();
    const images = new DiskImages(temporaryDirectory());
    const arguments_ = 'console=hvc0 quiet mitigations=off cryptomgr.notests demo.name=from-the-menu';
    const boot = images.ext(
      {
        'grub2/grub.cfg': `set default="1"\nmenuentry 'Old' {\n linux /none\n}\nmenuentry 'New' {\n linux /vmlinuz ${arguments_}\n initrd /initramfs.img\n}\n`,
        vmlinuz: readFileSync(demoGuest.kernel),
        'initramfs.img': readFileSync(demoGuest.ramdisk),
      },
      { sizeMib: 32 },
    );
    const disk = images.disk('dos', [{ image: boot, active: true }, { image: images.ext({ 'etc/x': 'y' }) }]);
    const path = daemon.makeGuestFile('pygrub', [
      "bootloader = '/usr/bin/pygrub'",
      'memory = 96',
      "extra = 'demo.tick=1'",
      "disk = ['file:/OVS/running_pool/pygrub/System.img,xvda,w']",
    ]);
    writeFileSync(daemon.paths.onDisk(`${path}/System.img`), readFileSync(disk));
    await ok('start_vm', path);
    const shell = await Shell.of(path);
    expect(await shell.run('cat /proc/cmdline')).toMatch(/demo\.name=from-the-menu demo\.tick=1/);
    await ok('stop_vm', path, true);

    const config = daemon.paths.onDisk(`${path}/vm.cfg`);
    writeFileSync(config, configOf(path).replace('extra =', "bootargs = '--entry=Other'\nextra ="));
    expect(await daemon.local('start_vm', path)).toMatch(
      /^failed:BAD_CONFIG: start .*pygrub, disk xvda: .*there is no such entry; it has 0 "Old", 1 "New"/,
    );
    makeImage(daemon.paths.onDisk(`${path}/System.img`));
    expect(await daemon.local('start_vm', path)).toMatch(/^failed:NOT_SUPPORTED: start .*pygrub, disk xvda: /);
  });
});

describe('a guest file', () => {
  it('is read and changed over RPC; a stale digest, a bad value and a failed change leave it as it is', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('edited', ['# a comment', "OVM_note = 'x'"]);
    const { config, digest } = (await daemon.local('get_vm_config', path)) as {
      config: Record<string, unknown>;
      digest: string;
    };
    expect(config).toMatchObject({ name: 'edited', memory: 96, OVM_note: 'x' });
    const before = configOf(path);
    const changed = await ok('set_vm_config', path, { memory: 112, OVM_note: 'y', on_crash: 'destroy' }, digest);
    expect(configOf(path)).toBe(
      `${before.replace('memory = 96', 'memory = 112').replace("OVM_note = 'x'", "OVM_note = 'y'")}on_crash = 'destroy'\n`,
    );
    const after = configOf(path);
    expect(await daemon.local('set_vm_config', path, { memory: 64 }, digest)).toMatch(/^failed:STALE: /);
    expect(await daemon.local('set_vm_config', path, { memory: 'much' })).toMatch(/^failed:BAD_CONFIG: .*memory/);
    expect(await daemon.local('set_vm_config', path, { 'a b': 1 })).toMatch(/^failed:BAD_VALUE: /);
    expect(configOf(path)).toBe(after);
    expect(changed).not.toContain(digest);
  });

  it('is corrected after it was copied, and set up for its boot', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuestFile('copy', [
      "builder = 'hvm'",
      'memory = 64',
      "disk = ['file:/OVS/seed_pool/template/System.img,hda,w']",
      "vif = ['mac=00:16:3e:00:00:01']",
      "vif_other_config = [['00:16:3e:00:00:01', 'tc', 8], ['00:16:3e:aa:00:00', 'tc', 8]]",
    ]);
    makeImage(daemon.paths.onDisk(`${path}/System.img`));
    await ok('xen_correct_cfg', `${path}/vm.cfg`, path);
    await ok('xen_correct_qos_cfg', `${path}/vm.cfg`);
    await ok('xen_config_boot_sequence', path, 'dc');
    expect(configOf(path)).toContain(`disk = [',hdc:cdrom,r', 'file:${path}/System.img,hda,w']`);
    expect(configOf(path)).toContain("vif_other_config = [['00:16:3e:00:00:01', 'tc', 8]]");
    expect(configOf(path)).toContain("boot = 'dc'\n");
    expect(await ok('xen_get_vm_type', path)).toBe('success:type=hvm');
    expect(await ok('xen_get_vifs', path)).toBe('success:vif0=00:16:3e:00:00:01,,ioemu');
    await ok('xen_set_vcpus', path, 2);
    expect(await ok('xen_get_vcpus', path)).toBe('success:vcpus=2');
    await ok('start_vm', path);
  });

  it('is checked by "ovs-agent check", which mends what is safe, with and without an agent', async () => {
    daemon = new Daemon();
    const path = daemon.makeGuestFile('troubled', [
      "name = 'other'",
      "builder = 'hvm'",
      'memory = 64',
      "boot = 'dc'",
      "disk = ['file:/OVS/running_pool/troubled/System.img,hda1,w',",
      "        ',hdc:cdrom,r']  # the drive",
      'memroy = 128',
    ]);
    const found = daemon.program('ovs-agent', ['check', path]);
    expect(found.exitCode).toBe(1);
    for (const code of ['NAME_DIFFERS', 'PARTITION_OF_HVM', 'NO_CONSOLE', 'UNKNOWN_KEY'])
      expect(found.stdout).toContain(code);
    expect(found.stdout).toMatch(/ERROR {3}FILE_UNUSABLE\n +line 5: disk hda1 .*System\.img" is not there/);
    makeImage(daemon.paths.onDisk(`${path}/System.img`));

    await daemon.start();
    await ok('register_vm', path);
    const fixed = daemon.program('ovs-agent', ['check', 'troubled', '--fix', '--json']);
    expect(fixed.exitCode).toBe(0);
    expect((JSON.parse(fixed.stdout) as { code: string }[]).map(finding => finding.code)).toEqual(['UNKNOWN_KEY']);
    expect(configOf(path)).toBe(
      [
        "name = 'troubled'",
        "builder = 'hvm'",
        'memory = 64',
        "boot = 'dc'",
        "disk = [',hdc:cdrom,r', 'file:/OVS/running_pool/troubled/System.img,hda,w']  # the drive",
        'memroy = 128',
        'vnc = 1',
        'vncunused = 1',
        '',
      ].join('\n'),
    );
    expect(daemon.program('ovs-agent', ['check', 'nobody']).stderr).toMatch(/no guest of that name/);
  });
});
