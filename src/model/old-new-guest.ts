import { isGuestName } from './guest-path.ts';
import type { NewGuestCard, NewGuestDisk } from './new-guest.ts';

const CARD = /^((?:[0-9a-f]{2}:){5}[0-9a-f]{2})?,([A-Za-z0-9_.:-]{0,15}),(ioemu|netfront)?$/i;
const TARGET = /^(?:hd[a-d]|sd[a-p]|xvd[a-z])$/;
const PATH = /^(?:\/[A-Za-z0-9_.+-]+)+$/;
const MIB_PER_GIB = 1024;
const LARGEST_GIB = 65_536;

/**
 * Network cards as controllers of Oracle VM write them: `mac,bridge,type`, several parted by `;`.
 * @returns the reason, as the rest of a sentence, when the text has another form
 */
export function parseOldCards(text: string): readonly NewGuestCard[] | string {
  const cards: NewGuestCard[] = [];
  for (const piece of text.split(';')) {
    const parts = CARD.exec(piece);
    if (!parts) return `${JSON.stringify(piece.slice(0, 80))} is not mac,bridge,type, with a type of ioemu or netfront`;
    const [, mac, bridge, type] = parts;
    cards.push({
      ...(mac && { mac: mac.toLowerCase() }),
      ...(bridge && { bridge }),
      ...(type && { type: type.toLowerCase() as 'ioemu' | 'netfront' }),
    });
  }
  return cards;
}

/** A disk as those controllers write it: its file or its name inside the guest, and its size where it is to be made. */
export interface OldDisk {
  /** Absolute path, or name of a file in the guest's directory. */
  readonly file?: string;
  readonly target?: string;
  readonly sizeMib: number | undefined;
}

/**
 * Disks as controllers of Oracle VM write them: `disk:GiB:True`, several parted by `,`; with `False` the image is there already.
 * @returns the reason, as the rest of a sentence, when the text has another form
 */
export function parseOldDisks(text: string): readonly OldDisk[] | string {
  const disks: OldDisk[] = [];
  for (const piece of text.split(',')) {
    const [disk = '', size = '', isNew = '', ...more] = piece.split(':');
    const isNamed = TARGET.test(disk) || isGuestName(disk) || (PATH.test(disk) && !disk.split('/').includes('..'));
    const gib = /^\d{1,5}$/.test(size) ? Number(size) : 0;
    if (!isNamed || gib < 1 || gib > LARGEST_GIB || !/^(?:True|False)$/i.test(isNew) || more.length > 0)
      return `${JSON.stringify(piece.slice(0, 80))} is not disk:GiB:True, with a disk of this guest or a path, and whole GiB`;
    const sizeMib = isNew.toLowerCase() === 'true' ? gib * MIB_PER_GIB : undefined;
    disks.push(TARGET.test(disk) ? { target: disk, sizeMib } : { file: disk, sizeMib });
  }
  return disks;
}

/** The disks as parts of the description of a new guest. @param path of the guest */
export function newDisksOf(path: string, disks: readonly OldDisk[]): readonly NewGuestDisk[] {
  return disks.map(({ file, sizeMib, target }) => ({
    ...(file !== undefined && { file: file.startsWith('/') ? file : `${path}/${file}` }),
    ...(target !== undefined && { target }),
    ...(sizeMib !== undefined && { size: sizeMib }),
  }));
}
