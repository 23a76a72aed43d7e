import type { NetworkInterface } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import { hostInterfacePattern, whyNoMac } from '../model/guest-values.ts';

/** Cards that a machine can emulate, under the names of vm.cfg and as QEMU knows them. */
const MODELS = new Map([
  ['rtl8139', 'rtl8139'],
  ['e1000', 'e1000'],
  ['ne2k_pci', 'ne2k_pci'],
  ['pcnet', 'pcnet'],
  ['virtio-net', 'virtio-net-pci'],
  ['virtio', 'virtio-net-pci'],
]);

/** Keys of a vif; those after the first six are for Xen's own scripts and change nothing here. */
const KEYS = [
  'mac',
  'bridge',
  'type',
  'model',
  'vifname',
  'rate',
  'ip',
  'script',
  'backend',
  'accel',
  'uuid',
  'policy',
  'label',
] as const;
export type NetworkInterfaceKey = (typeof KEYS)[number];

const BITS_OF_UNIT: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9 };

/**
 * Reads the parts of one item of `vif`.
 * @returns the reason, as the rest of a sentence, when it cannot be read
 */
export function readInterfaceOptions(item: string): ReadonlyMap<NetworkInterfaceKey, string> | string {
  const options = new Map<NetworkInterfaceKey, string>();
  for (const part of item.split(',').map(text => text.trim())) {
    if (part === '') continue;
    const [, name, value] = /^([a-z]+)\s*=\s*(.*)$/.exec(part) ?? [];
    if (name === undefined || value === undefined)
      return `${quote(part)} in ${quote(item)} is not of the form key=value`;
    const key = KEYS.find(known => known === name);
    if (key === undefined) return `${quote(name)} in ${quote(item)} is no key of a vif`;
    // What is left empty is left to the agent.
    if (value !== '') options.set(key, value);
  }
  return options;
}

/**
 * Reads one item of `vif`, such as `mac=00:16:3e:12:34:56, bridge=xenbr0, type=ioemu`; an empty one is a card with
 * everything left to the agent.
 * @param newMac gives an address where none is named
 * @param defaultBridge for a card that names none; undefined puts such a card on the user-mode network
 * @returns the reason, as the rest of a sentence, when it cannot be read
 */
export function parseNetworkInterface(
  item: string,
  kind: 'para' | 'hvm',
  newMac: () => string,
  defaultBridge?: string,
): NetworkInterface | string {
  const options = readInterfaceOptions(item);
  if (typeof options === 'string') return options;
  const said = (key: NetworkInterfaceKey, why: string): string =>
    `${quote(options.get(key) ?? '')} in ${quote(item)} ${why}`;
  const mac = options.get('mac')?.toLowerCase() ?? newMac();
  const macReason = whyNoMac(mac);
  if (macReason !== undefined) return said('mac', macReason);
  const bridge = options.get('bridge') ?? defaultBridge;
  if (bridge !== undefined && !hostInterfacePattern.test(bridge)) return said('bridge', 'is no name of a bridge');
  const type = options.get('type') ?? (kind === 'hvm' ? 'ioemu' : 'netfront');
  if (!['ioemu', 'netfront', 'vif'].includes(type)) return said('type', 'is no type; netfront and ioemu are');
  const wanted = options.get('model');
  const model = wanted === undefined ? undefined : MODELS.get(wanted);
  if (wanted !== undefined && model === undefined)
    return said('model', `is no model; ${[...MODELS.keys()].join(', ')} are`);
  const hostName = options.get('vifname');
  if (hostName !== undefined && (!hostInterfacePattern.test(hostName) || /^(?:lo|\.\.?)$/.test(hostName)))
    return said('vifname', 'is no name of a network interface; up to 15 letters, digits and _ . - are');
  const rate = options.get('rate');
  const rateLimit = rate === undefined ? undefined : parseRate(rate);
  if (rate !== undefined && rateLimit === undefined) return said('rate', 'is no rate such as 10Mb/s or 500KB/s');
  const backend = options.get('backend') ?? '0';
  if (!['0', 'Domain-0'].includes(backend))
    return said('backend', 'is not offered; remove it, this server is the backend');
  return {
    mac,
    bridge,
    kind: type === 'ioemu' && kind === 'hvm' ? 'emulated' : 'paravirtual',
    model,
    hostName,
    rateLimit,
  };
}

/** @returns the item with that address in it, the rest as it was */
export function withMac(item: string, mac: string): string {
  const rest = item
    .trim()
    .replace(/(^|,)\s*mac\s*=\s*(?=,|$),?\s*/, '$1')
    .trim();
  return rest === '' ? `mac=${mac}` : `mac=${mac}, ${rest}`;
}

/**
 * A rate such as `10Mb/s`, `250KB/s` or `1MB/s@20ms` (xl-network-configuration(5)); how often credit is given back is the
 * host's business.
 * @returns bits per second
 */
function parseRate(text: string): number | undefined {
  const [, amount, unit = '', size] = /^(\d{1,9})([KMG]?)([bB])\/s(?:@\d+(?:ms|us|s)?)?$/.exec(text) ?? [];
  const bits = Number(amount) * (BITS_OF_UNIT[unit] ?? 1) * (size === 'B' ? 8 : 1);
  return bits > 0 ? bits : undefined;
}
