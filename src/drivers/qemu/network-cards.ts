import type { GuestConfig, NetworkInterface } from '../../model/guest-config.ts';
import type { DeviceProperties, Properties } from './properties.ts';

/** The card as the guest finds it. Its id is made of its address, by which it is found again to be taken away. */
export function networkCardOf(card: NetworkInterface, kind: GuestConfig['kind']): DeviceProperties {
  return {
    driver: card.kind === 'paravirtual' ? 'virtio-net-pci' : (card.model ?? 'rtl8139'),
    id: cardId(card.mac),
    netdev: networkId(card.mac),
    mac: card.mac,
    // The boot code of a card is of use only where firmware boots the guest.
    ...(kind === 'para' ? { romfile: '' } : {}),
  };
}

/** Where the card's frames go (QAPI Netdev): a tap interface that is there already, or QEMU's own small network. */
export function networkOf(
  card: NetworkInterface,
  tapName: string,
  userNetwork: 'open' | 'restricted',
): Properties & { readonly type: string } {
  const id = networkId(card.mac);
  return card.bridge === undefined
    ? { type: 'user', id, restrict: userNetwork === 'restricted' }
    : { type: 'tap', id, ifname: tapName, script: 'no', downscript: 'no' };
}

export function cardId(mac: string): string {
  return `card-${digitsOf(mac)}`;
}

export function networkId(mac: string): string {
  return `net-${digitsOf(mac)}`;
}

/** Ids of QEMU hold letters, digits and - . _ only. */
function digitsOf(mac: string): string {
  return mac.replaceAll(':', '');
}

/** Name of a card's interface on the host, which has 15 characters at most; the address tells cards of a guest apart. */
export function tapInterfaceName(card: NetworkInterface, prefix: string): string {
  return card.hostName ?? `${prefix}.${digitsOf(card.mac).slice(-6)}`;
}
