import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import type { Clock } from '../../host/clock.ts';
import { killProcess } from '../../host/processes.ts';

export interface Accelerator {
  readonly name: 'kvm' | 'tcg';
  /** Why it is this one. */
  readonly reason: string;
}

/** Time in which firmware must have printed its first line: it takes about 50 ms where KVM works. */
const TRIAL_MS = 5_000;

/**
 * Whether guests can run on KVM here. That `/dev/kvm` opens is no proof: inside some virtual machines it does, and
 * guests then hang. So the processor must show its extension, and a trial machine must run its firmware.
 */
export async function chooseAccelerator(
  wanted: 'auto' | 'kvm' | 'tcg',
  program: string,
  clock: Clock,
  host: { readonly cpuInfoFile: string; readonly kvmDevice: string } = {
    cpuInfoFile: '/proc/cpuinfo',
    kvmDevice: '/dev/kvm',
  },
): Promise<Accelerator> {
  if (wanted === 'tcg') return { name: 'tcg', reason: 'accelerator = tcg is set' };
  if (wanted === 'kvm') return { name: 'kvm', reason: 'accelerator = kvm is set' };
  if (!hasVirtualizationExtension(host.cpuInfoFile)) {
    return { name: 'tcg', reason: 'the processor shows neither vmx nor svm' };
  }
  try {
    accessSync(host.kvmDevice, constants.R_OK | constants.W_OK);
  } catch {
    return { name: 'tcg', reason: `${host.kvmDevice} is missing or may not be opened` };
  }
  return (await firmwareRuns(program, clock))
    ? { name: 'kvm', reason: 'the processor supports it and a trial machine ran' }
    : { name: 'tcg', reason: 'a trial machine did not run on KVM' };
}

function hasVirtualizationExtension(cpuInfoFile: string): boolean {
  try {
    return /^flags\s*:.*\b(?:vmx|svm)\b/m.test(readFileSync(cpuInfoFile, 'utf8'));
  } catch {
    return false;
  }
}

/** Starts a machine without disks and waits for SeaBIOS to write to its debug port. */
function firmwareRuns(program: string, clock: Clock): Promise<boolean> {
  const child = spawn(
    program,
    [
      '-accel',
      'kvm',
      '-machine',
      'pc',
      '-cpu',
      'host',
      '-m',
      'size=32M',
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
    ].concat(['-chardev', 'stdio,id=debug', '-device', 'isa-debugcon,iobase=0x402,chardev=debug']),
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  return new Promise(resolve => {
    const finish = (works: boolean): void => {
      timer.cancel();
      if (child.pid !== undefined) killProcess(child.pid);
      resolve(works);
    };
    const timer = clock.setTimer(TRIAL_MS, () => finish(false));
    child.stdout.once('data', () => finish(true));
    child.once('error', () => finish(false));
    child.once('exit', () => finish(false));
  });
}
