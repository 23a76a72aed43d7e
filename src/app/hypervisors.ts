import { delimiter, join } from 'node:path';
import type { AgentPaths } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import type { DriverMakers } from '../drivers/detect.ts';
import type { Capacity, Driver } from '../drivers/driver.ts';
import { probeQemu } from '../drivers/qemu/probe.ts';
import { QemuDriver } from '../drivers/qemu/qemu-driver.ts';
import { SimulatedDriver } from '../drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../drivers/simulated/simulated-machine.ts';
import { XenDriver } from '../drivers/xen/xen-driver.ts';
import type { Clock } from '../host/clock.ts';
import type { HostFacts } from '../host/inventory.ts';
import type { Log } from '../host/log.ts';

export interface HypervisorParts {
  readonly settings: Settings;
  readonly paths: AgentPaths;
  /** Directories of programs, as in PATH. */
  readonly searchPath: string;
  /** Host processors of guests that name none; none stands for those of the agent. */
  readonly processors: readonly number[];
  /** Where what a trial of the processor showed is remembered; undefined remembers nothing. */
  readonly probeFile: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Administrators' programs may not be where the agent's PATH looks. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** All hypervisors that there are drivers for. */
export function driverMakers(parts: HypervisorParts): DriverMakers {
  const { clock, log, paths, probeFile, processors, searchPath, settings } = parts;
  const { accelerator, qemuBinary, startTimeoutMs, userNetwork, vncPorts } = settings.guests;
  const runtimeDirectory = paths.guestRuntimeDirectory;
  return {
    xen: (): Driver =>
      new XenDriver({
        runtimeDirectory,
        keptBootDirectory: paths.keptBootDirectory,
        searchPath: [searchPath, ...SYSTEM_FOLDERS].join(delimiter),
        startTimeoutMs,
        clock,
        log,
      }),
    qemu: (): Driver =>
      new QemuDriver({
        program: qemuBinary,
        runtimeDirectory,
        startTimeoutMs,
        host: { userNetwork, vncPorts },
        processors,
        probe: () => probeQemu({ program: qemuBinary, accelerator, memoryFile: probeFile, searchPath, clock }),
        clock,
        log,
      }),
    simulated: (): Driver => new SimulatedDriver(new SimulatedMachine(clock)),
  };
}

/** The file in which an agent remembers its trial. */
export function probeFileOf(paths: AgentPaths): string {
  return join(paths.runtimeDirectory, 'qemu-probe.json');
}

/** Where the hypervisor has the memory and the processors, this server's own system sees a part of them only. */
export function capacityFacts(capacity: Capacity | undefined): Partial<HostFacts> {
  return capacity ? { processors: capacity.processors, totalMemoryMib: capacity.totalMemoryMib } : {};
}
