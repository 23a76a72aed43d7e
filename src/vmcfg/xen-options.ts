import type { GuestConfig, XenOptions } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import type { ConfigKeys } from './config-keys.ts';

const FLAG = /^(?:0|1)$/;
/** xl reads numbers as C does: with a zero at the front they would be octal. */
const NUMBER = /^(?:0|[1-9]\d{0,5})$/;
/** Features of a processor in libxl's own form, such as `host,tm=0,sse3=0`; it is one text, and not an item of a list. */
const CPU_FEATURES = /^host(?:,[a-z0-9_.-]{1,32}=[0-9a-zA-Z]{1,64}){1,32}$/;
/** A leaf as xend wrote them, such as `1:ecx=xxxxxxxxxxx0xxxxxxxxxxxxxxxxxxxx,edx=0x8001`. */
const CPU_LEAF = /^(?:0x)?[0-9a-fA-F]{1,8}(?:,(?:0x)?[0-9a-fA-F]{1,8})?:e[abcd]x=\w{1,32}(?:,e[abcd]x=\w{1,32}){0,3}$/;

/**
 * Keys of xl.cfg(5) that a guest file may hand on to Xen, and what may stand there. Those that name a file, a program, another
 * domain or a device of the server are not among them.
 */
const PATTERNS: Readonly<Record<string, RegExp>> = {
  hap: FLAG,
  nestedhvm: FLAG,
  nomigrate: FLAG,
  xen_platform_pci: FLAG,
  vpt_align: FLAG,
  e820_host: FLAG,
  altp2m: /^(?:disabled|mixed|external|limited)$/,
  shadow_memory: NUMBER,
  tsc_mode: /^(?:[0-3]|default|always_emulate|native|native_paravirt)$/,
  max_grant_frames: NUMBER,
  max_maptrack_frames: NUMBER,
  max_event_channels: NUMBER,
  bios: /^(?:seabios|rombios|ovmf)$/,
  pool: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
  cpuid: new RegExp(`${CPU_FEATURES.source}|${CPU_LEAF.source}`),
};

export const xenKeys: readonly string[] = Object.keys(PATTERNS);

const TYPES = ['pv', 'pvh', 'hvm'] as const;

/** How Xen is to run the guest, where its file says so (xl.cfg(5), type). */
export function guestTypeOf(keys: ConfigKeys): (typeof TYPES)[number] | undefined {
  const text = keys.filledText('type');
  if (text === undefined) return undefined;
  return TYPES.find(type => type === text) ?? keys.fail('type', `${quote(text)} is none of ${TYPES.join(', ')}`);
}

export function xenOptionsOf(keys: ConfigKeys, kind: GuestConfig['kind']): XenOptions {
  const type = guestTypeOf(keys);
  const pvh = keys.flag('pvh') ?? false;
  if (pvh && (kind === 'hvm' || type === 'pv')) {
    keys.fail('pvh', `it is paravirtual, and ${type === 'pv' ? 'type' : 'type or builder'} says something else`);
  }
  return {
    isPvh: type === 'pvh' || pvh,
    keys: Object.fromEntries(
      xenKeys.flatMap(key => {
        const items = keys.textOrList(key).map(item => item.trim());
        for (const item of items) requireKnown(keys, key, item);
        const isList = key === 'cpuid' && !(items.length === 1 && CPU_FEATURES.test(items[0]!));
        if (items.length > 1 && !isList) keys.fail(key, 'it must be one value, not a list');
        if (isList && items.some(item => CPU_FEATURES.test(item))) {
          keys.fail(
            key,
            "features after 'host' stand in one text; write leaves such as '1:ecx=…' in a list of their own",
          );
        }
        return items.length === 0 ? [] : [[key, isList ? items : items[0]!]];
      }),
    ),
  };
}

function requireKnown(keys: ConfigKeys, key: string, item: string): void {
  if (PATTERNS[key]!.test(item)) return;
  keys.fail(key, `${quote(item)} is not handed on to Xen; see xl.cfg(5) for what may stand there`);
}
