import { AgentError } from '../errors.ts';
import { listDirectory } from '../transfers/directory.ts';
import type { ReachOptions } from '../transfers/origin.ts';
import { describeSource, sourceInside, type TransferSource } from '../transfers/source.ts';
import type { InstallTree, TreeFile, WantedKernel } from './install-tree.ts';
import { knownPlaces, suitePlaces } from './known-places.ts';
import { type FoundPlace, TreeSearch } from './tree-search.ts';
import { parseTreeInfo, type TreeInfo } from './treeinfo.ts';

const TREEINFO_NAMES = ['.treeinfo', 'treeinfo'];
/** Names of suites, without the parts of one that follow a dash, such as its updates. */
const SUITE = /^[a-z]{2,32}$/;
const SUITES_LIMIT = 32;
/** What a mirror of Debian calls the suite that people mean who name none. */
const USUAL_SUITE = 'stable';

/**
 * Finds kernel and ramdisk of a Linux installation tree: by its `.treeinfo`, or where the trees of Red Hat's, Debian's and SUSE's
 * kin have them.
 * @param location directory of the tree, or root of a mirror of Debian
 * @throws AgentError NO_SUCH_FILE with what was looked for, NOT_SUPPORTED when the tree names files outside of itself,
 *   BAD_VALUE when a mirror has several suites, and those of `openTransfer`
 */
export async function findInstallKernel(
  location: TransferSource,
  wanted: WantedKernel,
  options: ReachOptions,
): Promise<InstallTree> {
  const search = new TreeSearch(location, options);
  const info = parseTreeInfo((await search.readFirst(TREEINFO_NAMES)) ?? '', wanted);
  const told = info ? info.places.map(place => ({ family: info.family, ...place })) : [];
  const found =
    (await search.firstOf([...told, ...knownPlaces(wanted)])) ??
    (await findInSuites(search, location, wanted, options));
  if (!found) throw search.nothingFound();
  const about = info ?? parseDiscInfo((await search.readFirst(['.disk/info'])) ?? '');
  return {
    family: info?.family ?? found.place.family,
    ...(about.distribution !== undefined && { distribution: about.distribution }),
    ...(about.version !== undefined && { version: about.version }),
    kernel: withSum(found.kernel, info),
    ramdisk: withSum(found.ramdisk, info),
  };
}

/** On a mirror, the installers are in directories that are named for its suites. */
async function findInSuites(
  search: TreeSearch,
  location: TransferSource,
  wanted: WantedKernel,
  options: ReachOptions,
): Promise<FoundPlace | undefined> {
  const found: (FoundPlace & { readonly suite: string })[] = [];
  for (const suite of await suitesOf(location, options)) {
    const place = await search.firstOf(suitePlaces(suite, wanted));
    if (place) found.push({ ...place, suite });
  }
  if (found.length < 2) return found[0];
  const where = describeSource(location);
  const suites = found.map(({ suite }) => suite);
  throw new AgentError(
    'BAD_VALUE',
    `find the kernel of the installation tree ${where}: it has those of ${suites.join(', ')}; that of one is needed, such as ${describeSource(sourceInside(location, `dists/${suites[0]}`))}`,
  );
}

async function suitesOf(location: TransferSource, options: ReachOptions): Promise<readonly string[]> {
  try {
    const suites = (await listDirectory(sourceInside(location, 'dists'), options)).filter(name => SUITE.test(name));
    return suites.includes(USUAL_SUITE) ? [USUAL_SUITE] : suites.slice(0, SUITES_LIMIT);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    // Some servers show no lists, though the files are there.
    if (error.code === 'DENIED') return [USUAL_SUITE];
    if (error.code === 'NO_SUCH_FILE') return [];
    throw error;
  }
}

/** The first line of `.disk/info`, which discs of Debian and Ubuntu have, such as `Debian GNU/Linux 12.5.0 "Bookworm" - ...`. */
function parseDiscInfo(text: string): Pick<TreeInfo, 'distribution' | 'version'> {
  const [, distribution, version] = /^(Debian|Ubuntu)[A-Za-z/ -]* (\d[\d.]{0,20})\b/.exec(text) ?? [];
  return { distribution, version };
}

function withSum(file: TreeFile, info: TreeInfo | undefined): TreeFile {
  const sha256 = info?.checksums.get(file.path);
  return sha256 === undefined ? file : { ...file, sha256 };
}
