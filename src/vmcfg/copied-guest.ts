import { AgentError } from '../errors.ts';
import { guestNameOf, type GuestPath, quote } from '../model/guest-path.ts';
import { applyChanges, type ConfigChanges } from './changes.ts';
import { parseDisk, printDisk } from './disk.ts';
import type { GuestFileEditor } from './editor.ts';
import { withMac } from './network-interface.ts';
import { itemsOf } from './values.ts';

/** A guest that is made from the files of another one, or of a template. */
export interface CopiedGuest {
  readonly path: GuestPath;
  readonly uuid: string;
  /** Names of the files that lie beside its vm.cfg. */
  readonly files: readonly string[];
  readonly newMac: () => string;
  /** Memory, processors and whatever else is to be different. */
  readonly values: ConfigChanges;
}

const OWN_MAC = /(^|,)\s*mac\s*=([^,]*)(?:,\s*|$)/;

/**
 * Makes the file of a template that of a guest (guide, 4.4, steps 2 to 5): its images are those beside the file, its network cards
 * have new addresses, its uuid and name are its own.
 * @throws AgentError BAD_CONFIG for an image that was not copied, BAD_VALUE for the values
 */
export function becomeCopy(editor: GuestFileEditor, { files, newMac, path, uuid, values }: CopiedGuest): void {
  for (const [index, item] of itemsIn(editor, 'disk')) {
    const moved = withCopiedImage(item, path, files);
    if (moved !== item) editor.replaceItem('disk', index, moved);
  }
  const macs = new Map<string, string>();
  for (const [index, item] of itemsIn(editor, 'vif')) {
    const mac = newMac();
    const old = OWN_MAC.exec(item)?.[2]?.trim().toLowerCase();
    if (old !== undefined) macs.set(old, mac);
    editor.replaceItem('vif', index, withMac(item.trim().replace(OWN_MAC, '$1'), mac));
  }
  // Rates of a card go with the card.
  const others = itemsOf(editor.read().get('vif_other_config')?.value ?? null) ?? [];
  for (const [index, item] of others.entries()) {
    const [name, ...rest] = itemsOf(item) ?? [];
    const mac = typeof name === 'string' ? macs.get(name.toLowerCase()) : undefined;
    if (mac !== undefined) editor.replaceItem('vif_other_config', index, [mac, ...rest]);
  }
  applyChanges(editor, values);
  editor.set('uuid', uuid);
  editor.set('name', guestNameOf(path));
}

function itemsIn(editor: GuestFileEditor, key: string): readonly (readonly [number, string])[] {
  const items = itemsOf(editor.read().get(key)?.value ?? null) ?? [];
  return [...items.entries()].filter((entry): entry is [number, string] => typeof entry[1] === 'string');
}

/** Images in the directory of a template or of a guest are its own; everything else is shared with others and stays. */
const OWN_IMAGE = /(?:^|\/)(?:running_pool|seed_pool|publish_pool)\/[^/]+\/(?:.*\/)?([^/]+)$/;

function withCopiedImage(item: string, path: GuestPath, files: readonly string[]): string {
  const disk = parseDisk(item);
  if (typeof disk === 'string' || disk.source === undefined || disk.sourceKind !== 'file') return item;
  const name = OWN_IMAGE.exec(disk.source)?.[1] ?? (disk.source.includes('/') ? undefined : disk.source);
  if (name === undefined) return item;
  // System.img has been written in either case (guide, 4.4).
  const found = files.find(file => file === name) ?? files.find(file => file.toLowerCase() === name.toLowerCase());
  if (found === undefined) {
    throw new AgentError(
      'BAD_CONFIG',
      `guest ${path}: disk ${disk.target} is ${quote(disk.source)}, and ${quote(name)} is not among the files; it must lie beside vm.cfg`,
    );
  }
  return printDisk({ ...disk, source: `${path}/${found}` });
}
