import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/host/clock.ts';
import { killProcess } from '../../src/host/processes.ts';
import type { GuestPath } from '../../src/model/guest-path.ts';
import { probeQemu } from '../../src/drivers/qemu/probe.ts';
import { findQemuByMonitor } from '../../src/drivers/qemu/process.ts';
import { QmpConnection } from '../../src/drivers/qmp-connection.ts';
import { findForeignQemus } from '../../src/drivers/qemu/foreign.ts';
import { QemuDriver } from '../../src/drivers/qemu/qemu-driver.ts';
import { RunDirectory } from '../../src/drivers/qemu/run-directory.ts';
import { requireDemoGuest } from '../support/demo-guest.ts';
import { demoConfig } from '../support/guest-config.ts';
import { makeImage, makeTightImage } from '../support/image.ts';
import { SerialLine } from '../support/serial-line.ts';
import { silentLog } from '../support/silent-log.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';
import { type DriverHarness, driverContract } from './driver-contract.ts';

/** A guest agent in a line of shell. Where nobody is connected outside, reading ends at once. */
const agentInside =
  'exec 4<>$(ls /dev/vport*p1); while :; do read -r ask <&4 || sleep 0.05; case $ask in ' +
  '*guest-sync-delimited*) id=${ask##*:}; printf \'\\377{"return": %s}\\n\' ${id%%\\}*} >&4;; ' +
  '*guest-shutdown*) poweroff -f;; esac; ask=; done & echo AGENT""-UP';

driverContract('QEMU', (): DriverHarness => {
  requireDemoGuest();
  const root = makeTemporaryDirectory();
  const runtimeDirectory = join(root, 'guests');
  const consoles = new Map<GuestPath, SerialLine>();

  const mounts: string[] = [];
  const strangers: number[] = [];

  /** One connection for each guest: what it printed before somebody looked is lost. */
  async function consoleOf(path: GuestPath): Promise<SerialLine> {
    const known =
      consoles.get(path) ?? (await SerialLine.connect(RunDirectory.of(runtimeDirectory, path).files.serial));
    consoles.set(path, known);
    return known;
  }

  return {
    makeDriver: () =>
      new QemuDriver({
        program: 'qemu-system-x86_64',
        runtimeDirectory,
        startTimeoutMs: 30_000,
        processors: [],
        host: { userNetwork: 'restricted', vncPorts: { first: 5950, last: 5999 } },
        probe: () =>
          probeQemu({
            program: 'qemu-system-x86_64',
            accelerator: 'auto',
            memoryFile: join(root, 'probe.json'),
            searchPath: process.env['PATH'] ?? '',
            clock: systemClock,
          }),
        clock: systemClock,
        log: silentLog,
      }),
    plan: (path, ends, changes) => ({
      path,
      config: demoConfig('guest', { ends, ...changes }, 'memhp_default_state=online'),
    }),
    makeImage: name => makeImage(join(root, name)),
    async untilUp(path) {
      const line = await consoleOf(path);
      await line.expect(/DEMO-GUEST-UP/);
      await line.untilShell();
    },
    async workInside(path) {
      const line = await consoleOf(path);
      line.type(
        'dd if=/dev/urandom of=/dev/vda bs=64k count=8 conv=fsync; dd if=/dev/vda of=/dev/null bs=64k count=16',
      );
      line.type('i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo work-is-"done"');
      await line.expect(/work-is-done/);
    },
    powerOffInside: async path => (await consoleOf(path)).type('poweroff'),
    crashInside: async path => (await consoleOf(path)).type('echo c > /proc/sysrq-trigger'),
    rebootInside: async path => (await consoleOf(path)).type('reboot -f'),
    async endUnseen(path, close) {
      const line = await consoleOf(path);
      await close();
      line.type('poweroff');
      const { monitor } = RunDirectory.of(runtimeDirectory, path).files;
      const nobody = { onEvent: () => undefined, onClose: () => undefined };
      await waitUntil(
        'QEMU says that it is shut down',
        async () => {
          // Looked at over a connection of its own: one that stays would hear the event.
          const connection = await QmpConnection.connect(monitor, 5_000, systemClock, nobody);
          const { status } = (await connection.execute('query-status', undefined, 5_000)) as { status: string };
          connection.close();
          return status === 'shutdown';
        },
        30_000,
      );
    },
    async answerAgentInside(path) {
      const line = await consoleOf(path);
      // Answers as qemu-ga does: a delimiter and the number that was sent, and to guest-shutdown nothing.
      line.type(agentInside);
      await line.expect(/AGENT-UP/);
    },
    makeTightImage() {
      const image = makeTightImage(root);
      mounts.push(image.directory);
      return image;
    },
    async fillDiskInside(path) {
      (await consoleOf(path)).type(
        'yes | dd of=/dev/vda bs=64k count=256 iflag=fullblock conv=fsync; echo FIL""LED-$?',
      );
    },
    async untilFilled(path) {
      return (await (await consoleOf(path)).expect(/FILLED-(\d+)/))[1] === '0';
    },
    async plantStranger(name) {
      const args = ['-name', `guest=${name}`, '-machine', 'none', '-nodefaults', '-display', 'none', '-S'];
      const stranger = spawn('qemu-system-x86_64', args, { stdio: 'ignore' });
      const id = stranger.pid!;
      strangers.push(id);
      await waitUntil('the stranger runs', () => findForeignQemus(runtimeDirectory).some(found => found.id === id));
      return { id };
    },
    isStrangerAlive: id => findForeignQemus(runtimeDirectory).some(found => found.id === id),
    async dispose() {
      for (const id of strangers) killProcess(id);
      for (const line of consoles.values()) line.close();
      for (const id of readdirSync(runtimeDirectory)) {
        const { monitor } = new RunDirectory(runtimeDirectory, id).files;
        const processId = findQemuByMonitor(monitor);
        if (processId !== undefined) killProcess(processId);
        await waitUntil('QEMU is gone', () => findQemuByMonitor(monitor) === undefined);
      }
      for (const directory of mounts) execFileSync('umount', ['--lazy', directory]);
      rmSync(root, { recursive: true, force: true });
    },
  };
});
