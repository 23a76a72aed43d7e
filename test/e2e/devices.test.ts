import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { SerialLine } from '../support/serial-line.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

function makeImage(path: string, bytes = 1 << 20): void {
  const file = daemon.paths.onDisk(path);
  writeFileSync(file, '');
  truncateSync(file, bytes);
}

/** The security types that a VNC server offers (RFC 6143, 7.1.2): 1 is none, 2 asks for a password. */
function vncSecurityTypes(port: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('data', data => {
      received = Buffer.concat([received, data]);
      if (received.length === 12) socket.write('RFB 003.008\n');
      if (received.length > 12) {
        resolve([...received.subarray(13, 13 + received[12]!)]);
        socket.destroy();
      }
    });
  });
}

describe('the devices of a guest', () => {
  it('disks on every bus, a CD-ROM, a display: QEMU takes them all', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuestFile('hvm', [
      "builder = 'hvm'",
      'memory = 64',
      "boot = 'dc'",
      'vnc = 1',
      'vncunused = 1',
      "vncpasswd = 'secret'",
      "usbdevice = 'tablet'",
      "serial = 'pty'",
      "disk = ['file:/OVS/running_pool/hvm/a.img,hda,w', 'file:/OVS/iso_pool/cd.iso,hdc:cdrom,r',",
      "        'file:/OVS/running_pool/hvm/b.img,sda,w', 'file:/OVS/running_pool/hvm/c.img,xvda,r', ',hdd:cdrom,r']",
      "vif = ['type=ioemu, model=e1000', 'type=netfront']",
    ]);
    for (const name of ['a', 'b', 'c']) makeImage(`${path}/${name}.img`);
    makeImage('/OVS/iso_pool/cd.iso');
    expect(await daemon.local('start_vm', path)).toMatch(/^success=ip=/);
    expect(await daemon.local('xen_get_vm_type', path)).toBe('success:type=hvm');
    const [, port] = /^success:vnc_port=(\d+)$/.exec(String(await daemon.local('xen_get_vnc_port', 'hvm'))) ?? [];
    expect(await vncSecurityTypes(Number(port))).toEqual([2]);
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(await daemon.local('xen_get_vnc_port', 'hvm')).toMatch(/^failed:WRONG_STATE: /);
  });

  it('a display without the key for a password asks for none; one with an empty password lets nobody in', async () => {
    daemon = await new Daemon().start();
    const open = daemon.makeGuest('open', ["vfb = ['type=vnc,vncunused=1']"]);
    const closed = daemon.makeGuest('closed', ["vfb = ['type=vnc,vncunused=1,vncpasswd=']"]);
    await daemon.local('start_vm', open);
    await daemon.local('start_vm', closed);
    const port = async (name: string): Promise<number> =>
      Number(String(await daemon.local('xen_get_vnc_port', name)).split('=')[1]);
    expect(await port('open')).not.toBe(await port('closed'));
    expect(await vncSecurityTypes(await port('open'))).toEqual([1]);
    expect(await vncSecurityTypes(await port('closed'))).toEqual([2]);
  });

  it('a disk is there inside, and takes what is written to it', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('disk', ["disk = ['file:/OVS/running_pool/disk/System.img,xvda,w']"]);
    makeImage(`${path}/System.img`);
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    await line.untilShell();
    line.type('echo written by the guest | dd of=/dev/vda conv=fsync 2>/dev/null; echo DO""NE-$?');
    await line.expect(/DONE-0/);
    line.close();
    await daemon.local('stop_vm', path, true);
    const image = execFileSync('head', ['-c', '20', daemon.paths.onDisk(`${path}/System.img`)]).toString();
    expect(image).toBe('written by the guest');
  });

  it('a card without a bridge gets an address by DHCP', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('card', ["vif = ['']"]);
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-NET 10\.0\.2\.\d+/);
    line.close();
  });

  it('a card on a bridge is a port of it for as long as the guest runs, and survives a restart of the agent', async () => {
    const namespace = `oa-${process.pid}`;
    const inNamespace = (...args: string[]): string =>
      execFileSync('ip', ['netns', 'exec', namespace, ...args]).toString();
    execFileSync('ip', ['netns', 'add', namespace]);
    onTestFinished(() => void execFileSync('ip', ['netns', 'del', namespace]));
    inNamespace('ip', 'link', 'set', 'lo', 'up');
    inNamespace('ip', 'link', 'add', 'xenbr0', 'type', 'bridge');
    inNamespace('ip', 'link', 'set', 'xenbr0', 'up');
    const ports = (): string[] =>
      inNamespace('ip', '-o', 'link', 'show', 'master', 'xenbr0').trim().split('\n').filter(Boolean);
    daemon = await new Daemon([], namespace).start();
    const path = daemon.makeGuest('bridged', ["vif = ['mac=00:16:3e:00:00:07, bridge=xenbr0']"]);
    const stray = daemon.makeGuest('stray', ["vif = ['bridge=xenbr9']"]);

    expect(await daemon.local('start_vm', path)).toMatch(/^success=ip=/);
    expect(ports()).toHaveLength(1);
    expect(ports()[0]).toMatch(/,UP/);
    await daemon.signal('SIGKILL');
    await daemon.start();
    expect(ports()).toHaveLength(1);
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(ports()).toHaveLength(0);
    expect(await daemon.local('start_vm', stray)).toMatch(
      /^failed:NO_RESOURCES: .*bridge "xenbr9" is not on this server/,
    );
  });

  it('a qcow2 image that names another file is refused', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('overlay', ["disk = ['tap:qcow2:/OVS/running_pool/overlay/System.img,xvda,w']"]);
    mkdirSync(daemon.paths.onDisk('/etc/secret'), { recursive: true });
    makeImage('/etc/secret/base.img');
    execFileSync('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'raw',
      '-b',
      daemon.paths.onDisk('/etc/secret/base.img'),
      daemon.paths.onDisk(`${path}/System.img`),
    ]);
    expect(await daemon.local('start_vm', path)).toMatch(/^failed:NOT_SUPPORTED: .*a backing file/);
  });

  it('QEMU holds no descriptor of the agent', async () => {
    daemon = await new Daemon().start();
    const path = daemon.makeGuest('descriptors');
    await daemon.local('start_vm', path);
    const directory = `/proc/${daemon.qemuOf(path)}/fd`;
    const targets = readdirSync(directory).map(name =>
      execFileSync('readlink', [`${directory}/${name}`])
        .toString()
        .trim(),
    );
    const ours = targets.filter(target => target.startsWith(daemon.root));
    expect(new Set(ours)).toEqual(
      new Set([daemon.runDirectory(path).logFile, daemon.runDirectory(path).files.processId]),
    );
    await daemon.local('stop_vm', path, true);
  });
});
