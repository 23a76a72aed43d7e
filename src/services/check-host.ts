import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import { bridgeExists, filtersBridges } from '../host/bridges.ts';
import type { HostFacts } from '../host/inventory.ts';
import { whyNoProcessorShares } from '../host/processor-groups.ts';
import type { GuestConfig } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { CheckSubject } from '../vmcfg/checks.ts';

export interface CheckHostParts {
  readonly driver: Driver;
  readonly accelerator: string;
  readonly facts: HostFacts;
}

/** What this server can do for a guest, as far as guest files are checked against it. */
export class CheckHost {
  readonly #parts: CheckHostParts;

  constructor(parts: CheckHostParts) {
    this.#parts = parts;
  }

  describe(path: GuestPath, config: GuestConfig): CheckSubject['host'] {
    const { accelerator, driver, facts } = this.#parts;
    return {
      memoryMib: facts.totalMemoryMib,
      processors: facts.processors,
      isXen: driver.name === 'xen',
      accelerator,
      hasBridge: bridgeExists,
      // Xen shares its processors out itself.
      whyNoShares: driver.name === 'xen' ? undefined : whyNoProcessorShares(),
      filtersBridges: filtersBridges(),
      refusal: refusalOf(driver, path, config),
    };
  }
}

function refusalOf(driver: Driver, path: GuestPath, config: GuestConfig): string | undefined {
  try {
    driver.check({ path, config });
    return undefined;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return error.message.replace(`start ${path}: `, '');
  }
}
