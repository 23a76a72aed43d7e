import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../errors.ts';
import { UNFINISHED_FILE } from '../host/atomic-file.ts';
import { findHolders } from '../host/file-holders.ts';

/** Open as long as the directory is in use, by which a directory that a killed process has left is told. */
const HELD_FILE = 'held';

/**
 * Works in a new directory beside an image, into which only root can look, and removes it afterwards. What a killed process has
 * left there before is removed as well.
 * @throws AgentError IN_USE when another process works on a copy of the same image
 */
export async function withWorkDirectory<Result>(
  image: string,
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  await removeLeftovers(image);
  const directory = join(dirname(image), `${prefixOf(image)}.${randomBytes(6).toString('hex')}.new`);
  await mkdir(directory, { mode: 0o700 });
  try {
    const held = await open(join(directory, HELD_FILE), 'wx', 0o600);
    try {
      return await work(directory);
    } finally {
      await held.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Out of sight. */
const prefixOf = (image: string): string => `.${basename(image)}`;

async function removeLeftovers(image: string): Promise<void> {
  const prefix = prefixOf(image);
  const names = await readdir(dirname(image));
  for (const name of names.filter(
    found => found.startsWith(prefix) && UNFINISHED_FILE.test(found.slice(prefix.length)),
  )) {
    const directory = join(dirname(image), name);
    const [holder] = await findHolders([join(directory, HELD_FILE)]);
    if (holder) {
      throw new AgentError(
        'IN_USE',
        `change ${image}: process ${holder.processId} (${holder.command}) works on a copy of it; wait until it ends`,
      );
    }
    await rm(directory, { recursive: true, force: true });
  }
}
