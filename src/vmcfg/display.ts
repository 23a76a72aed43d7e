import { isIP } from 'node:net';
import type { Display, Video } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import type { ConfigKeys } from './config-keys.ts';

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

const WORDS_FOR_NO = ['0', 'False', 'false', ''];
const MOST_DISPLAYS = 9999;

/** From the keys of an HVM guest, or from the `vfb` of a paravirtual one, which holds the same keys. */
export function displayOf(keys: ConfigKeys, defaults: DisplayDefaults): DisplayKeys {
  const frameBuffer = keys.list('vfb')[0];
  const options = frameBuffer === undefined ? undefined : frameBufferOptions(keys, frameBuffer);
  const read = (key: string): string | undefined => (options ? options.get(key) : keys.text(key))?.trim();
  const fail = (key: string, why: string): never => keys.fail(options ? 'vfb' : key, why);
  const keymap = read('keymap') || defaults.keymap;
  if (keymap !== undefined && !/^[a-z]{2}(?:-[a-z]{2})?$/.test(keymap)) {
    fail('keymap', `${quote(keymap)} is no keyboard layout such as en-us`);
  }
  const isWanted = options
    ? (options.get('type') ?? 'vnc') === 'vnc' && !WORDS_FOR_NO.includes(options.get('vnc') ?? '1')
    : keys.flag('vnc') === true;
  if (!isWanted) return { display: undefined, keymap };
  const listen = read('vnclisten') || defaults.vncListen;
  if (isIP(listen) === 0) fail('vnclisten', `${quote(listen)} is no IP address`);
  const wantsUnused = !WORDS_FOR_NO.includes(read('vncunused') ?? '0');
  const number = wantsUnused ? undefined : read('vncdisplay') || undefined;
  if (number !== undefined && !(/^\d{1,4}$/.test(number) && Number(number) <= MOST_DISPLAYS)) {
    fail('vncdisplay', `${quote(number)} is no number of a display from 0 to ${MOST_DISPLAYS}`);
  }
  const password = read('vncpasswd') ?? defaults.vncPassword;
  // The key of the cipher is the password, and has eight bytes (RFC 6143, 7.2.2).
  return { display: { listen, number: number === undefined ? undefined : Number(number), password }, keymap };
}

function frameBufferOptions(keys: ConfigKeys, item: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const part of item.split(',')) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    if (at < 0) keys.fail('vfb', `${quote(part)} is not of the form key=value`);
    options.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  return options;
}

/** Memory of the cards that QEMU and Xen emulate, in MiB. */
const MOST_VIDEO_MEMORY_MIB = 256;

/** A machine with firmware always has a graphics card, as on Xen; a paravirtual guest has one for its frame buffer. */
export function videoOf(keys: ConfigKeys, kind: 'para' | 'hvm', display: Display | undefined): Video | undefined {
  if (kind === 'para') return display && { card: 'standard', memoryMib: undefined };
  const memoryMib = keys.integer('videoram', 0, MOST_VIDEO_MEMORY_MIB);
  return {
    card: keys.flag('stdvga') === true ? 'standard' : 'cirrus',
    memoryMib: memoryMib === undefined || memoryMib === 0 ? undefined : 2 ** Math.ceil(Math.log2(memoryMib)),
  };
}
