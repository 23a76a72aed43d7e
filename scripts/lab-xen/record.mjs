// Records what xl says, for the tests that read it without a Xen host: run by scripts/lab-xen/run.sh in the lab's dom0.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const GUEST_STARTS_MS = 240_000;
const LONGEST_MS = 300_000;
const LOOK_MS = 500;

const directory = mkdtempSync(join(tmpdir(), 'record-'));
const domains = new Set();
let count = 0;

function run(program, args, input = '') {
  return spawnSync(program, args, { encoding: 'utf8', input, timeout: LONGEST_MS, cwd: directory });
}

/** Runs xl and prints what came of it as one line of JSON. */
function record(name, args, input) {
  count += 1;
  const { status, stderr, stdout } = run('xl', args, input);
  const line = {
    name: `${String(count).padStart(3, '0')}-${name}`,
    command: ['xl', ...args].join(' '),
    exit: status,
    stdout,
    stderr,
  };
  console.log(JSON.stringify(line));
  return line;
}

const list = name => record(name, ['list', '-v']);

/** Writes the file of a domain, as this project's driver does: xl ends when it is made, and its ends stay to be seen. */
function file(name, lines = []) {
  domains.add(name);
  const text = [
    `name = "${name}"`,
    'type = "pv"',
    'memory = 96',
    'vcpus = 1',
    'kernel = "/srv/xen/vmlinux"',
    'ramdisk = "/srv/xen/guest.img"',
    'cmdline = "console=hvc0 quiet mitigations=off sysrq_always_enabled"',
    ...['poweroff', 'reboot', 'crash', 'watchdog', 'soft_reset'].map(end => `on_${end} = "preserve"`),
    'vfb = []',
    ...lines,
    '',
  ].join('\n');
  writeFileSync(join(directory, `${name}.cfg`), text);
  return `${name}.cfg`;
}

const create = (name, lines) => record(`create-${name}`, ['create', '-e', '-q', file(name, lines)]);

async function until(what, isSo, longestMs = GUEST_STARTS_MS) {
  const deadline = Date.now() + longestMs;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come about`);
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
  }
}

const consoleOf = name => run('cat', [`/var/log/xen/console/guest-${name}.log`]).stdout ?? '';
const isUp = name => consoleOf(name).includes('GUEST-UP');
const hasEnded = name => /^\S+ +\d+ +\d+ +\d+ +[r-][b-][p-]s/m.test(run('xl', ['list', '-v', name]).stdout);

async function start(name, lines) {
  rmSync(`/var/log/xen/console/guest-${name}.log`, { force: true });
  create(name, lines);
  await until(`${name} is up`, () => isUp(name));
}

async function lives() {
  await start('off');
  list('list-running');
  record('pause', ['pause', 'off']);
  list('list-paused');
  record('pause-again', ['pause', 'off']);
  record('unpause-once', ['unpause', 'off']);
  list('list-paused-once-more');
  record('unpause-twice', ['unpause', 'off']);
  list('list-unpaused');
  record('mem-set', ['mem-set', 'off', '80m']);
  record('vcpu-set-too-many', ['vcpu-set', 'off', '8']);
  record('save', ['save', '-p', 'off', 'off.state']);
  list('list-suspended');
  record('unpause-after-save', ['unpause', 'off']);
  record('save-nowhere', ['save', '-p', 'off', 'nowhere/off.state']);
  record('migrate-without-shadow', ['migrate', '-s', '', 'off', 'xl migrate-receive -e']);
  record('shutdown', ['shutdown', '-F', 'off']);
  await until('it is off', () => hasEnded('off'));
  list('list-powered-off');
  record('shutdown-of-ended', ['shutdown', '-F', 'off']);
  record('pause-of-ended', ['pause', 'off']);
  record('destroy', ['destroy', 'off']);
  record('restore', ['restore', '-p', '-e', 'off.cfg', 'off.state']);
  list('list-restored');
  record('restore-where-one-is', ['restore', '-p', '-e', 'off.cfg', 'off.state']);
  record('destroy-restored', ['destroy', 'off']);
  writeFileSync(join(directory, 'rubbish.state'), 'rubbish\n'.repeat(1000));
  record('restore-rubbish', ['restore', '-p', '-e', 'off.cfg', 'rubbish.state']);
  writeFileSync(join(directory, 'empty.state'), '');
  record('restore-nothing', ['restore', '-p', '-e', 'off.cfg', 'empty.state']);
  run('truncate', ['-s', '-1M', 'off.state']);
  record('restore-cut-off', ['restore', '-p', '-e', 'off.cfg', 'off.state']);
}

async function ends() {
  await start('again');
  record('reboot', ['reboot', '-F', 'again']);
  await until('it has rebooted', () => hasEnded('again'));
  list('list-rebooted');
  record('destroy-rebooted', ['destroy', 'again']);
  await start('broken');
  record('crash', ['sysrq', 'broken', 'c']);
  await until('it has crashed', () => hasEnded('broken'));
  list('list-crashed');
  record('dump-core', ['dump-core', 'broken', 'broken.core']);
  record('dump-core-nowhere', ['dump-core', 'broken', 'nowhere/broken.core']);
  record('destroy-crashed', ['destroy', 'broken']);
}

async function devices() {
  run('truncate', ['-s', '16M', 'disk.img']);
  const disk = join(directory, 'disk.img');
  await start('plug', ['type = "pvh"', 'maxvcpus = 2']);
  record('block-attach', ['block-attach', 'plug', `format=raw,vdev=xvdb,access=w,target=${disk}`]);
  record('block-attach-again', ['block-attach', 'plug', `format=raw,vdev=xvdb,access=w,target=${disk}`]);
  record('block-detach', ['block-detach', 'plug', 'xvdb']);
  record('block-detach-missing', ['block-detach', 'plug', 'xvdc']);
  record('network-attach', ['network-attach', 'plug', 'mac=00:16:3e:00:00:61,bridge=xenbr0,type=vif']);
  record('network-attach-no-bridge', ['network-attach', 'plug', 'mac=00:16:3e:00:00:62,bridge=nobridge,type=vif']);
  record('network-detach', ['network-detach', 'plug', '00:16:3e:00:00:61']);
  record('vcpu-set', ['vcpu-set', 'plug', '2']);
  record('cd-insert-no-drive', ['cd-insert', 'plug', 'hdc', disk]);
  record('migrate', ['migrate', '-s', '', 'plug', 'xl migrate-receive -e']);
  list('list-migrated');
  record('migrate-refused', ['migrate', '-s', '', 'plug', 'false']);
  record('destroy-plugged', ['destroy', 'plug']);
  record('receive-nothing', ['migrate-receive', '-e']);
}

function refusals() {
  create('nokernel', ['kernel = "/srv/xen/missing"']);
  create('wrongkernel', ['kernel = "/srv/xen/guest.img"']);
  create('large', ['memory = 100000']);
  create('nobridge', ['vif = [ "bridge=nobridge" ]']);
  create('nodisk', ['disk = [ "format=raw,vdev=xvda,access=w,target=/srv/xen/missing.img" ]']);
  record('destroy-missing', ['destroy', 'nobody']);
  record('destroy-missing-number', ['destroy', '31999']);
  list('list-at-the-end');
}

try {
  record('info', ['info']);
  list('list-own');
  await lives();
  await ends();
  await devices();
  refusals();
  record('dmesg', ['dmesg']);
} finally {
  for (const name of domains) run('xl', ['destroy', name]);
  rmSync(directory, { recursive: true, force: true });
}
