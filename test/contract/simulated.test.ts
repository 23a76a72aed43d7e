import { SimulatedDriver, SimulatedMachine } from '../../src/drivers/simulated/simulated-driver.ts';
import { demoConfig } from '../support/guest-config.ts';
import { type DriverHarness, driverContract } from './driver-contract.ts';

driverContract('simulated', (): DriverHarness => {
  const machine = new SimulatedMachine();
  const done = (): Promise<void> => Promise.resolve();
  return {
    makeDriver: () => new SimulatedDriver(machine),
    plan: (path, ends) => ({ path, config: demoConfig('guest', { ends }) }),
    untilUp: done,
    powerOffInside: path => done().then(() => machine.powerOff(path)),
    crashInside: path => done().then(() => machine.crash(path)),
    dispose: done,
  };
});
