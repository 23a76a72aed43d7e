import { posix } from 'node:path';

/** Bounds on what a guest writes into its menu. Those of real guests have a few KiB and ten entries. */
export const menuLimits = {
  /** Longest menu, in bytes: each takes up to a microsecond of the agent. */
  fileBytes: 256 * 1024,
  entries: 500,
  /** Longest path of a file in the image, in characters. */
  pathLength: 1024,
  /** Longest command line, in characters; Linux takes 2048 on x86. */
  commandLineLength: 4096,
  titleLength: 256,
  ramdisks: 8,
} as const;

/** One level of the way to an entry: that of the entry itself, or that of a submenu around it. */
export interface MenuLevel {
  /** Place among the items of its level, from 0. */
  readonly index: number;
  readonly title: string;
  readonly id: string | undefined;
}

/** What an entry boots. Paths are absolute, normal, and of the file system that holds the menu. */
export interface BootFiles {
  readonly kernel: string;
  /** Loaded one after the other, as one; none for many paravirtual kernels. */
  readonly ramdisks: readonly string[];
  readonly commandLine: string;
}

export interface BootEntry {
  readonly title: string;
  /** The outermost submenu first, the entry itself last. */
  readonly trail: readonly MenuLevel[];
  /** What it boots, or why that cannot be used, in words: "it …". */
  readonly boot: BootFiles | { readonly refusal: string };
}

export interface BootMenu {
  readonly entries: readonly BootEntry[];
  /** As the menu says it: a number from 0, a title or an id, `>` between levels of submenus; empty when it does not say. */
  readonly defaultEntry: string;
}

/** A file of the image as a menu names it, with a device in front that is not heeded, as pygrub does not. */
const FILE_IN_IMAGE = /^(?:\([^()]*\))?(\/.*)$/s;
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it is about
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** What a menu's words come to, within the limits, or why not. */
export function bootFiles(kernel: string, ramdisks: readonly string[], commandLine: string): BootEntry['boot'] {
  if (ramdisks.length > menuLimits.ramdisks) return { refusal: `it has more than ${menuLimits.ramdisks} ramdisks` };
  const line = commandLine.replaceAll('\t', ' ').trim();
  if (CONTROL_CHARACTER.test(line)) return { refusal: 'its command line has a control character' };
  if (line.length > menuLimits.commandLineLength) {
    return { refusal: `its command line is longer than ${menuLimits.commandLineLength} characters` };
  }
  const paths: string[] = [];
  for (const file of [kernel, ...ramdisks]) {
    const path = FILE_IN_IMAGE.exec(file)?.[1];
    if (path === undefined || path.length > menuLimits.pathLength || CONTROL_CHARACTER.test(path)) {
      return { refusal: `it names a file ${quoted(file)}, which is not an absolute path` };
    }
    paths.push(posix.normalize(path));
  }
  const [kernelPath, ...ramdiskPaths] = paths;
  return { kernel: kernelPath!, ramdisks: ramdiskPaths, commandLine: line };
}

/** A text of the guest, fit for a message. */
export function quoted(text: string): string {
  const plain = plainText(text);
  return `"${plain.length > 100 ? `${plain.slice(0, 100)}…` : plain}"`;
}

/** A text of the guest on one line. */
export function plainText(text: string): string {
  return text.replaceAll(new RegExp(CONTROL_CHARACTER, 'g'), ' ').trim().slice(0, menuLimits.titleLength);
}

/** The entry that an operator asked for, as pygrub's --entry does: a number counts all entries from 0, a text is a title. */
export function findEntry(menu: BootMenu, wanted: string | number): BootEntry | undefined {
  const byTitle = menu.entries.find(({ title }) => title === String(wanted).trim());
  return /^\d+$/.test(String(wanted)) ? menu.entries[Number(wanted)] : byTitle;
}

/** The entry that the menu boots by itself; `note` says what was done when it names none that is there. */
export function defaultEntry(menu: BootMenu): { readonly entry: BootEntry | undefined; readonly note?: string } {
  const wanted = menu.defaultEntry.trim();
  const [first] = menu.entries;
  if (wanted === '') return { entry: first };
  const found = menu.entries.find(({ trail }) => leadsTo(trail, [wanted]) || leadsTo(trail, wanted.split('>')));
  if (found) return { entry: found };
  return { entry: first, note: `the menu's default, ${quoted(wanted)}, is not known; its first entry was taken` };
}

/** Whether every step names the level at its place: a submenu alone leads to its first entry. */
function leadsTo(trail: readonly MenuLevel[], steps: readonly string[]): boolean {
  return (
    steps.length <= trail.length &&
    steps.every((step, depth) => {
      const { index, title, id } = trail[depth]!;
      const name = plainText(step);
      return name === id || name === title || (/^\d+$/.test(name) && Number(name) === index);
    })
  );
}
