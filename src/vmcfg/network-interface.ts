import type { NetworkInterface } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';

const MAC = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const BRIDGE = /^[A-Za-z0-9_.-]{1,15}$/;
/** Cards that a machine can emulate, under the names of vm.cfg and as QEMU knows them. */
const MODELS = new Map([
  ['rtl8139', 'rtl8139'],
  ['e1000', 'e1000'],
  ['ne2k_pci', 'ne2k_pci'],
  ['pcnet', 'pcnet'],
  ['virtio-net', 'virtio-net-pci'],
]);
/** Keys of a vif that say nothing to a hypervisor other than Xen's backend scripts. */
const WITHOUT_EFFECT = ['ip', 'script', 'vifname', 'rate', 'backend', 'accel'];

/**
 * Reads one item of `vif`, such as `mac=00:16:3e:12:34:56, bridge=xenbr0, type=ioemu`; an empty one is a card with
 * everything left to the agent.
 * @param newMac gives an address where none is named
 * @returns the reason, as the rest of a sentence, when it cannot be read
 */
export function parseNetworkInterface(
  item: string,
  kind: 'para' | 'hvm',
  newMac: () => string,
): NetworkInterface | string {
  const options = new Map<string, string>();
  for (const part of item.split(',').map(text => text.trim())) {
    if (part === '') continue;
    const [, key, value] = /^([a-z]+)\s*=\s*(.*)$/.exec(part) ?? [];
    if (key === undefined || value === undefined)
      return `${quote(part)} in ${quote(item)} is not of the form key=value`;
    if (!['mac', 'bridge', 'type', 'model', ...WITHOUT_EFFECT].includes(key))
      return `${quote(key)} in ${quote(item)} is no key of a vif`;
    options.set(key, value);
  }
  const mac = options.get('mac')?.toLowerCase() ?? newMac();
  if (!MAC.test(mac)) return `${quote(mac)} in ${quote(item)} is no MAC address such as 00:16:3e:12:34:56`;
  // The lowest bit of the first byte marks a group of cards, which no card can be (IEEE 802).
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1)
    return `${quote(mac)} in ${quote(item)} is the address of a group, not of a card`;
  const bridge = options.get('bridge');
  if (bridge !== undefined && !BRIDGE.test(bridge)) return `${quote(bridge)} in ${quote(item)} is no name of a bridge`;
  const type = options.get('type') ?? (kind === 'hvm' ? 'ioemu' : 'netfront');
  if (!['ioemu', 'netfront', 'vif'].includes(type))
    return `${quote(type)} in ${quote(item)} is no type; netfront and ioemu are`;
  const wanted = options.get('model');
  const model = wanted === undefined ? undefined : MODELS.get(wanted);
  if (wanted !== undefined && model === undefined)
    return `${quote(wanted)} in ${quote(item)} is no model; ${[...MODELS.keys()].join(', ')} are`;
  return { mac, bridge, kind: type === 'ioemu' && kind === 'hvm' ? 'emulated' : 'paravirtual', model };
}
