import { type EndPolicy, leavesByItself } from '../../model/guest-config.ts';

/** What QEMU does of its own at an end (QAPI set-action). */
export interface EndActions {
  readonly reboot: 'reset' | 'shutdown';
  readonly shutdown: 'poweroff' | 'pause';
  readonly panic: 'pause';
}

/**
 * QEMU resets the machine itself, or ends, where that is all that was asked for. Every other end leaves the guest in place:
 * what then happens to it is the agent's to do, be it minutes later. Both ends that are no crash share one action of QEMU
 * once a reset counts as a shutdown; which of them it was, QEMU says in its SHUTDOWN event.
 */
export function endActionsOf(ends: EndPolicy): EndActions {
  return {
    reboot: ends.reboot === 'restart' ? 'reset' : 'shutdown',
    shutdown: leavesByItself(ends) ? 'poweroff' : 'pause',
    panic: 'pause',
  };
}
