import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** What there is in a directory at one moment. */
export interface DirectorySurvey {
  /** Space that its files take, in bytes. */
  readonly allocatedBytes: number;
  /** For each file and directory, by its path within, what becomes another text when it or its content changes. */
  readonly marks: ReadonlyMap<string, string>;
}

/** The directory of a guest has a handful of files. */
const MOST_ENTRIES = 10_000;
/** The unit of `st_blocks` (stat(2)). */
const ALLOCATION_BYTES = 512;

/**
 * @throws AgentError NO_SUCH_FILE, NOT_SUPPORTED when it holds anything but directories and files of one name each, or too many
 */
export async function surveyDirectory(directory: string): Promise<DirectorySurvey> {
  const marks = new Map<string, string>();
  let allocatedBytes = 0;
  const visit = async (path: string): Promise<void> => {
    const place = join(directory, path);
    const found = await lstat(place, { bigint: true }).catch((cause: unknown) => {
      throw new AgentError('NO_SUCH_FILE', `pack ${quote(place)}: it cannot be looked up; a directory is needed`, {
        cause,
      });
    });
    const isPackable =
      path === '.' ? found.isDirectory() : found.isDirectory() || (found.isFile() && found.nlink === 1n);
    if (!isPackable || marks.size >= MOST_ENTRIES) {
      const what = isPackable
        ? `it is one of more than ${MOST_ENTRIES}`
        : 'it is a link, a device, or a file with several names';
      throw new AgentError('NOT_SUPPORTED', `pack ${quote(place)}: ${what}; a directory of plain files is needed`);
    }
    marks.set(path, [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' '));
    if (found.isFile()) allocatedBytes += Number(found.blocks) * ALLOCATION_BYTES;
    else for await (const { name } of await opendir(place)) await visit(join(path, name));
  };
  await visit('.');
  return { allocatedBytes, marks };
}

/** The first file or directory that is not in both as it was. */
export function findChange(before: DirectorySurvey, after: DirectorySurvey): string | undefined {
  const paths = [...before.marks.keys(), ...after.marks.keys()];
  return paths.find(path => before.marks.get(path) !== after.marks.get(path));
}
