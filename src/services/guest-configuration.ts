import { stat } from 'node:fs/promises';
import { AgentError } from '../errors.ts';
import type { RepositoryFiles } from '../files/repository-files.ts';
import type { Disk, DiskMode, GuestConfig } from '../model/guest-config.ts';
import { type GuestPath, quote } from '../model/guest-path.ts';
import { applyChanges, type ConfigChanges } from '../vmcfg/changes.ts';
import { parseDisk, printDisk } from '../vmcfg/disk.ts';
import type { GuestFileEditor } from '../vmcfg/editor.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';
import { parseNetworkInterface } from '../vmcfg/network-interface.ts';
import { type PlainValue, toPlain } from '../vmcfg/plain-values.ts';
import { itemsOf } from '../vmcfg/values.ts';
import type { Caller } from './caller.ts';
import type { GuestDisks } from './guest-disks.ts';
import type { GuestEditing } from './guest-editing.ts';
import type { GuestFiles } from './guest-files.ts';
import { newMac } from './new-mac.ts';

export interface GuestConfigurationParts {
  readonly editing: GuestEditing;
  readonly files: GuestFiles;
  readonly disks: GuestDisks;
  readonly reader: GuestReader;
  readonly repositoryFiles: RepositoryFiles;
}

/** A network card to be added, as old controllers write it. */
export interface NewCard {
  readonly mac: string | undefined;
  readonly bridge: string | undefined;
  readonly type: 'netfront' | 'ioemu' | undefined;
}

/** Questions about guest files, and the changes that managers ask for. */
export class GuestConfiguration {
  readonly #parts: GuestConfigurationParts;

  constructor(parts: GuestConfigurationParts) {
    this.#parts = parts;
  }

  get(path: GuestPath): Promise<GuestConfig> {
    return this.#parts.files.readConfig(path);
  }

  async setMemory(caller: Caller, path: GuestPath, memoryMib: number): Promise<void> {
    await this.#edit(caller, path, 'set memory', editor => setNumber(editor, 'memory', memoryMib));
  }

  async setVcpus(caller: Caller, path: GuestPath, count: number): Promise<void> {
    await this.#edit(caller, path, 'set vcpus', editor => setNumber(editor, 'vcpus', count));
  }

  /**
   * @param given a file or device, or either with the prefix that vm.cfg has for it, such as `tap:qcow2:`
   * @throws AgentError EXISTS when the guest has it, and as `edit` does
   */
  async addDisk(caller: Caller, path: GuestPath, given: string, mode: DiskMode): Promise<void> {
    const source = await this.#sourceFrom(given);
    // Looked up for a guest that is DOWN too: what is written down is what its next start takes.
    await this.#parts.disks.resolve('add disk to', path, parsedDisk(`${source},xvda,${mode}`));
    await this.#edit(caller, path, 'add disk', (editor, config, isRunning) => {
      const { disks, kind } = config();
      const target = freeTarget(disks, kind === 'hvm' && !isRunning);
      const disk = parsedDisk(`${source},${target},${mode}`);
      if (disks.some(other => other.source === disk.source)) {
        throw new AgentError('EXISTS', `add disk to ${path}: ${quote(disk.source ?? '')} is a disk of it already`);
      }
      editor.insertItem('disk', printDisk(disk));
    });
  }

  /** @param given file or device of the disk, or its name in the guest, such as `xvdb` */
  async removeDisk(caller: Caller, path: GuestPath, given: string): Promise<void> {
    await this.#edit(caller, path, 'remove disk', (editor, config) => {
      const wanted = withoutPrefix(given);
      const index = config().disks.findIndex(disk => disk.source === wanted || disk.target === wanted);
      if (index < 0) throw new AgentError('NO_SUCH_RECORD', `remove disk of ${path}: it has no disk ${quote(given)}`);
      editor.removeItem('disk', index);
    });
  }

  /** @param card an address is made where none is given */
  async addCard(caller: Caller, path: GuestPath, { bridge, mac = newMac(), type }: NewCard): Promise<void> {
    await this.#edit(caller, path, 'add vif', (editor, config) => {
      const { kind } = config();
      const parts = [`type=${type ?? (kind === 'hvm' ? 'ioemu' : 'netfront')}`, `mac=${mac}`];
      if (bridge !== undefined) parts.push(`bridge=${bridge}`);
      const item = parts.join(', ');
      const card = parseNetworkInterface(item, kind, newMac);
      if (typeof card === 'string') throw new AgentError('BAD_VALUE', `add vif to ${path}: ${card}`);
      editor.insertItem('vif', item);
    });
  }

  async removeCard(caller: Caller, path: GuestPath, mac: string): Promise<void> {
    await this.#edit(caller, path, 'remove vif', (editor, config) => {
      const index = config().networkInterfaces.findIndex(card => card.mac === mac.toLowerCase());
      if (index < 0) throw new AgentError('NO_SUCH_RECORD', `remove vif of ${path}: it has no card ${quote(mac)}`);
      editor.removeItem('vif', index);
    });
  }

  /** With `d` among the letters a drive for CD-ROMs is added to a guest that has none. */
  async setBootSequence(caller: Caller, path: GuestPath, letters: string): Promise<void> {
    await this.#edit(
      caller,
      path,
      'set boot sequence',
      (editor, config) => {
        const { disks, kind } = config();
        if (kind !== 'hvm') {
          throw new AgentError('NOT_SUPPORTED', `set boot sequence of ${path}: it is paravirtual and boots its kernel`);
        }
        editor.set('boot', letters);
        if (letters.includes('d') && !disks.some(disk => disk.isCdrom)) editor.insertItem('disk', EMPTY_DRIVE, 0);
      },
      true,
    );
  }

  /**
   * @param iso image as callers name it; undefined ejects
   * @param onlyFile leaves the drive of a running guest as it is
   */
  async changeCdrom(caller: Caller, path: GuestPath, iso: string | undefined, onlyFile: boolean): Promise<void> {
    if (iso !== undefined) await this.#parts.files.findFile('change CD-ROM of', path, 'image', iso);
    await this.#edit(
      caller,
      path,
      'change CD-ROM',
      (editor, config, isRunning) => {
        const { disks, kind } = config();
        const index = disks.findIndex(disk => disk.isCdrom);
        const drive = disks[index];
        if (!drive && isRunning) {
          throw new AgentError('WRONG_STATE', `change CD-ROM of ${path}: it runs without a drive; stop it first`);
        }
        const target = drive?.target ?? (kind === 'hvm' ? 'hdc' : freeTarget(disks, false));
        const source = iso === undefined ? '' : `file:${iso}`;
        const item = printDisk(parsedDisk(`${source},${target}:cdrom,r`));
        if (drive) editor.replaceItem('disk', index, item);
        else editor.insertItem('disk', item);
      },
      onlyFile,
    );
  }

  /** An empty password turns the login off: it never opens the display. */
  async setVncPassword(caller: Caller, path: GuestPath, password: string): Promise<void> {
    await this.#edit(caller, path, 'set VNC password', (editor, config) => {
      if (!config().display) {
        throw new AgentError(
          'NOT_SUPPORTED',
          `set VNC password of ${path}: it has no display; write vnc = 1 or vfb first`,
        );
      }
      const frameBuffer = itemsOf(editor.read().get('vfb')?.value ?? null)?.[0];
      if (typeof frameBuffer !== 'string') {
        editor.set('vncpasswd', password);
        return;
      }
      if (password.includes(',')) {
        throw new AgentError('BAD_VALUE', `set VNC password of ${path}: vfb cannot hold a comma in it; choose another`);
      }
      const options = frameBuffer.split(',').filter(part => !/^\s*vncpasswd\s*=/.test(part));
      editor.replaceItem('vfb', 0, [...options, `vncpasswd=${password}`].join(','));
    });
  }

  /** What the file says under its own keys, and the digest by which a change can refer to it. */
  async read(
    path: GuestPath,
  ): Promise<{ readonly digest: string; readonly config: Readonly<Record<string, PlainValue>> }> {
    const { bytes, digest } = await this.#parts.files.read(path);
    const file = this.#parts.reader.readFile(bytes, path);
    return { digest, config: Object.fromEntries([...file].map(([key, { value }]) => [key, toPlain(value)])) };
  }

  /**
   * @param values by key; null removes a key
   * @returns the digest of the file as it is now
   */
  write(caller: Caller, path: GuestPath, values: ConfigChanges, digest: string | undefined): Promise<string> {
    return this.#parts.editing.edit(caller, path, {
      what: 'set config',
      digest,
      change: editor => applyChanges(editor, values),
    });
  }

  /** Points disks that were copied with the guest's directory to the copies: the files of the same name beside vm.cfg. */
  async correctPaths(caller: Caller, ownerOfFile: GuestPath, path: GuestPath): Promise<void> {
    if (ownerOfFile !== path) {
      throw new AgentError(
        'BAD_VALUE',
        `correct paths of ${path}: the guest file is that of ${ownerOfFile}; give its own`,
      );
    }
    const { disks } = await this.get(path);
    const moved = await Promise.all(disks.map(disk => this.#copyBeside(path, disk)));
    await this.#edit(
      caller,
      path,
      'correct paths',
      editor => {
        for (const [index, disk] of moved.entries()) if (disk) editor.replaceItem('disk', index, printDisk(disk));
      },
      true,
    );
  }

  /** Takes away what vif_other_config and disk_other_config say of cards and disks that the guest no longer has. */
  async correctQualityOfService(caller: Caller, path: GuestPath): Promise<void> {
    await this.#edit(
      caller,
      path,
      'correct qos',
      (editor, config) => {
        const { disks, networkInterfaces } = config();
        removeStrangers(
          editor,
          'vif_other_config',
          networkInterfaces.map(card => card.mac),
        );
        removeStrangers(
          editor,
          'disk_other_config',
          disks.map(disk => disk.target),
        );
      },
      true,
    );
  }

  #edit(
    caller: Caller,
    path: GuestPath,
    what: string,
    change: (editor: GuestFileEditor, config: () => GuestConfig, isRunning: boolean) => void,
    onlyFile = false,
  ): Promise<string> {
    return this.#parts.editing.edit(caller, path, { what, change, onlyFile });
  }

  /** The source with its prefix. What kind of thing it is is asked, but never what format it has: the guest writes that. */
  async #sourceFrom(given: string): Promise<string> {
    if (!given.startsWith('/')) return given;
    const device = given.startsWith('/dev/') && (await stat(given).catch(() => undefined))?.isBlockDevice();
    return `${device ? 'phy' : 'file'}:${given}`;
  }

  async #copyBeside(path: GuestPath, disk: Disk): Promise<Disk | undefined> {
    if (disk.source === undefined || disk.sourceKind !== 'file' || disk.isCdrom) return undefined;
    const beside = `${path}/${disk.source.slice(disk.source.lastIndexOf('/') + 1)}`;
    if (beside === disk.source) return undefined;
    const found = await this.#parts.repositoryFiles.find(beside);
    return found.outcome === 'there' && found.facts.kind === 'file' ? { ...disk, source: beside } : undefined;
  }
}

const EMPTY_DRIVE = ',hdc:cdrom,r';

/** Numbers in quotes stay in quotes: those who wrote them so read them so. */
function setNumber(editor: GuestFileEditor, key: string, number: number): void {
  const isText = typeof editor.read().get(key)?.value === 'string';
  editor.set(key, isText ? String(number) : number);
}

/** @throws AgentError BAD_VALUE */
function parsedDisk(item: string): Disk {
  const disk = parseDisk(item);
  if (typeof disk === 'string') throw new AgentError('BAD_VALUE', `disk: ${disk}`);
  return disk;
}

/** Where firmware is to find the disk the four places of the IDE bus come first. */
function freeTarget(disks: readonly Disk[], forFirmware: boolean): string {
  const letters = Array.from('abcdefghijklmnopqrstuvwxyz');
  const places = [
    ...(forFirmware ? letters.slice(0, 4).map(letter => `hd${letter}`) : []),
    ...letters.map(letter => `xvd${letter}`),
  ];
  // Letters are counted across kinds, for guests name their disks by their order.
  const taken = new Set(disks.map(disk => disk.target.replace(/\d+$/, '')));
  const usedLetters = new Set(forFirmware ? [] : [...taken].map(target => target.slice(-1)));
  const target = places.find(place => !taken.has(place) && !usedLetters.has(place.slice(-1)));
  if (target === undefined) throw new AgentError('NO_RESOURCES', 'disk: there is no free name for one more disk');
  return target;
}

function withoutPrefix(given: string): string {
  const at = given.indexOf('/');
  return at > 0 ? given.slice(at) : given;
}

/** Items are lists whose first member names the card or disk. */
function removeStrangers(editor: GuestFileEditor, key: string, known: readonly string[]): void {
  const items = itemsOf(editor.read().get(key)?.value ?? null) ?? [];
  for (const [index, item] of [...items.entries()].reverse()) {
    const name = (itemsOf(item) ?? [])[0];
    if (typeof name === 'string' && !known.includes(name.toLowerCase())) editor.removeItem(key, index);
  }
}
