import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { SerialLine } from '../support/serial-line.ts';

/** The user guide's transcripts, with a real agent and real guests. */
describe('the programs of the guide', () => {
  let daemon: Daemon;

  beforeAll(async () => {
    daemon = await new Daemon(['[guests]', 'stop_timeout=20']).start();
  }, 60_000);

  afterAll(() => daemon.dispose());

  it('do_rpc … echo hello', () => {
    expect(daemon.do_rpc('echo', 'hello')).toEqual({
      exitCode: 0,
      stdout: "echo ['hello']\n=> success:echo=hello\n",
      stderr: '',
    });
  });

  it('start, look, stop: the transcripts of one guest', async () => {
    const path = daemon.makeGuest('guest');
    expect(daemon.do_rpc('register_vm', path).stdout).toBe(`register_vm ['${path}']\n=> success\n`);
    expect(daemon.program('db_kfv', ['vm', 'guest', 'status']).stdout).toBe(`${path}  status(now)=>DOWN\n`);

    const started = daemon.do_rpc('start_vm', path);
    expect(started.stdout).toMatch(/^start_vm \['\/OVS\/running_pool\/guest'\]\n=> success=ip=[0-9a-f.:]+\n$/);
    expect(daemon.qemuOf(path)).toBeGreaterThan(0);
    expect(daemon.program('db_kfv', ['vm', 'guest', 'status']).stdout).toBe(`${path}  status(now)=>RUNNING\n`);

    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    expect(daemon.do_rpc('stop_vm', path)).toEqual({
      exitCode: 0,
      stdout: `stop_vm ['${path}']\n=> success\n`,
      stderr: '',
    });
    // It was its own system that powered off, as on a real machine.
    await line.expect(/DEMO-GUEST-ACPI/, 1000);
    line.close();
    expect(daemon.qemuOf(path)).toBeUndefined();
    expect(daemon.program('db_kfv', ['vm', path, 'status']).stdout).toBe(`${path}  status(now)=>DOWN\n`);
    expect(daemon.log()).toMatch(/stop: the system powered off/);
  });

  it('starts a guest that nobody registered, as the first thing that is ever done with it', async () => {
    const path = daemon.makeGuest('new');
    expect(daemon.do_rpc('start_vm', path).exitCode).toBe(0);
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(daemon.do_rpc('stop_vm', path, 'json:true').exitCode).toBe(0);
    expect(daemon.qemuOf(path)).toBeUndefined();
  });

  it('destroys a guest that ignores its power button, once the time is over', async () => {
    const deaf = await new Daemon(['[guests]', 'stop_timeout=1']).start();
    try {
      const path = deaf.makeGuest('deaf', [], 'demo.noacpi');
      deaf.do_rpc('start_vm', path);
      const line = await SerialLine.attach(deaf.paths.controlSocket, path);
      await line.expect(/DEMO-GUEST-UP/);
      line.close();
      expect(deaf.do_rpc('stop_vm', path).stdout).toContain('=> success\n');
      expect(deaf.qemuOf(path)).toBeUndefined();
      expect(deaf.log()).toContain('it did not power off within 1 s');
    } finally {
      await deaf.dispose();
    }
  });

  it('hurries a stop that waits when force is asked for meanwhile', async () => {
    const path = daemon.makeGuest('slow', [], 'demo.noacpi');
    await daemon.local('start_vm', path);
    const patient = daemon.local('stop_vm', path);
    await expect.poll(() => daemon.status(path)).toBe('SHUTTING_DOWN');
    expect(await daemon.local('stop_vm', path, true)).toBe('success');
    expect(await patient).toBe('success');
    expect(await daemon.status(path)).toBe('DOWN');
  });

  it('pauses, unpauses, resets and reboots a guest', async () => {
    const path = daemon.makeGuest('acts');
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    const qemu = daemon.qemuOf(path);
    expect(await daemon.local('pause_vm', path)).toBe('success');
    expect(await daemon.status(path)).toBe('PAUSED');
    expect(await daemon.local('unpause_vm', path)).toBe('success');
    expect(await daemon.local('reset_vm', path)).toBe('success');
    await line.expect(/DEMO-GUEST-UP/);
    expect(await daemon.local('reboot_vm', path)).toBe('success');
    await line.expect(/DEMO-GUEST-ACPI/);
    await line.expect(/DEMO-GUEST-UP/);
    line.close();
    expect(await daemon.status(path)).toBe('RUNNING');
    expect(daemon.qemuOf(path)).toBe(qemu);
    await daemon.local('stop_vm', path, true);
  });

  it('restarts a guest whose system crashed, and stores that a guest powered itself off', async () => {
    const path = daemon.makeGuest('crashing');
    await daemon.local('start_vm', path);
    const line = await SerialLine.attach(daemon.paths.controlSocket, path);
    await line.expect(/DEMO-GUEST-UP/);
    line.type('echo c > /proc/sysrq-trigger');
    await line.expect(/DEMO-GUEST-UP/);
    line.type('poweroff');
    await expect.poll(() => daemon.status(path), { timeout: 20_000 }).toBe('DOWN');
    line.close();
    expect(await daemon.local('db_get_vm', path)).toMatchObject({ reason: 'its system powered off' });
  });

  describe('answer failed: with the reason and what to do, and keep the record true', () => {
    const expectFailure = (args: string[], code: string, text: RegExp): void => {
      const { exitCode, stdout, stderr } = daemon.do_rpc(...args);
      expect(stdout).toMatch(new RegExp(`\n=> failed:${code}: `));
      expect(stdout).toMatch(text);
      expect(stdout.toLowerCase()).not.toContain('success');
      expect(stderr).toMatch(new RegExp(`^do_rpc: failed:${code}: `));
      expect(exitCode).toBe(1);
    };

    it('when a running guest is started', async () => {
      const path = daemon.makeGuest('running');
      await daemon.local('start_vm', path);
      const qemu = daemon.qemuOf(path);
      expectFailure(
        ['start_vm', path],
        'WRONG_STATE',
        /start \/OVS\/running_pool\/running: it is RUNNING; start needs DOWN/,
      );
      expect(await daemon.status(path)).toBe('RUNNING');
      expect(daemon.qemuOf(path)).toBe(qemu);
      await daemon.local('stop_vm', path, true);
    });

    it('when a guest that is down is stopped', async () => {
      const path = daemon.makeGuest('stopped');
      await daemon.local('register_vm', path);
      expectFailure(['stop_vm', path], 'WRONG_STATE', /it is DOWN; stop needs RUNNING or PAUSED/);
      expect(await daemon.status(path)).toBe('DOWN');
    });

    it('when its directory is missing', () => {
      expectFailure(['start_vm', '/OVS/running_pool/nowhere'], 'NO_SUCH_GUEST', /there is no such directory; make it/);
    });

    it('when its directory has gone since it was registered', async () => {
      const path = daemon.makeGuest('gone');
      await daemon.local('register_vm', path);
      rmSync(daemon.paths.onDisk(path), { recursive: true });
      expectFailure(['start_vm', path], 'NO_SUCH_GUEST', /there is no such directory/);
      expect(await daemon.status(path)).toBe('DOWN');
    });

    it('when its vm.cfg is broken: the place is named', async () => {
      const path = daemon.makeGuest('broken');
      await daemon.local('register_vm', path);
      writeFileSync(daemon.paths.onDisk(`${path}/vm.cfg`), "memory = 96\nkernel = '/boot/vmlinuz\n");
      expectFailure(['start_vm', path], 'BAD_CONFIG', /broken.*line 2, column 10/);
      expect(await daemon.status(path)).toBe('DOWN');
    });

    it('when its kernel is missing', () => {
      const path = daemon.makeGuestFile('kernelless', [
        "name = 'kernelless'",
        'memory = 96',
        "kernel = '/boot/nothing'",
      ]);
      expectFailure(['start_vm', path], 'NO_SUCH_FILE', /kernel "\/boot\/nothing" is not there/);
    });

    it('when its kernel lies outside what is allowed', () => {
      writeFileSync(daemon.paths.onDisk('/etc/kernel'), 'x');
      const path = daemon.makeGuestFile('outside', ["name = 'outside'", 'memory = 96', "kernel = '/etc/kernel'"]);
      expectFailure(['start_vm', path], 'BAD_CONFIG', /lies outside the repositories/);
    });

    it('when it wants more memory than there is', async () => {
      const path = daemon.makeGuest('greedy', ['memory = 9999999']);
      expectFailure(['start_vm', path], 'NO_RESOURCES', /it needs \d+ MiB of memory.*lower memory in its vm\.cfg/);
      expect(await daemon.status(path)).toBe('DOWN');
    });

    it('when QEMU itself refuses: its words are passed on and nothing is left behind', async () => {
      const path = daemon.makeGuestFile('refused', [
        "name = 'refused'",
        "builder = 'hvm'",
        'memory = 64',
        `disk = ['tap:qcow2:/OVS/running_pool/refused/System.img,hda,w']`,
      ]);
      writeFileSync(daemon.paths.onDisk(`${path}/System.img`), 'this is no qcow2 image');
      expectFailure(['start_vm', path], 'HYPERVISOR', /QEMU ended at once: .*[Ii]mage is not in qcow2 format/);
      expect(await daemon.status(path)).toBe('DOWN');
      expect(daemon.qemuOf(path)).toBeUndefined();
      expect(await daemon.local('db_get_vm', path)).toMatchObject({
        reason: expect.stringContaining('start failed') as string,
      });
    });

    it('when two guests want the same disk', async () => {
      mkdirSync(daemon.paths.onDisk('/OVS/sharedDisk'), { recursive: true });
      writeFileSync(daemon.paths.onDisk('/OVS/sharedDisk/one.img'), Buffer.alloc(1 << 20));
      const disk = ["disk = ['file:/OVS/sharedDisk/one.img,xvda,w']"];
      const first = daemon.makeGuest('first', disk);
      const second = daemon.makeGuest('second', disk);
      await daemon.local('start_vm', first);
      expectFailure(
        ['start_vm', second],
        'IN_USE',
        /disk xvda \(\/OVS\/sharedDisk\/one\.img\) is in use by \/OVS\/running_pool\/first/,
      );
      expect([await daemon.status(first), await daemon.status(second)]).toEqual(['RUNNING', 'DOWN']);
      await daemon.local('stop_vm', first, true);
    });

    it('when another server is asked for', () => {
      const path = daemon.makeGuest('elsewhere');
      expectFailure(['start_vm', path, '192.0.2.7'], 'PEER_DOWN', /this server is in no pool with it/);
    });

    it.each([
      ['/OVS/running_pool/../../etc'],
      ['/OVS/running_pool/a;sleep 3'],
      ['/OVS/running_pool/$(sleep 3)'],
      ['`sleep 3`'],
    ])('when the path is %s', path => {
      expectFailure(['start_vm', path], 'BAD_VALUE', /it is not the directory of a guest/);
    });
  });

  it('db_kfv writes a field and shows the old and the new one', async () => {
    const path = daemon.makeGuest('edited');
    await daemon.local('register_vm', path);
    expect(daemon.program('db_kfv', ['vm', 'edited', 'status', 'ERROR']).stdout).toBe(
      `${path}  status(old)=>DOWN\n${path}  status(now)=>ERROR\n`,
    );
    expect(await daemon.local('start_vm', path)).toMatch(/^failed:WRONG_STATE: .* it is ERROR/);
    expect(daemon.program('db_kfv', ['vm', 'edited', 'status', 'SLEEPY'])).toMatchObject({ exitCode: 1 });
    expect(await daemon.local('set_vm_status', path, 'DOWN')).toBe('success');
    expect(await daemon.status(path)).toBe('DOWN');
  });

  it('db_kfv names the paths when two guests share a name', async () => {
    const mount = '/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF/running_pool';
    mkdirSync(daemon.paths.onDisk(`${mount}/twin`), { recursive: true });
    writeFileSync(daemon.paths.onDisk(`${mount}/twin/vm.cfg`), "kernel = '/boot/vmlinuz'\nmemory = 96\n");
    await daemon.local('register_vm', `${mount}/twin`);
    await daemon.local('register_vm', daemon.makeGuest('twin'));
    const { exitCode, stderr } = daemon.program('db_kfv', ['vm', 'twin', 'status']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${mount}/twin`);
    expect(stderr).toContain('/OVS/running_pool/twin');
    expect(daemon.program('db_kfv', ['vm', `${mount}/twin`, 'status']).exitCode).toBe(0);
  });

  it('db_del refuses a running guest, and removes one that is down with all its files', async () => {
    const path = daemon.makeGuest('doomed');
    await daemon.local('start_vm', path);
    const refused = daemon.program('db_del', ['vm', 'doomed']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/it is RUNNING; delete needs DOWN/);
    expect(daemon.qemuOf(path)).toBeGreaterThan(0);
    await daemon.local('stop_vm', path, true);
    expect(daemon.program('db_del', ['vm', 'doomed'])).toMatchObject({ exitCode: 0 });
    expect(daemon.program('db_kfv', ['vm', 'doomed', 'status']).exitCode).toBe(1);
    expect(await daemon.local('start_vm', path)).toMatch(/^failed:NO_SUCH_GUEST/);
  });

  it('db_dump lists the records, as JSON too', async () => {
    const path = daemon.makeGuest('listed');
    await daemon.local('register_vm', path);
    const dump = JSON.parse(daemon.program('db_dump', ['--json']).stdout) as Record<string, Record<string, unknown>>;
    expect(dump['vm']?.[path]).toMatchObject({ status: 'DOWN', name: 'listed' });
    expect(daemon.program('db_dump', ['vm']).stdout).toContain(`vm ${path}\n`);
    expect(await daemon.local('db_dump', 'vm')).toMatchObject({ [path]: { status: 'DOWN' } });
  });
});
