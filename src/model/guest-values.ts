/** Forms and bounds of single values of a guest, wherever they come from: its file, or a struct that describes a new one. */

export const mostMemoryMib = 64 * 1024 * 1024;
export const mostVcpus = 1024;

/** RFC 9562 text form; old files leave the dashes out. */
export const uuidPattern = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** Keyboard layout, such as `en-us`. */
export const keymapPattern = /^[a-z]{2,4}(?:-[a-z]{2})?$/;

/** Name of a network interface of the host (IFNAMSIZ of Linux is 16 with the NUL). */
export const hostInterfacePattern = /^[A-Za-z0-9_.-]{1,15}$/;

/** TCP port of VNC display 0. */
export const firstVncPort = 5900;
/** Highest number of a VNC display. */
export const mostVncDisplays = 9999;

const MAC = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/** @returns why the text is no address of a card, as the rest of a sentence; undefined when it is one */
export function whyNoMac(text: string): string | undefined {
  if (!MAC.test(text)) return 'is no MAC address such as 00:16:3e:12:34:56';
  // The lowest bit of the first byte marks a group of cards, which no card can be (IEEE 802).
  const isGroup = (Number.parseInt(text.slice(0, 2), 16) & 1) === 1;
  return isGroup ? 'is the address of a group, not of a card' : undefined;
}
