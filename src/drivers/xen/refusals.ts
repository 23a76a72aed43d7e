import { isIPv6 } from 'node:net';
import { AgentError } from '../../errors.ts';
import { bridgeExists } from '../../host/bridges.ts';
import type { GuestConfig } from '../../model/guest-config.ts';
import { quote } from '../../model/guest-path.ts';
import { STANDARD_BRIDGE, whyNoDisk } from './devices.ts';

/** libxl takes no more (libxl_internal.h, LIBXL_MAX_...; Xen, HVM_MAX_VCPUS). */
const MOST_HARDWARE_VCPUS = 128;
/** xl.cfg(5), usbdevice, has only these of ours; keymaps are those of its device model. */
const KEYMAP = /^[a-z]{2,4}(?:-[a-z]{2})?$/;

/** What of a guest Xen cannot honour, and what to write instead; one sentence, or undefined when there is nothing. */
export function whyNotOnXen(config: GuestConfig, hasHardwareGuests: boolean): string | undefined {
  const { disks, display, keymap, kind, maxVcpus, networkInterfaces, xen } = config;
  const isHardware = kind === 'hvm' || xen.isPvh;
  if (isHardware && !hasHardwareGuests)
    return `this server's processor runs no guests of type ${kind === 'hvm' ? 'hvm' : 'pvh'}; write type = 'pv'`;
  if (isHardware && maxVcpus > MOST_HARDWARE_VCPUS)
    return `vcpus = ${maxVcpus} is more than such a guest can have on Xen; write ${MOST_HARDWARE_VCPUS} or fewer`;
  if (display && keymap !== undefined && !KEYMAP.test(keymap))
    return `keymap = ${quote(keymap)} is no name of a layout; write one such as en-us`;
  if (kind === 'para' && display?.password?.includes(','))
    return 'vncpasswd holds a comma, which a paravirtual display cannot have; choose another';
  if (display && isIPv6(display.listen))
    return `vnclisten = '${display.listen}' has colons, after which Xen looks for a display; write an address of IPv4`;
  const image = disks.map(whyNoDisk).find(reason => reason !== undefined);
  if (image !== undefined) return image;
  const card = networkInterfaces.find(({ bridge }) => bridge === undefined);
  if (card && !bridgeExists(STANDARD_BRIDGE))
    return `network card ${card.mac} names no bridge, and there is no ${STANDARD_BRIDGE} here; write bridge=…`;
  return undefined;
}

/** @throws AgentError NOT_SUPPORTED */
export function requirePossible(path: string, config: GuestConfig, hasHardwareGuests: boolean): void {
  const reason = whyNotOnXen(config, hasHardwareGuests);
  if (reason !== undefined) throw new AgentError('NOT_SUPPORTED', `start ${path}: ${reason}`);
}
