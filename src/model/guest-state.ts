import { AgentError } from '../errors.ts';

/** Statuses that are stored and shown. Real clients read DOWN, RUNNING, SUSPEND and ERROR. */
export const guestStatuses = [
  'DOWN',
  'INITIALIZING',
  'RUNNING',
  'PAUSED',
  'SUSPEND',
  'SHUTTING_DOWN',
  'REBOOTING',
  'MIGRATING',
  'SAVING',
  'ERROR',
  'UNKNOWN',
] as const;

export type GuestStatus = (typeof guestStatuses)[number];

/**
 * What a hypervisor says of a domain.
 * `absent`: it does not exist. `stuck`: one of its disks failed, and the hypervisor stopped it until it is unpaused.
 * `halted`: its system has powered off or reset itself, but the domain was kept. `crashed`: its system has crashed and the
 * domain was kept. `unreachable`: it exists and cannot be asked.
 */
export type DomainState = 'absent' | 'starting' | 'running' | 'paused' | 'stuck' | 'halted' | 'crashed' | 'unreachable';

export type GuestAct =
  | 'start'
  | 'stop'
  | 'destroy'
  | 'reset'
  | 'reboot'
  | 'pause'
  | 'unpause'
  | 'suspend'
  | 'resume'
  | 'save'
  | 'restore'
  | 'crash'
  | 'dump'
  | 'configure'
  | 'clone'
  | 'pack'
  | 'unregister'
  | 'delete';

/** The one table of acts and the statuses that allow them. */
export const allowedStatuses: Readonly<Record<GuestAct, readonly GuestStatus[]>> = {
  start: ['DOWN'],
  stop: ['RUNNING', 'PAUSED', 'SHUTTING_DOWN'],
  // Of one that is suspended the state is thrown away, as its memory is when it runs.
  destroy: ['INITIALIZING', 'RUNNING', 'PAUSED', 'SUSPEND', 'SHUTTING_DOWN', 'REBOOTING', 'SAVING', 'ERROR', 'UNKNOWN'],
  reset: ['RUNNING', 'PAUSED', 'ERROR', 'SHUTTING_DOWN'],
  reboot: ['RUNNING'],
  pause: ['RUNNING'],
  unpause: ['PAUSED'],
  suspend: ['RUNNING', 'PAUSED'],
  resume: ['SUSPEND'],
  save: ['RUNNING', 'PAUSED'],
  restore: ['DOWN'],
  crash: ['RUNNING'],
  dump: ['RUNNING', 'PAUSED', 'ERROR'],
  configure: ['DOWN', 'RUNNING', 'PAUSED', 'ERROR'],
  clone: ['DOWN'],
  pack: ['DOWN'],
  unregister: ['DOWN', 'ERROR', 'SUSPEND'],
  delete: ['DOWN', 'ERROR'],
};

/** The acts that a status allows. */
export function actsOf(status: GuestStatus): readonly GuestAct[] {
  return guestActs.filter(act => allowedStatuses[act].includes(status));
}

/**
 * @throws AgentError WRONG_STATE, `<act> <path>: it is <status>; <act> needs <statuses>`
 */
export function requireStatus(act: GuestAct, path: string, status: GuestStatus, reason?: string): void {
  const allowed = allowedStatuses[act];
  if (allowed.includes(status)) return;
  const because = reason ? ` (${reason})` : '';
  throw new AgentError(
    'WRONG_STATE',
    `${act} ${path}: it is ${status}${because}; ${act} needs ${allowed.join(' or ')}`,
  );
}

const guestActs = Object.keys(allowedStatuses) as readonly GuestAct[];

/** Statuses that hold without a domain: only these survive the knowledge that no domain exists. */
const WITHOUT_DOMAIN: readonly GuestStatus[] = ['DOWN', 'SUSPEND', 'ERROR'];

const STATUS_OF_DOMAIN: Readonly<Record<Exclude<DomainState, 'absent'>, GuestStatus>> = {
  starting: 'INITIALIZING',
  running: 'RUNNING',
  paused: 'PAUSED',
  stuck: 'PAUSED',
  halted: 'SHUTTING_DOWN',
  crashed: 'ERROR',
  unreachable: 'UNKNOWN',
};

/** The true status of a guest, from the one that was stored and what its hypervisor says now. */
export function statusFrom(stored: GuestStatus, observed: DomainState): GuestStatus {
  if (observed !== 'absent') return STATUS_OF_DOMAIN[observed];
  return WITHOUT_DOMAIN.includes(stored) ? stored : 'DOWN';
}

/**
 * What is done when a guest's system powers off, reboots or crashes (xl.cfg(5), on_poweroff and following).
 * `rename-restart`: what is left of the old domain is kept, and the guest runs again.
 */
export const endActions = ['destroy', 'restart', 'preserve', 'rename-restart'] as const;
export type EndAction = (typeof endActions)[number];

/** What becomes of a guest when its server is shut down. */
export const shutdownActions = ['stop', 'save', 'migrate', 'destroy'] as const;
export type ShutdownAction = (typeof shutdownActions)[number];
