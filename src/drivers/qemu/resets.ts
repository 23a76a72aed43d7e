import type { Clock } from '../../host/clock.ts';
import { endActionsOf } from './end-actions.ts';
import type { QemuDomain } from './qemu-domain.ts';
import type { QmpEvent } from '../qmp-connection.ts';

/** Time in which firmware resets the machine after it was reset; it takes some 25 ms where the server is idle. */
const FIRMWARE_MS = 2_000;
/** Time between the resets that firmware asks for. */
const FIRMWARE_REST_MS = 100;

function isGuestReset({ data, event }: QmpEvent): boolean {
  return event === 'RESET' && data['guest'] === true;
}

/**
 * Tells the reboots of a system from other resets. SeaBIOS that finds itself run before resets the machine once more
 * (resume.c, tryReboot), so that each reset comes with one or two that are firmware's own.
 */
export class Resets {
  readonly #clock: Clock;
  #last = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called once with every event. */
  isReboot(event: QmpEvent): boolean {
    if (event.event !== 'RESET') return false;
    const now = this.#clock.monotonic();
    const isOfFirmware = isGuestReset(event) && now - this.#last < FIRMWARE_MS;
    if (!isOfFirmware) this.#last = now;
    return isGuestReset(event) && !isOfFirmware;
  }
}

/** Restarts the machine of a domain, from whatever state it is in, and lets it run. */
export async function resetMachine(domain: QemuDomain, clock: Clock): Promise<void> {
  const { endedBy, ends } = domain.note;
  const actions = endActionsOf(ends);
  // Forgotten first: an agent that comes in between must not take an old end for the next one.
  if (endedBy) domain.rememberEnd(undefined);
  try {
    // A reset that counts as a shutdown would be one for us as well.
    await domain.setEndActions({ ...actions, reboot: 'reset' });
    await domain.execute('system_reset');
  } catch (error) {
    if (endedBy) domain.rememberEnd(endedBy);
    throw error;
  }
  if (actions.reboot === 'reset') {
    await domain.execute('cont');
    return;
  }
  // Until firmware has reset the machine itself: its reset must not count as one of the system.
  await domain.eventAfter(isGuestReset, FIRMWARE_MS, () => domain.execute('cont'));
  await clock.sleep(FIRMWARE_REST_MS);
  await domain.setEndActions({ reboot: actions.reboot });
}
