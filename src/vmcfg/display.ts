import { isIP } from 'node:net';
import type { Display, Video } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import { keymapPattern, mostVncDisplays } from '../model/guest-values.ts';
import type { ConfigKeys } from './config-keys.ts';
import { parseFlag } from './flags.ts';

/** What holds where a guest file says nothing: the server's own settings (guide, appendix E.3: the guest file is over them). */
export interface DisplayDefaults {
  readonly vncListen: string;
  /** undefined: no password is asked. */
  readonly vncPassword: string | undefined;
  readonly keymap: string | undefined;
}

export const standardDisplayDefaults: DisplayDefaults = {
  vncListen: '127.0.0.1',
  vncPassword: undefined,
  keymap: undefined,
};

interface DisplayKeys {
  readonly display: Display | undefined;
  readonly keymap: string | undefined;
}

const FRAME_BUFFER_KEYS = [
  'type',
  'vnc',
  'sdl',
  'vncunused',
  'vncdisplay',
  'vnclisten',
  'vncpasswd',
  'keymap',
  'display',
  'xauthority',
  'opengl',
  'videoram',
  'serial',
  'monitor',
];

/** From the keys of an HVM guest, or from the `vfb` of a paravirtual one, which holds the same keys. */
export function displayOf(keys: ConfigKeys, defaults: DisplayDefaults): DisplayKeys {
  const frameBuffers = keys.list('vfb').map(item => frameBufferOptions(keys, item));
  // Others are for a screen of the server.
  const options = frameBuffers.find(asksForVnc) ?? frameBuffers[0];
  const read = (key: string): string | undefined => (options ? options.get(key) : keys.text(key))?.trim();
  const fail = (key: string, why: string): never => keys.fail(options ? 'vfb' : key, why);
  const keymap = read('keymap') || keys.filledText('keymap') || defaults.keymap;
  if (keymap !== undefined && !keymapPattern.test(keymap)) {
    fail('keymap', `${quote(keymap)} is no keyboard layout such as en-us`);
  }
  if (!(options ? asksForVnc(options) : keys.flag('vnc') === true)) return { display: undefined, keymap };
  const given = read('vnclisten') || defaults.vncListen;
  const listen = given === 'localhost' ? '127.0.0.1' : given;
  if (isIP(listen) === 0) fail('vnclisten', `${quote(listen)} is no IP address`);
  const wantsUnused = parseFlag(read('vncunused') ?? '0') ?? fail('vncunused', 'it is neither 0 nor 1');
  const number = wantsUnused ? undefined : read('vncdisplay') || undefined;
  if (number !== undefined && !(/^\d{1,4}$/.test(number) && Number(number) <= mostVncDisplays)) {
    fail('vncdisplay', `${quote(number)} is no number of a display from 0 to ${mostVncDisplays}`);
  }
  const password = read('vncpasswd') ?? defaults.vncPassword;
  return { display: { listen, number: number === undefined ? undefined : Number(number), password }, keymap };
}

function asksForVnc(options: ReadonlyMap<string, string>): boolean {
  const type = options.get('type');
  if (type !== undefined && type !== 'vnc') return false;
  const vnc = options.get('vnc');
  // One that names neither is VNC, as long as it does not ask for a screen.
  return vnc === undefined ? type === 'vnc' || parseFlag(options.get('sdl') ?? '0') !== true : parseFlag(vnc) !== false;
}

function frameBufferOptions(keys: ConfigKeys, item: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const part of item.split(',')) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    const key = part.slice(0, Math.max(0, at)).trim();
    if (at < 0) keys.fail('vfb', `${quote(part)} is not of the form key=value`);
    // A slip in vncpasswd would open the display.
    if (!FRAME_BUFFER_KEYS.includes(key)) {
      keys.fail('vfb', `${quote(key)} is no key of it; ${FRAME_BUFFER_KEYS.join(', ')} are`);
    }
    options.set(key, part.slice(at + 1).trim());
  }
  return options;
}

/** Memory of the cards that QEMU and Xen emulate, in MiB: the Cirrus card comes with 4, 8 or 16. */
const VIDEO_MEMORY_MIB = { cirrus: [4, 16], standard: [1, 256] } as const;

/** A machine with firmware always has a graphics card, as on Xen; a paravirtual guest has one for its frame buffer. */
export function videoOf(keys: ConfigKeys, kind: 'para' | 'hvm', display: Display | undefined): Video | undefined {
  if (kind === 'para') return display && { card: 'standard', memoryMib: undefined };
  const card = keys.flag('stdvga') === true ? 'standard' : 'cirrus';
  const [least, most] = VIDEO_MEMORY_MIB[card];
  const wanted = keys.integer('videoram', 0, VIDEO_MEMORY_MIB.standard[1]) ?? 0;
  const memoryMib = Math.min(most, Math.max(least, 2 ** Math.ceil(Math.log2(Math.max(1, wanted)))));
  return { card, memoryMib: wanted === 0 ? undefined : memoryMib };
}
