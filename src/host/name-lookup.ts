import { lookup, reverse } from 'node:dns/promises';
import type { Clock } from './clock.ts';

const LOOKUP_MS = 2_000;

/**
 * The names of an address that point back to it: a name alone is the claim of whoever rules its reverse zone.
 * None when the resolver does not answer in time.
 */
export function resolveNames(clock: Clock): (address: string) => Promise<readonly string[]> {
  return async address => {
    const stop = new AbortController();
    const late = clock.sleep(LOOKUP_MS, stop.signal).then(
      () => [],
      () => [],
    );
    const names = await Promise.race([confirmedNames(address).catch(() => []), late]);
    stop.abort();
    return names;
  };
}

async function confirmedNames(address: string): Promise<readonly string[]> {
  const names = await reverse(address);
  const confirmed = await Promise.all(
    names.map(async name => {
      const addresses = await lookup(name, { all: true }).catch(() => []);
      return addresses.some(found => found.address === address) ? [name] : [];
    }),
  );
  return confirmed.flat();
}
