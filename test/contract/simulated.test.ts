import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SimulatedDriver, SimulatedMachine } from '../../src/drivers/simulated/simulated-driver.ts';
import { demoConfig } from '../support/guest-config.ts';
import { makeImage } from '../support/image.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { type DriverHarness, driverContract } from './driver-contract.ts';

driverContract('simulated', (): DriverHarness => {
  const root = makeTemporaryDirectory();
  const machine = new SimulatedMachine();
  const done = (): Promise<void> => Promise.resolve();
  return {
    makeDriver: () => new SimulatedDriver(machine),
    plan: (path, ends, changes) => ({ path, config: demoConfig('guest', { ends, ...changes }) }),
    makeImage: name => makeImage(join(root, name)),
    untilUp: done,
    workInside: path =>
      done().then(() =>
        machine.work(path, {
          processorTimeMs: 500,
          blocks: { readBytes: 8192, writtenBytes: 4096, reads: 2, writes: 1 },
          network: { receivedBytes: 100, sentBytes: 50 },
        }),
      ),
    powerOffInside: path => done().then(() => machine.powerOff(path)),
    crashInside: path => done().then(() => machine.crash(path)),
    dispose: () => done().then(() => rmSync(root, { recursive: true })),
  };
});
