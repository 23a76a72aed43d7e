import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestPath } from '../../src/model/guest-path.ts';
import { SimulatedDriver } from '../../src/drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../../src/drivers/simulated/simulated-machine.ts';
import { demoConfig } from '../support/guest-config.ts';
import { makeImage } from '../support/image.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { type DriverHarness, driverContract } from './driver-contract.ts';

driverContract('simulated', (): DriverHarness => {
  const root = makeTemporaryDirectory();
  const machine = new SimulatedMachine();
  let filling: GuestPath | undefined;
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
    rebootInside: path => done().then(() => machine.reboot(path)),
    endUnseen: (path, close) => close().then(() => machine.powerOff(path)),
    answerAgentInside: path => done().then(() => machine.answerAgent(path)),
    makeTightImage: () => ({ file: makeImage(join(root, 'tight')), free: () => machine.mendDisk(filling!) }),
    fillDiskInside: (path, target) => {
      filling = path;
      return done().then(() => machine.failDisk(path, target));
    },
    untilFilled: () => done().then(() => true),
    plantStranger: name =>
      done().then(() => machine.plantStranger({ name, controllable: false, reason: 'it has no monitor' })),
    isStrangerAlive: id => machine.strangers.some(stranger => stranger.id === id),
    dispose: () => done().then(() => rmSync(root, { recursive: true })),
  };
});
