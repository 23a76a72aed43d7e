import { createHash } from 'node:crypto';
import { AgentError } from '../errors.ts';
import type { GuestConfig } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { editGuestFile, type GuestFileEditor } from './editor.ts';
import { type GuestDefaults, guestConfigFrom, stableMac, standardGuestDefaults } from './guest-config.ts';
import { readInterfaceOptions, withMac } from './network-interface.ts';
import { decodeGuestFile, type GuestFile, type HostFacts, parseGuestFile } from './reader.ts';
import { toPlain } from './plain-values.ts';
import { itemsOf } from './values.ts';

/** Reads and edits guest files as they are understood on this server. Its errors name line and column. */
export class GuestReader {
  readonly #facts: HostFacts;
  readonly #defaults: GuestDefaults;

  constructor(facts: HostFacts, defaults: GuestDefaults = standardGuestDefaults) {
    this.#facts = facts;
    this.#defaults = defaults;
  }

  /**
   * The names and values of a guest file, whether or not a guest can be made of them.
   * @throws AgentError BAD_CONFIG
   */
  readFile(bytes: Uint8Array, path: GuestPath): GuestFile {
    return about(path, () => parseGuestFile(decodeGuestFile(bytes), this.#facts));
  }

  /** @throws AgentError BAD_CONFIG */
  readConfig(bytes: Uint8Array, path: GuestPath): GuestConfig {
    return this.configOf(this.readFile(bytes, path), path);
  }

  /** @throws AgentError BAD_CONFIG */
  configOf(file: GuestFile, path: GuestPath): GuestConfig {
    return about(path, () => guestConfigFrom(file, path, this.#defaults));
  }

  /** SHA-256, in hexadecimal digits, of what a guest file says, whatever its comments, its layout and the order of its keys. */
  meaningOf(file: GuestFile): string {
    const values = [...file.values()].map(({ name, value }) => [name, toPlain(value)] as const);
    values.sort(([left], [right]) => (left < right ? -1 : 1));
    return createHash('sha256').update(JSON.stringify(values)).digest('hex');
  }

  /**
   * The bytes after an edit, of which a guest can be made; the same bytes when it changes nothing.
   * @throws AgentError BAD_CONFIG
   */
  edit(bytes: Uint8Array, path: GuestPath, edit: (editor: GuestFileEditor) => void): Uint8Array {
    const edited = about(path, () => editGuestFile(bytes, this.#facts, edit));
    this.readConfig(edited, path);
    return edited;
  }

  /** Writes the addresses that were made for network cards into the file, where they stay when the guest moves. */
  withMacs(bytes: Uint8Array, path: GuestPath): Uint8Array {
    const items = itemsOf(this.readFile(bytes, path).get('vif')?.value ?? null) ?? [];
    const missing = items.flatMap((item, index) => (hasNoMac(item) ? [{ item, index }] : []));
    if (missing.length === 0) return bytes;
    return this.edit(bytes, path, editor => {
      for (const { index, item } of missing) editor.replaceItem('vif', index, withMac(item, stableMac(path, index)));
    });
  }
}

function hasNoMac(item: unknown): item is string {
  if (typeof item !== 'string') return false;
  const options = readInterfaceOptions(item);
  return typeof options !== 'string' && !options.has('mac');
}

function about<T>(path: GuestPath, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    throw new AgentError(error.code, `vm.cfg of ${path}: ${error.message}`, { cause: error.cause });
  }
}
