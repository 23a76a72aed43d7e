import { parse } from 'ini';
import { parseSha256, type Sha256 } from '../transfers/checksums.ts';
import { type KernelPlace, parseTreePath, type TreeFamily, type WantedKernel } from './install-tree.ts';

/** What a tree says of itself. */
export interface TreeInfo {
  readonly family: TreeFamily;
  readonly distribution: string | undefined;
  readonly version: string | undefined;
  /** The best one first. */
  readonly places: readonly KernelPlace[];
  /** Sums of the tree's files, by their paths. */
  readonly checksums: ReadonlyMap<string, Sha256>;
}

type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Reads the `.treeinfo` of a tree, as productmd and its forerunners write it. Of other texts, such as the page that a server
 * shows in place of a missing file, nothing is understood.
 * @returns undefined when it names no kernel and ramdisk of that kind
 * @throws AgentError NOT_SUPPORTED when what it names may lie outside of the tree
 */
export function parseTreeInfo(text: string, wanted: WantedKernel): TreeInfo | undefined {
  const sections = sectionsOf(text);
  const places = imageSections(wanted).flatMap(name => placeIn(sections.get(name)));
  if (places.length === 0) return undefined;
  const general = sections.get('general');
  const release = sections.get('release');
  const distribution = general?.get('family') ?? release?.get('name');
  return {
    family: familyOf(distribution ?? ''),
    distribution,
    version: general?.get('version') ?? release?.get('version'),
    places,
    checksums: checksumsOf(sections.get('checksums')),
  };
}

/** Old trees have a kernel of its own for paravirtual guests; that of new ones has pv_ops and does both. */
function imageSections({ architecture, kind }: WantedKernel): readonly string[] {
  const plain = `images-${architecture}`;
  return kind === 'xen' ? ['images-xen', plain] : [plain];
}

function placeIn(section: ReadonlyMap<string, string> | undefined): KernelPlace[] {
  const kernel = section?.get('kernel');
  const ramdisk = section?.get('initrd');
  if (kernel === undefined || ramdisk === undefined) return [];
  return [{ kernel: parseTreePath(kernel), ramdisk: parseTreePath(ramdisk) }];
}

/** The package makes lists of `key[]`, and booleans of some words and of keys alone: only texts are taken. */
function sectionsOf(text: string): Sections {
  const found = new Map<string, ReadonlyMap<string, string>>();
  const parsed: Record<string, unknown> = parse(text);
  for (const [name, section] of Object.entries(parsed)) {
    if (typeof section !== 'object' || section === null) continue;
    const texts = Object.entries(section).filter((entry): entry is [string, string] => isPlainText(entry[1]));
    found.set(name, new Map(texts));
  }
  return found;
}

function isPlainText(value: unknown): boolean {
  return typeof value === 'string' && /^[\x20-\x7e]{1,512}$/.test(value);
}

function checksumsOf(section: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, Sha256> {
  const sums = new Map<string, Sha256>();
  for (const [path, value] of section) {
    const sum = /^sha256:([0-9a-f]{64})$/i.exec(value)?.[1];
    if (sum !== undefined) sums.set(path, parseSha256(sum));
  }
  return sums;
}

function familyOf(distribution: string): TreeFamily {
  if (/suse/i.test(distribution)) return 'suse';
  return /debian|ubuntu/i.test(distribution) ? 'debian' : 'redhat';
}
