/** An entry in a file of its own (Boot Loader Specification, type 1), as commands of GRUB 2, which makes the same of it. */
export interface LoaderEntry {
  /** Name of its file without `.conf`. */
  readonly id: string;
  readonly title: string;
  readonly script: string;
}

/**
 * @param fileName such as `4f1b-5.4.17-2136.el8uek.x86_64.conf`
 * @returns undefined when it names no kernel of Linux
 */
export function parseLoaderEntry(fileName: string, text: string): LoaderEntry | undefined {
  const id = fileName.replace(/\.conf$/, '');
  const values = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^[ \t]*([a-z][a-z-]*)[ \t]+(.*?)[ \t\r]*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) values.set(key, [...(values.get(key) ?? []), value]);
  }
  const [kernel] = values.get('linux') ?? [];
  if (kernel === undefined) return undefined;
  const options = values.get('options') ?? [];
  const ramdisks = values.get('initrd') ?? [];
  return {
    id,
    title: values.get('title')?.[0] ?? id,
    script: `linux ${[kernel, ...options].join(' ')}\n${ramdisks.length > 0 ? `initrd ${ramdisks.join(' ')}\n` : ''}`,
  };
}

/** The newest first, as GRUB 2 of Red Hat shows them: by the numbers and words in the names of the files. */
export function compareLoaderEntries(one: LoaderEntry, other: LoaderEntry): number {
  const [ones, others] = [segmentsOf(one.id), segmentsOf(other.id)];
  for (const [index, segment] of ones.entries()) {
    const opposite = others[index];
    if (opposite === undefined) return -1;
    const order = compareSegments(opposite, segment);
    if (order !== 0) return order;
  }
  return others.length - ones.length;
}

const segmentsOf = (name: string): readonly string[] => name.match(/\d+|[A-Za-z]+/g) ?? [];

/** As rpm compares versions: a number is newer than a word. */
function compareSegments(one: string, other: string): number {
  const [isNumber, isOtherNumber] = [/^\d/.test(one), /^\d/.test(other)];
  if (isNumber !== isOtherNumber) return isNumber ? 1 : -1;
  if (isNumber) {
    const [short, long] = [one.replace(/^0+/, ''), other.replace(/^0+/, '')];
    if (short.length !== long.length) return short.length - long.length;
    return short < long ? -1 : Number(short > long);
  }
  return one < other ? -1 : Number(one > other);
}

/**
 * What a block of saved variables sets (grubenv; GRUB 2 manual, "Environment block"). `next_entry` is left out: it is for one
 * boot, at which GRUB removes it, and the image is not written.
 */
export function parseGrubEnvironment(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined && name !== 'next_entry') {
      values.set(name, value.replaceAll(/\\(.)/g, '$1'));
    }
  }
  return values;
}
