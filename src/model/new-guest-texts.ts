import { hostInterfacePattern, keymapPattern, uuidPattern } from './guest-values.ts';
import type { TextRule } from './plain-struct.ts';

/** A comma would end the part of a disk in vm.cfg. */
export const pathRule: TextRule = {
  pattern: /^(?=.{2,1024}$)(?:\/(?!\.{1,2}(?:\/|$))[^/,\p{C}\p{Z}]{1,255})+$/u,
  needed: 'an absolute path without blanks, commas, "." and ".."',
};
export const locationRule: TextRule = { pattern: /^[^\p{C}\p{Z}]{1,2048}$/u, needed: 'a URL or path without blanks' };
export const argumentsRule: TextRule = {
  pattern: /^[^\p{C}]{0,2048}$/u,
  needed: 'one line of 2048 characters at most',
};
export const uuidRule: TextRule = {
  pattern: uuidPattern,
  needed: 'a UUID such as 6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
};
export const architectureRule: TextRule = {
  pattern: /^(?:i[3-6]86|x86_64|amd64)$/,
  needed: 'i386, i486, i586, i686 or x86_64',
};
export const targetRule: TextRule = { pattern: /^(?:hd[a-d]|sd[a-p]|xvd[a-z])$/, needed: 'hda to hdd, sda… or xvda…' };
export const bridgeRule: TextRule = { pattern: hostInterfacePattern, needed: 'the name of a bridge' };
export const modelRule: TextRule = { pattern: /^[A-Za-z0-9_-]{1,32}$/, needed: 'one word' };
export const scriptRule: TextRule = { pattern: /^[A-Za-z0-9_./-]{1,255}$/, needed: 'the name of a script' };
export const keymapRule: TextRule = { pattern: keymapPattern, needed: 'a keyboard layout such as en-us' };
/** Readers of vm.cfg take blanks at its ends away. */
export const passwordRule: TextRule = {
  pattern: /^(?!\p{Z})[^,\p{C}]{0,64}(?<!\p{Z})$/u,
  needed: 'a text of 64 characters at most, without commas, and without blanks at its ends,',
};
export const macRule: TextRule = { pattern: /^.{17}$/, needed: 'a MAC address such as 00:16:3e:12:34:56' };
/** Its form is looked at once more by what knows addresses. */
export const addressRule: TextRule = { pattern: /^[\da-fA-F:.]{2,45}$/, needed: 'an IP address' };
