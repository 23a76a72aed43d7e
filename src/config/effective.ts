import type { Settings } from './settings.ts';
import type { XendConfig } from './xend-config.ts';

/** What holds where agent.ini and xend-config.sxp both have a say: agent.ini where it says something, else the other. */

export function effectiveLogLevel(settings: Settings, xend: XendConfig): Settings['log']['level'] {
  const isSaid = settings.origins.some(({ key, section, source }) => section === 'log' && key === 'level' && source);
  return isSaid || !xend.says('logLevel') ? settings.log.level : xend.values.logLevel;
}

/** MiB of memory that guests leave to the server: the larger of the two wishes. */
export function effectiveMemoryReserveMib(settings: Settings, xend: XendConfig): number {
  return Math.max(settings.guests.memoryReserveMib, xend.values.dom0MinMemoryMib);
}
