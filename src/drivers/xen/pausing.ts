import type { DomainState } from '../../model/guest-state.ts';
import { stateOf, type XenDomain } from './xen-domain.ts';
import type { DomainRow } from './xl-output.ts';
import type { Xl } from './xl.ts';

/** More often than anybody pauses a domain by mistake. */
const MOST_PAUSES = 8;
const FROM = { pause: 'running', unpause: 'paused' } as const;

/**
 * Pauses a domain that runs, or lets one go on that is paused, and nothing where it is so already. Xen counts the pauses, those by
 * other programs as well: as many have to end.
 * @param row what Xen said of it last
 * @returns what it is then: xl says that it is done also where Xen refused
 */
export async function untilSwitched(
  xl: Xl,
  act: keyof typeof FROM,
  domain: XenDomain,
  row: DomainRow,
): Promise<DomainState> {
  let state = stateOf(row);
  for (let times = 0; state === FROM[act] && times < MOST_PAUSES; times++) {
    await xl.act(`${act} ${domain.path}`, [act, domain.target]);
    state = stateOf(domain.rowIn(await xl.list()));
  }
  return state;
}
