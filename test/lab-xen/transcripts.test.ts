import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DomainRow, parseDomainList } from '../../src/drivers/xen/xl-output.ts';
import { runProgram } from '../support/daemon.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';
import { labAddress } from './lab-address.ts';

const PATIENCE_MS = 180_000;
const LOOK_MS = 1_000;

/** The user guide's transcripts against the installed agent of the lab: calls from outside over HTTPS, a look from inside dom0. */
describe('the agent on a real Xen host', () => {
  const { inDom0: ssh, password, url } = labAddress();
  const home = makeTemporaryDirectory();
  const path = '/OVS/running_pool/xen1';

  function doRpc(...args: readonly string[]): ReturnType<typeof runProgram> {
    return runProgram('do_rpc', ['--accept-new', '--timeout', '120', url, ...args], {
      env: { HOME: home, OVS_AGENT_PASSWORD: password },
    });
  }

  /** Runs a command in dom0; what it printed. */
  function dom0(command: string, input = ''): string {
    const [program, ...rest] = ssh;
    const result = spawnSync(program!, [...rest, command], { encoding: 'utf8', input, timeout: PATIENCE_MS });
    if (result.status !== 0) throw new Error(`${command}: ${result.status}: ${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  const domainOf = (name: string): DomainRow | undefined =>
    parseDomainList(dom0('xl list -v')).find(row => row.name === name && !row.isDying);
  /** By the path at which the original had it. */
  const statusOf = (name: string): string => dom0(`/opt/ovs-agent-2.2/db/db_kfv.py vm ${name} status`);
  const until = (what: string, isTrue: () => boolean): Promise<void> => waitUntil(what, isTrue, PATIENCE_MS, LOOK_MS);
  const consoleOf = (name: string): string => dom0(`cat /var/log/xen/console/guest-${name}.log 2>/dev/null || true`);
  const bootsOf = (name: string): number => consoleOf(name).split('GUEST-UP').length - 1;

  const ownKernel = [
    "kernel = '/srv/xen/vmlinux'",
    "ramdisk = '/srv/xen/guest.img'",
    "extra = 'console=hvc0 quiet mitigations=off lab.tick=2'",
  ];

  function makeGuest(name: string, lines: readonly string[] = [], kernel: readonly string[] = ownKernel): string {
    const guest = `/OVS/running_pool/${name}`;
    const file = [`name = '${name}'`, 'memory = 96', ...kernel, ...lines, ''].join('\n');
    dom0(`mkdir -p ${guest} && cat > ${guest}/vm.cfg && rm -f /var/log/xen/console/guest-${name}.log`, file);
    return guest;
  }

  async function startUp(name: string, lines?: readonly string[]): Promise<string> {
    const guest = makeGuest(name, lines);
    expect(doRpc('start_vm', guest)).toMatchObject({ exitCode: 0 });
    await until(`${name} is up`, () => bootsOf(name) === 1);
    return guest;
  }

  /** What the guest prints of itself goes on. */
  async function ticksOn(name: string): Promise<void> {
    const before = consoleOf(name).length;
    await until(`${name} goes on`, () => consoleOf(name).length > before);
  }

  const mainProcess = (): string => dom0('systemctl show --value -p MainPID ovs-agent').trim();
  const agentAnswers = (): boolean => doRpc('echo', 'there').exitCode === 0;

  beforeAll(() => {
    expect(doRpc('get_agent_status').stdout).toContain('"hypervisor": "xen"');
  });

  afterEach(async () => {
    dom0('systemctl start ovs-agent');
    await until('the agent answers', agentAnswers);
    for (const name of ['xen1', 'xen2', 'xen3', 'stranger']) {
      doRpc('stop_vm', `/OVS/running_pool/${name}`, 'json:true');
      dom0(`xl destroy ${name} 2>/dev/null || true`);
      doRpc('delete_vm', `/OVS/running_pool/${name}`);
    }
  });

  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
    expect(parseDomainList(dom0('xl list -v')).map(row => row.id)).toEqual([0]);
  });

  it('echo, start_vm, db_kfv, stop_vm, text for text', async () => {
    expect(doRpc('echo', 'hello').stdout).toBe("echo ['hello']\n=> success:echo=hello\n");
    makeGuest('xen1');
    expect(doRpc('register_vm', path).stdout).toBe(`register_vm ['${path}']\n=> success\n`);
    expect(statusOf('xen1')).toBe(`${path}  status(now)=>DOWN\n`);
    expect(doRpc('start_vm', path).stdout).toMatch(
      /^start_vm \['\/OVS\/running_pool\/xen1'\]\n=> success=ip=[0-9a-f.:]+\n$/,
    );
    expect(statusOf('xen1')).toBe(`${path}  status(now)=>RUNNING\n`);
    expect(domainOf('xen1')).toMatchObject({ memoryMib: 96, vcpus: 1, isPaused: false });
    await until('it is up', () => bootsOf('xen1') === 1);
    expect(doRpc('stop_vm', path).stdout).toBe(`stop_vm ['${path}']\n=> success\n`);
    expect(domainOf('xen1')).toBeUndefined();
    expect(statusOf('xen1')).toBe(`${path}  status(now)=>DOWN\n`);
    // xl leaves nobody behind to serve the ends of a guest.
    expect(dom0('pgrep -xc xl || true').trim()).toBe('0');
  });

  it('a wrong call is refused with what to do, and nothing is made', () => {
    const missing = doRpc('start_vm', '/OVS/running_pool/nobody');
    expect(missing).toMatchObject({ exitCode: 1 });
    expect(missing.stdout).toContain('=> failed:NO_SUCH_GUEST: ');
    const guest = makeGuest('xen1', ['memory = 100000']);
    expect(doRpc('start_vm', guest).stdout).toContain('=> failed:NO_RESOURCES: ');
    makeGuest('xen1', ["kernel = '/srv/xen/guest.img'"]);
    const broken = doRpc('start_vm', guest);
    expect(broken.stdout).toMatch(/=> failed:HYPERVISOR: start \/OVS\/running_pool\/xen1: .*(?:kernel|loader)/i);
    expect(domainOf('xen1')).toBeUndefined();
    expect(statusOf('xen1')).toContain('status(now)=>DOWN');
  });

  it.each(['pv', 'pvh'])('pause, unpause, suspend, resume, save, restore: %s', async type => {
    await startUp('xen1', [`type = '${type}'`]);
    expect(doRpc('pause_vm', path).exitCode).toBe(0);
    expect(domainOf('xen1')).toMatchObject({ isPaused: true });
    expect(statusOf('xen1')).toContain('=>PAUSED');
    // Xen counts pauses, those of others as well.
    dom0('xl pause xen1');
    expect(doRpc('unpause_vm', path).exitCode).toBe(0);
    await ticksOn('xen1');
    expect(doRpc('suspend_vm', path)).toMatchObject({ exitCode: 0 });
    expect(domainOf('xen1')).toBeUndefined();
    expect(statusOf('xen1')).toContain('=>SUSPEND');
    expect(doRpc('resume_vm', path)).toMatchObject({ exitCode: 0 });
    await ticksOn('xen1');
    expect(doRpc('save_vm', path, `${path}/one.state`)).toMatchObject({ exitCode: 0 });
    expect(statusOf('xen1')).toContain('=>DOWN');
    expect(doRpc('restore_vm', path, `${path}/one.state`)).toMatchObject({ exitCode: 0 });
    await ticksOn('xen1');
    // It is still the system of the first start.
    expect(bootsOf('xen1')).toBe(1);
    expect(doRpc('stop_vm', path).exitCode).toBe(0);
  });

  it('the console is reached through the agent, while it keeps what is printed', async () => {
    await startUp('xen1');
    const seen = dom0(
      "(for i in 1 2 3 4 5 6; do sleep 2; echo 'echo con-$((6*7))'; done) | timeout 60 ovs-agent console --history 4096 xen1; true",
    );
    expect(seen).toContain('con-42');
    expect(seen).toContain('GUEST-');
  });

  it('a guest with a disk and a network card is reached over its bridge, and what it uses is told', async () => {
    dom0('mkdir -p /OVS/running_pool/xen1 && truncate -s 16M /OVS/running_pool/xen1/System.img');
    await startUp('xen1', [
      "disk = ['file:/OVS/running_pool/xen1/System.img,xvda,w']",
      "vif = ['mac=00:16:3e:00:00:50, bridge=xenbr0']",
      "extra = 'console=hvc0 quiet mitigations=off lab.address=10.0.2.50/24'",
    ]);
    await until(
      'it answers a ping',
      () => dom0('busybox ping -c 1 -W 2 10.0.2.50 >/dev/null 2>&1 && echo yes || true') === 'yes\n',
    );
    const { id } = domainOf('xen1')!;
    expect(dom0(`cat /sys/bus/xen-backend/devices/vif-${id}-0/net/*/statistics/rx_packets`).trim()).not.toBe('0');
    await until('its traffic is told', () => /\bnet_sent=[1-9]/.test(doRpc('xen_get_vm_perf_metrics', path).stdout));
    expect(doRpc('stop_vm', path).exitCode).toBe(0);
    expect(dom0(`ls /sys/class/net | grep -c '^vif' || true`).trim()).toBe('0');
    expect(dom0('losetup -a').trim()).toBe('');
  });

  it('a kernel that lies in the image of a guest is found there, and kept for its reboots', async () => {
    const guest = makeGuest(
      'xen1',
      ["bootloader = '/usr/bin/pygrub'", "disk = ['file:/OVS/running_pool/xen1/System.img,xvda,w']"],
      [],
    );
    dom0(
      `mkdir -p /tmp/tree/boot/grub && cp /srv/xen/vmlinux /srv/xen/guest.img /tmp/tree/boot && cat > /tmp/tree/boot/grub/grub.cfg &&
       truncate -s 128M ${guest}/System.img && mkfs.ext4 -q -d /tmp/tree ${guest}/System.img && rm -r /tmp/tree`,
      `menuentry 'one' {
  linux /boot/vmlinux console=hvc0 quiet mitigations=off lab.from=image
  initrd /boot/guest.img
}
`,
    );
    expect(doRpc('start_vm', guest)).toMatchObject({ exitCode: 0 });
    await until('it is up', () => bootsOf('xen1') === 1);
    expect(dom0('cat /run/ovs-agent/guests/*/domain.cfg')).toMatch(/cmdline = .*lab\.from=image/);
    expect(doRpc('reboot_vm', guest)).toMatchObject({ exitCode: 0 });
    await until('it is up again', () => bootsOf('xen1') === 2);
    expect(doRpc('stop_vm', guest)).toMatchObject({ exitCode: 0 });
    expect(dom0('ls /var/lib/ovs-agent/boot').trim()).toBe('');
  });

  it('xm tells of Xen and its domains', async () => {
    await startUp('xen1');
    expect(dom0('xm list')).toMatch(new RegExp(`^xen1 +${domainOf('xen1')!.id} +96 +1 +`, 'm'));
    expect(dom0('xm info')).toMatch(/total_memory +: 307\d/);
    expect(dom0('xm dmesg')).toContain('Xen');
    expect(dom0('xm uptime xen1')).toContain('xen1');
  });

  it('kill -9 of the agent: the domain lives on and is found again', async () => {
    await startUp('xen1');
    const before = domainOf('xen1')!;
    const agent = mainProcess();
    dom0('systemctl kill --signal=KILL --kill-whom=main ovs-agent');
    await until('systemd has started another agent', () => !['0', agent].includes(mainProcess()) && agentAnswers());
    expect(domainOf('xen1')).toMatchObject({ id: before.id, uuid: before.uuid });
    expect(statusOf('xen1')).toContain('=>RUNNING');
    await ticksOn('xen1');
    expect(bootsOf('xen1')).toBe(1);
    expect(doRpc('stop_vm', path).exitCode).toBe(0);
  });

  it('kill -9 in the midst of a start: one domain or none, and the record says which', async () => {
    makeGuest('xen1');
    doRpc('register_vm', path);
    for (const delay of ['0.1', '0.5', '1.0', '1.6']) {
      const [program, ...rest] = ssh;
      const agent = mainProcess();
      const killed = `xm start xen1 >/dev/null 2>&1 & sleep ${delay}; kill -9 ${agent}; wait`;
      spawnSync(program!, [...rest, killed], { timeout: PATIENCE_MS });
      await until('another agent answers', () => !['0', agent].includes(mainProcess()) && agentAnswers());
      const copies = parseDomainList(dom0('xl list -v')).filter(row => row.name === 'xen1' && !row.isDying);
      expect(copies.length).toBeLessThanOrEqual(1);
      await until('the record is true', () => statusOf('xen1').includes(copies.length === 1 ? '=>RUNNING' : '=>DOWN'));
      if (copies.length === 1) expect(doRpc('stop_vm', path, 'json:true').exitCode).toBe(0);
    }
  });

  it('what happens while no agent runs is served by the next one: a reboot, a crash, a power-off', async () => {
    await startUp('xen1');
    await startUp('xen2', ["on_crash = 'restart'"]);
    await startUp('xen3');
    const before = ['xen1', 'xen2', 'xen3'].map(name => domainOf(name)!.id);
    dom0('systemctl stop ovs-agent');
    dom0('xl reboot xen1; xl shutdown xen3; xl trigger xen2 nmi || true');
    dom0(
      `printf 'echo c > /proc/sysrq-trigger\\n' | timeout 5 /usr/lib/xen-*/bin/xenconsole ${before[1]} --num 0 --type pv --interactive || true`,
    );
    await until('Xen keeps how they ended', () => domainOf('xen1')?.shutdown === 'reboot');
    await until('Xen keeps how they ended', () => domainOf('xen2')?.shutdown === 'crash');
    await until('Xen keeps how they ended', () => domainOf('xen3')?.shutdown === 'poweroff');
    dom0('systemctl start ovs-agent');
    await until('the agent answers', agentAnswers);
    await until('it has rebooted', () => bootsOf('xen1') === 2 && statusOf('xen1').includes('=>RUNNING'));
    await until('it runs again after its crash', () => bootsOf('xen2') === 2 && statusOf('xen2').includes('=>RUNNING'));
    await until('it is down', () => statusOf('xen3').includes('=>DOWN'));
    expect(domainOf('xen3')).toBeUndefined();
    expect(before).not.toContain(domainOf('xen1')!.id);
  });

  it('systemd stops, starts and restarts the agent, and its watchdog ends one that hangs: the domain lives on', async () => {
    await startUp('xen1');
    const { id } = domainOf('xen1')!;
    dom0('systemctl stop ovs-agent');
    expect(domainOf('xen1')).toMatchObject({ id });
    dom0('systemctl start ovs-agent');
    await until('the agent answers', agentAnswers);
    dom0('systemctl restart ovs-agent');
    await until('the agent answers', agentAnswers);
    const agent = mainProcess();
    dom0(`kill -STOP ${agent}`);
    await until('the watchdog has seen to it', () => !['0', agent].includes(mainProcess()) && agentAnswers());
    expect(dom0('journalctl --no-pager -u ovs-agent | grep -ci watchdog').trim()).not.toBe('0');
    expect(domainOf('xen1')).toMatchObject({ id });
    expect(statusOf('xen1')).toContain('=>RUNNING');
    await ticksOn('xen1');
    expect(bootsOf('xen1')).toBe(1);
  });

  it('a domain of somebody else is listed and never touched', async () => {
    dom0(
      'cat > /tmp/stranger.cfg && xl create -q -e -p /tmp/stranger.cfg',
      'name = "stranger"\ntype = "pv"\nmemory = 96\nkernel = "/srv/xen/vmlinux"\n',
    );
    const { id } = domainOf('stranger')!;
    expect(doRpc('list_foreign_vms').stdout).toContain(`"id": "${id}"`);
    await startUp('xen1');
    expect(doRpc('stop_vm', path, 'json:true').exitCode).toBe(0);
    dom0('systemctl restart ovs-agent');
    await until('the agent answers', agentAnswers);
    expect(domainOf('stranger')).toMatchObject({ id, isPaused: true });
  });

  it('the package is removed and comes back, and the domain lives on', async () => {
    await startUp('xen1');
    const { id } = domainOf('xen1')!;
    dom0('ls /root/ovs-agent_*.deb && dpkg -i /root/ovs-agent_*.deb');
    await until('the agent answers', agentAnswers);
    expect(domainOf('xen1')).toMatchObject({ id });
    dom0('dpkg --remove ovs-agent');
    expect(domainOf('xen1')).toMatchObject({ id });
    dom0('dpkg -i /root/ovs-agent_*.deb && systemctl start ovs-agent');
    await until('the agent answers', agentAnswers);
    expect(domainOf('xen1')).toMatchObject({ id });
    expect(statusOf('xen1')).toContain('=>RUNNING');
    await ticksOn('xen1');
  });
});
