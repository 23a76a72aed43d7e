import { AgentError } from '../errors.ts';
import type { Driver, Probe } from './driver.ts';

export type Hypervisor = Driver['name'];

type Probed = Pick<Driver, 'probe'>;

export interface Detected<D extends Probed = Driver> {
  readonly driver: D;
  readonly probe: Probe & { readonly usable: true };
}

/** The drivers that there are. */
export type DriverMakers<D extends Probed = Driver> = Readonly<Partial<Record<Hypervisor, () => D>>>;

/** In what order `hypervisor=auto` looks: guests of a Xen host belong to Xen, even where QEMU is installed as well. */
const ORDER: readonly Hypervisor[] = ['xen', 'qemu'];

/**
 * Chooses the hypervisor of this server. `simulated` is taken only when it is asked for by name.
 * @param makers the drivers that there are
 * @throws AgentError NOT_SUPPORTED with what to install when none can be used
 */
export async function detectDriver<D extends Probed = Driver>(
  wanted: Hypervisor | 'auto',
  makers: DriverMakers<D>,
): Promise<Detected<D>> {
  const refusals: string[] = [];
  for (const name of wanted === 'auto' ? ORDER : [wanted]) {
    const driver = makers[name]?.();
    if (!driver) {
      if (wanted !== 'auto') refusals.push(`${name}: this version of the agent has no driver for it`);
      continue;
    }
    const probe = await driver.probe();
    if (probe.usable) return { driver, probe };
    refusals.push(`${name}: ${probe.reason}; ${probe.remedy}`);
  }
  throw new AgentError(
    'NOT_SUPPORTED',
    `hypervisor = ${wanted}: no hypervisor can be used here (${refusals.join(' | ')})`,
  );
}
