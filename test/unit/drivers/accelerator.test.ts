import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseAccelerator } from '../../../src/drivers/qemu/accelerator.ts';
import { detectDriver } from '../../../src/drivers/detect.ts';
import { SimulatedDriver } from '../../../src/drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import { systemClock } from '../../../src/host/clock.ts';
import type { Driver } from '../../../src/drivers/driver.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { waitUntil } from '../../support/wait.ts';

/** A server with that processor and a device for KVM, and a QEMU that does what the script says. */
function server(flags: string, script: string): { program: string; host: { cpuInfoFile: string; kvmDevice: string } } {
  const directory = temporaryDirectory();
  const [program, cpuInfoFile, kvmDevice] = ['qemu', 'cpuinfo', 'kvm'].map(name => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  writeFileSync(cpuInfoFile, `processor : 0\nflags\t\t: fpu ${flags} sse2\n`);
  writeFileSync(kvmDevice, '');
  return { program, host: { cpuInfoFile, kvmDevice } };
}

describe('the accelerator', () => {
  it('is kvm where the processor has the extension and a trial machine runs its firmware', async () => {
    for (const flag of ['vmx', 'svm']) {
      const { program, host } = server(flag, 'echo SeaBIOS; exec sleep 60');
      expect(await chooseAccelerator('auto', program, systemClock, host)).toMatchObject({ name: 'kvm' });
    }
  });

  it.each([
    ['the processor lacks it, though the device opens', 'avx', 'echo SeaBIOS', /neither vmx nor svm/],
    ['a flag only looks like it', 'vmx_exit svm2', 'echo SeaBIOS', /neither vmx nor svm/],
    ['the trial machine ends at once', 'vmx', 'exit 1', /trial machine did not run/],
  ])('is tcg where %s', async (_why, flags, script, reason) => {
    const { program, host } = server(flags, script);
    expect(await chooseAccelerator('auto', program, systemClock, host)).toMatchObject({
      name: 'tcg',
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('is tcg where the trial machine hangs, and the trial is ended', async () => {
    const { program, host } = server('vmx', 'exec sleep 60');
    const clock = new ManualClock();
    const choice = chooseAccelerator('auto', program, clock, host);
    await waitUntil('the trial runs', () => clock.waiting === 1);
    await clock.advance(5_000);
    expect(await choice).toMatchObject({ name: 'tcg' });
  });

  it('is tcg where the device is missing', async () => {
    const { program, host } = server('vmx', 'echo SeaBIOS');
    expect(await chooseAccelerator('auto', program, systemClock, { ...host, kvmDevice: '/nowhere' })).toMatchObject({
      name: 'tcg',
    });
  });

  it.each(['kvm', 'tcg'] as const)('is %s without a look where that is set', async wanted => {
    expect(await chooseAccelerator(wanted, '/nowhere', systemClock)).toMatchObject({ name: wanted });
  });
});

describe('the choice of the hypervisor', () => {
  const unusable = (): Driver =>
    Object.assign(new SimulatedDriver(new SimulatedMachine()), {
      probe: () => Promise.resolve({ usable: false as const, reason: 'it is not installed', remedy: 'install it' }),
    });
  const usable = (): Driver => new SimulatedDriver(new SimulatedMachine());

  it('takes the first that can be used, xen before qemu', async () => {
    const xen = usable();
    expect((await detectDriver('auto', { xen: () => xen, qemu: usable })).driver).toBe(xen);
    const qemu = usable();
    expect((await detectDriver('auto', { xen: unusable, qemu: () => qemu })).driver).toBe(qemu);
  });

  it('never takes the simulated one of its own accord', async () => {
    await expect(detectDriver('auto', { qemu: unusable, simulated: usable })).rejects.toThrow(
      /no hypervisor can be used here \(qemu: it is not installed; install it\)/,
    );
    expect((await detectDriver('simulated', { simulated: usable })).driver.name).toBe('simulated');
  });

  it('takes no other than the one that is asked for', async () => {
    await expect(detectDriver('xen', { qemu: usable })).rejects.toThrow(
      /this version of the agent has no driver for it/,
    );
  });
});
