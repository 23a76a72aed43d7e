import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import { parseGrub1Menu } from './grub1-menu.ts';
import { parseGrub2Menu, usesLoaderEntries } from './grub2-menu.ts';
import { type BootMenu, menuLimits } from './grub-menu.ts';
import type { ImageReader, Layout, Volume } from './image-reader.ts';
import { compareLoaderEntries, type LoaderEntry, parseGrubEnvironment, parseLoaderEntry } from './loader-entries.ts';

export interface FoundMenu {
  readonly menu: BootMenu;
  /** Its files are those of this volume. */
  readonly volume: Volume;
  readonly path: string;
}

/** Where pygrub looks, in its order: a volume is the root of the guest, or what it mounts at /boot. */
export const grub2Menus = ['/boot/grub/grub.cfg', '/grub/grub.cfg', '/boot/grub2/grub.cfg', '/grub2/grub.cfg'];
export const grub1Menus = ['/boot/grub/menu.lst', '/boot/grub/grub.conf', '/grub/menu.lst', '/grub/grub.conf'];

const ENVIRONMENT_LIMIT_BYTES = 16 * 1024;
const LOADER_ENTRY_LIMIT_BYTES = 16 * 1024;
/** Each is read by a process of its own. */
const MOST_LOADER_ENTRIES = 64;

/**
 * The first menu with entries. One that cannot be read is passed over, as pygrub does, and told of when there is no other.
 * @throws AgentError NOT_SUPPORTED, NO_SUCH_FILE when there is none; TIMEOUT and HOST of the reader
 */
export async function findMenu(reader: ImageReader): Promise<FoundMenu> {
  const layout = await reader.layout();
  if (layout.volumes.length === 0) throw noFileSystem(reader.image, layout);
  let trouble: AgentError | undefined;
  for (const volume of layout.volumes) {
    for (const path of [...grub2Menus, ...grub1Menus]) {
      try {
        const menu = await readMenu(reader, volume, path);
        if (menu && menu.entries.length > 0) return { menu, volume, path };
        if (menu) trouble ??= noEntries(reader.image, volume, path);
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'NOT_SUPPORTED') throw error;
        trouble ??= error;
      }
    }
  }
  throw trouble ?? noMenu(reader.image, layout);
}

/** @returns undefined when there is no such file */
async function readMenu(reader: ImageReader, volume: Volume, path: string): Promise<BootMenu | undefined> {
  const text = await reader.readText(volume, path, menuLimits.fileBytes);
  if (text === undefined) return undefined;
  const name = `${path} of ${reader.image}`;
  if (!grub2Menus.includes(path)) return parseGrub1Menu(text, name);
  const environment = await reader.readText(
    volume,
    posix.join(posix.dirname(path), 'grubenv'),
    ENVIRONMENT_LIMIT_BYTES,
  );
  return parseGrub2Menu({
    script: text,
    name,
    environment: parseGrubEnvironment(environment ?? ''),
    loaderEntries: usesLoaderEntries(text) ? await readLoaderEntries(reader, volume, path) : [],
  });
}

/** `loader/entries` lies beside the directory of grub.cfg. */
async function readLoaderEntries(reader: ImageReader, volume: Volume, menuPath: string): Promise<LoaderEntry[]> {
  const directory = posix.join(posix.dirname(posix.dirname(menuPath)), 'loader/entries');
  const names = (await reader.list(volume, directory)).filter(name => name.endsWith('.conf'));
  if (names.length > MOST_LOADER_ENTRIES) {
    throw new AgentError(
      'NOT_SUPPORTED',
      `read ${directory} of ${reader.image}: it has more than ${MOST_LOADER_ENTRIES} entries; fewer are needed`,
    );
  }
  const entries: LoaderEntry[] = [];
  for (const name of names) {
    const text = await reader.readText(volume, posix.join(directory, name), LOADER_ENTRY_LIMIT_BYTES);
    const entry = text === undefined ? undefined : parseLoaderEntry(name, text);
    if (entry) entries.push(entry);
  }
  return entries.sort(compareLoaderEntries);
}

function noEntries(image: string, { device }: Volume, path: string): AgentError {
  return new AgentError(
    'NOT_SUPPORTED',
    `read ${path} of ${image}: this menu, in ${device}, has no entries; a menu with entries, or kernel and ramdisk in vm.cfg, are needed`,
  );
}

function noMenu(image: string, { volumes }: Layout): AgentError {
  const places = volumes.map(({ device, fileSystem }) => `${device} (${fileSystem})`).join(', ');
  return new AgentError(
    'NO_SUCH_FILE',
    `find a boot menu in ${image}: there is no grub.cfg, menu.lst or grub.conf in ${places}; a guest that was installed with GRUB, or kernel and ramdisk in vm.cfg, are needed`,
  );
}

function noFileSystem(image: string, { partitions }: Layout): AgentError {
  const found =
    partitions === 0
      ? 'it has neither a partition table nor a file system that can be read'
      : `none of its ${partitions} partitions and volumes has a file system that can be read`;
  return new AgentError(
    'NOT_SUPPORTED',
    `find a boot menu in ${image}: ${found}; the raw disk image of an installed Linux (ext2/3/4 or xfs, also on LVM, not encrypted) is needed`,
  );
}
