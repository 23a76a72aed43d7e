import type { GuestConfig, Pointer, SerialPort } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import type { ConfigKeys } from './config-keys.ts';

/** A PC has four serial ports. */
const MOST_SERIAL_PORTS = 4;
/** Forms of xl.cfg(5) that all mean a console that somebody can attach to. */
const CONSOLES = ['pty', 'stdio', 'vc', 'mon:pty', 'mon:stdio'];

/** A paravirtual guest always has a console; a machine with firmware has the serial ports that its file names. */
export function serialPortsOf(keys: ConfigKeys, kind: GuestConfig['kind']): readonly SerialPort[] {
  const wanted = keys.textOrList('serial');
  if (wanted.length > MOST_SERIAL_PORTS) keys.fail('serial', `a machine has ${MOST_SERIAL_PORTS} serial ports at most`);
  if (kind === 'para' && wanted.length === 0) return ['console'];
  // 'none' at the end says that there are no more.
  const ports = wanted.filter((text, index) => text !== 'none' || wanted.slice(index).some(later => later !== 'none'));
  return ports.map((text): SerialPort => {
    if (CONSOLES.includes(text)) return 'console';
    if (text === 'null' || text === 'none') return 'none';
    return keys.fail(
      'serial',
      `${quote(text)} is not offered, for it would open a file, device or port of this server; write 'pty', which ` +
        'keeps a history and is read with "ovs-agent console"',
    );
  });
}

/** The pointing devices on USB; other devices of the host are not handed to guests. */
export function usbOf(keys: ConfigKeys): Pick<GuestConfig, 'usb' | 'pointers'> {
  const pointers = keys
    .textOrList('usbdevice')
    .map(
      (device): Pointer =>
        device === 'tablet' || device === 'mouse'
          ? device
          : keys.fail('usbdevice', `${quote(device)} is not offered; 'tablet' and 'mouse' are`),
    );
  return { usb: keys.flag('usb') ?? false, pointers: [...new Set(pointers)] };
}

const PCI_ADDRESS = /^(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])(?:@[0-9a-f]{1,2})?$/i;

/** Host devices, by the address that lspci(8) shows; the domain may be left out. */
export function pciDevicesOf(keys: ConfigKeys): readonly string[] {
  return keys.textOrList('pci').map(item => {
    const [address = '', ...options] = item.split(',').map(part => part.trim());
    const [, domain = '0000', bus, slot, fn] = PCI_ADDRESS.exec(address) ?? [];
    if (bus === undefined || slot === undefined || fn === undefined) {
      keys.fail('pci', `${quote(item)} is no address of a device such as 0000:01:00.0`);
    }
    if (options.length > 0) keys.fail('pci', `${quote(options.join(','))} in ${quote(item)} is not known; remove it`);
    return `${domain}:${bus}:${slot}.${fn}`.toLowerCase();
  });
}
