import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/host/clock.ts';
import { killProcess } from '../../src/host/processes.ts';
import type { GuestPath } from '../../src/model/guest-path.ts';
import { probeQemu } from '../../src/drivers/qemu/probe.ts';
import { findQemuByMonitor } from '../../src/drivers/qemu/process.ts';
import { QemuDriver } from '../../src/drivers/qemu/qemu-driver.ts';
import { RunDirectory } from '../../src/drivers/qemu/run-directory.ts';
import { requireDemoGuest } from '../support/demo-guest.ts';
import { demoConfig } from '../support/guest-config.ts';
import { makeImage } from '../support/image.ts';
import { SerialLine } from '../support/serial-line.ts';
import { silentLog } from '../support/silent-log.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';
import { type DriverHarness, driverContract } from './driver-contract.ts';

driverContract('QEMU', (): DriverHarness => {
  requireDemoGuest();
  const root = makeTemporaryDirectory();
  const runtimeDirectory = join(root, 'guests');
  const consoles = new Map<GuestPath, SerialLine>();

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
    async dispose() {
      for (const line of consoles.values()) line.close();
      for (const id of readdirSync(runtimeDirectory)) {
        const { monitor } = new RunDirectory(runtimeDirectory, id).files;
        const processId = findQemuByMonitor(monitor);
        if (processId !== undefined) killProcess(processId);
        await waitUntil('QEMU is gone', () => findQemuByMonitor(monitor) === undefined);
      }
      rmSync(root, { recursive: true, force: true });
    },
  };
});
