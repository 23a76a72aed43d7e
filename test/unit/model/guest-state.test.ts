import { describe, expect, it } from 'vitest';
import {
  actsOf,
  allowedStatuses,
  type DomainState,
  type GuestAct,
  type GuestStatus,
  guestStatuses,
  requireStatus,
  statusFrom,
} from '../../../src/model/guest-state.ts';

/** The table once more, written for readers: which acts a guest of each status allows. */
const allowed: Readonly<Record<GuestStatus, readonly GuestAct[]>> = {
  DOWN: ['start', 'restore', 'configure', 'clone', 'pack', 'unregister', 'delete'],
  INITIALIZING: ['destroy'],
  RUNNING: ['stop', 'destroy', 'reset', 'reboot', 'pause', 'suspend', 'save', 'crash', 'dump', 'configure'],
  PAUSED: ['stop', 'destroy', 'reset', 'unpause', 'suspend', 'save', 'dump', 'configure'],
  SUSPEND: ['destroy', 'resume', 'unregister'],
  SHUTTING_DOWN: ['stop', 'destroy', 'reset'],
  REBOOTING: ['destroy'],
  MIGRATING: [],
  SAVING: ['destroy'],
  ERROR: ['destroy', 'reset', 'dump', 'configure', 'unregister', 'delete'],
  UNKNOWN: ['destroy'],
};

const pairs = guestStatuses.flatMap(status =>
  (Object.keys(allowedStatuses) as GuestAct[]).map(act => [act, status] as const),
);

describe('the table of acts and statuses', () => {
  it.each(pairs)('%s of a guest that is %s', (act, status) => {
    const attempt = (): void => requireStatus(act, '/OVS/running_pool/g', status);
    if (allowed[status].includes(act)) expect(attempt).not.toThrow();
    else expect(attempt).toThrow(new RegExp(`^${act} /OVS/running_pool/g: it is ${status}; ${act} needs [A-Z_ or]+$`));
  });

  it.each(guestStatuses)('what a guest that is %s allows is what can be told of it', status => {
    expect([...actsOf(status)].sort()).toEqual([...allowed[status]].sort());
  });

  it('tells why the guest has the status that forbids the act', () => {
    expect(() => requireStatus('start', '/g', 'ERROR', 'its system crashed')).toThrow(
      '/g: it is ERROR (its system crashed); start needs DOWN',
    );
  });
});

describe('the status from what was stored and what the hypervisor says', () => {
  it.each<[GuestStatus, DomainState, GuestStatus]>([
    ['DOWN', 'running', 'RUNNING'],
    ['RUNNING', 'paused', 'PAUSED'],
    ['RUNNING', 'stuck', 'PAUSED'],
    ['RUNNING', 'absent', 'DOWN'],
    ['INITIALIZING', 'absent', 'DOWN'],
    ['SHUTTING_DOWN', 'absent', 'DOWN'],
    ['UNKNOWN', 'absent', 'DOWN'],
    ['ERROR', 'absent', 'ERROR'],
    ['SUSPEND', 'absent', 'SUSPEND'],
    ['ERROR', 'running', 'RUNNING'],
    ['RUNNING', 'unreachable', 'UNKNOWN'],
    ['DOWN', 'unreachable', 'UNKNOWN'],
    ['RUNNING', 'crashed', 'ERROR'],
    ['RUNNING', 'halted', 'SHUTTING_DOWN'],
    ['DOWN', 'starting', 'INITIALIZING'],
  ])('stored %s and %s is %s', (stored, observed, status) => {
    expect(statusFrom(stored, observed)).toBe(status);
  });
});
