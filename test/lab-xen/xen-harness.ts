import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openConsole } from '../../src/drivers/xen/console.ts';
import { probeXen } from '../../src/drivers/xen/probe.ts';
import { XenDriver } from '../../src/drivers/xen/xen-driver.ts';
import { type DomainRow, parseDomainList } from '../../src/drivers/xen/xl-output.ts';
import { Xl } from '../../src/drivers/xen/xl.ts';
import { systemClock } from '../../src/host/clock.ts';
import type { EndPolicy, GuestConfig } from '../../src/model/guest-config.ts';
import { guestNameOf, type GuestPath } from '../../src/model/guest-path.ts';
import type { DriverHarness, DriverTraits } from '../contract/driver-contract.ts';
import { demoConfig } from '../support/guest-config.ts';
import { makeImage, makeTightImage } from '../support/image.ts';
import { SerialLine } from '../support/serial-line.ts';
import { silentLog } from '../support/silent-log.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';

/** The processor is emulated twice over. */
const PATIENCE_MS = 120_000;

export const traitsOfXen: DriverTraits = {
  hasGuestAgents: false,
  stopsAtDiskErrors: false,
  // Debian's qemu-system-xen is built without the cipher that VNC's passwords want.
  hasVncPasswords: false,
  remembersEnds: true,
  keepsIdAtReset: false,
  slowness: 8,
};

export const xenPrograms = {
  searchPath: '/usr/sbin:/usr/bin:/sbin:/bin',
  async console(): Promise<string> {
    const { programs, probe } = await probeXen(program => new Xl(program, systemClock), xenPrograms.searchPath);
    if (!programs) throw new Error(`this is no Xen host: ${JSON.stringify(probe)}`);
    return programs.xenconsole;
  },
};

/** `xl` of dom0, run to its end. */
export function xl(...args: readonly string[]): string {
  return execFileSync('xl', args, { encoding: 'utf8', timeout: PATIENCE_MS, stdio: ['ignore', 'pipe', 'pipe'] });
}

export function domains(): readonly DomainRow[] {
  return parseDomainList(xl('list', '-v'));
}

/** Every domain but this one: the lab's dom0 has no guests of others. */
export function destroyAll(): void {
  for (const { id, isDying } of domains()) {
    if (id !== 0 && !isDying) xl('destroy', String(id));
  }
}

/** Guests of the lab, told apart by name and identity. */
export function labConfig(path: GuestPath, isPvh: boolean, changes: Partial<GuestConfig> = {}): GuestConfig {
  const name = guestNameOf(path);
  const standard = demoConfig(name);
  return {
    ...standard,
    uuid:
      name === 'contract'
        ? standard.uuid
        : standard.uuid.replace(/^.{8}/, Buffer.from(name).toString('hex').padEnd(8, '0').slice(0, 8)),
    boot: {
      from: 'kernel',
      kernel: '/srv/xen/vmlinux',
      ramdisk: '/srv/xen/guest.img',
      commandLine: 'console=hvc0 quiet mitigations=off',
    },
    xen: { isPvh, keys: {} },
    ...changes,
  };
}

export function makeXenDriver(runtimeDirectory: string): XenDriver {
  return new XenDriver({
    runtimeDirectory,
    keptBootDirectory: `${runtimeDirectory}.boot`,
    searchPath: xenPrograms.searchPath,
    startTimeoutMs: PATIENCE_MS,
    clock: systemClock,
    log: silentLog,
  });
}

/** The consoles of guests, one connection for each domain that there has been of them. */
export class LabConsoles {
  readonly #lines = new Map<number, SerialLine>();

  async of(path: GuestPath): Promise<SerialLine> {
    const row = domains().find(({ isDying, name }) => name === guestNameOf(path) && !isDying);
    if (!row) throw new Error(`there is no domain of ${path}`);
    const known = this.#lines.get(row.id);
    if (known && !known.isClosed) return known;
    const line = SerialLine.over(await openConsole(await xenPrograms.console(), path, row.id, 'pv'));
    this.#lines.set(row.id, line);
    return line;
  }

  close(): void {
    for (const line of this.#lines.values()) line.close();
  }
}

/** The harness of the driver contract on a real Xen host, for paravirtual guests of the old and of the newer type. */
export function xenHarness(type: 'pv' | 'pvh'): DriverHarness {
  const root = makeTemporaryDirectory();
  const consoles = new LabConsoles();
  const mounts: string[] = [];
  const type_ = async (path: GuestPath, line: string): Promise<void> => (await consoles.of(path)).type(line);

  return {
    makeDriver: () => makeXenDriver(join(root, 'guests')),
    plan: (path: GuestPath, ends: EndPolicy, changes) => ({
      path,
      config: labConfig(path, type === 'pvh', { ends, ...changes }),
    }),
    makeImage: name => makeImage(join(root, name)),
    async untilUp(path) {
      await (await consoles.of(path)).untilShell(PATIENCE_MS);
    },
    async workInside(path) {
      const line = await consoles.of(path);
      line.type('dd if=/dev/urandom of=/dev/xvda bs=64k count=8 conv=fsync');
      line.type('dd if=/dev/xvda of=/dev/null bs=64k count=16; echo read-is-"done"');
      await line.expect(/read-is-done/, PATIENCE_MS);
      line.type('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo work-is-"done"');
      await line.expect(/work-is-done/, PATIENCE_MS);
    },
    powerOffInside: path => type_(path, 'poweroff -f'),
    crashInside: path => type_(path, 'echo c > /proc/sysrq-trigger'),
    rebootInside: path => type_(path, 'reboot -f'),
    async endUnseen(path, close) {
      const line = await consoles.of(path);
      await close();
      line.type('poweroff -f');
      await waitUntil(
        'Xen says that it is shut down',
        () => domains().some(({ name, shutdown }) => name === guestNameOf(path) && shutdown === 'poweroff'),
        PATIENCE_MS,
        200,
      );
    },
    answerAgentInside: () => Promise.reject(new Error('guests of Xen have no agent that could be asked')),
    makeTightImage() {
      const image = makeTightImage(root);
      mounts.push(image.directory);
      return image;
    },
    fillDiskInside: path => type_(path, 'dd if=/dev/zero of=/dev/xvda bs=64k count=256 conv=fsync; echo FIL""LED-$?'),
    async untilFilled(path) {
      return (await (await consoles.of(path)).expect(/FILLED-(\d+)/, PATIENCE_MS))[1] === '0';
    },
    plantStranger(name) {
      const file = join(root, 'stranger.cfg');
      writeFileSync(file, `name = "${name}"\ntype = "pv"\nmemory = 96\nkernel = "/srv/xen/vmlinux"\n`);
      xl('create', '-q', '-e', '-p', file);
      return Promise.resolve({ id: domains().find(row => row.name === name)!.id });
    },
    isStrangerAlive: id => domains().some(row => row.id === id && !row.isDying),
    dispose() {
      consoles.close();
      destroyAll();
      for (const directory of mounts) execFileSync('umount', ['--lazy', directory]);
      rmSync(root, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}
