import { chmod, chown, lstat, open, rename, link, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { AgentError } from '../errors.ts';
import { syncDirectory } from '../host/atomic-file.ts';
import { runCheckedCommand } from '../host/command.ts';
import { findHolders } from '../host/file-holders.ts';
import { SANDBOXED_FILE, SANDBOXED_TARGET } from '../host/sandbox.ts';
import { deviceOf, type FoundFile, troubleOf } from './ext-volume.ts';
import { type ImageProgramParts, runImageProgram } from './image-program.ts';
import type { Partition } from './partitions.ts';
import { withWorkDirectory } from './work-directory.ts';

/** A file of the image, and what it shall hold. */
export interface FileChange {
  readonly partition: Partition;
  readonly file: FoundFile;
  readonly text: string;
}

export interface ImageEditOptions {
  /** Where the image as it was stays; it must not exist. Left out, the old image goes. */
  readonly keepAs?: string;
  /** For the copy; it is as long as the image's data. */
  readonly copyTimeoutMs: number;
  /** Told from time to time while the image is copied. */
  readonly onCopied?: (bytes: number, of: number) => void;
  /** Asked when all is ready, right before the old image is replaced; what it throws leaves the old one. */
  readonly beforeReplacing?: () => Promise<void>;
}

const LOOK_MS = 500;
/** Of a mode (inode(7)). */
const REGULAR_FILE = 0o100000;
const PERMISSION_BITS = 0o7777;
/** debugfs, and what e2fsck needs of room to breathe. */
const SPARE_BYTES = 16 * 1024 * 1024;

/**
 * Replaces files inside the ext2, ext3 or ext4 file systems of a raw disk image: all of them or none. It works on a copy beside
 * the image, which takes the image's place once e2fsck(8) finds it clean; a crash leaves the old image or the new one.
 * @throws AgentError NOT_SUPPORTED when a file system is damaged or an edit is not taken, IN_USE, STALE when the image was
 *   changed meanwhile, EXISTS, NO_RESOURCES, CANCELLED, TIMEOUT, HOST
 */
export async function editImage(
  image: string,
  changes: readonly FileChange[],
  options: ImageEditOptions,
  parts: ImageProgramParts,
): Promise<void> {
  const before = await lstat(image);
  if (!before.isFile()) {
    throw new AgentError('NOT_SUPPORTED', `change ${image}: it is not a regular file; a raw disk image is needed`);
  }
  await requireUnused(image, options.keepAs);
  await requireSpace(image, before.blocks * 512);
  const partitions = [...new Set(changes.map(change => change.partition))];
  for (const partition of partitions) await requireSound(image, partition, parts, { file: image });
  const work = async (directory: string): Promise<void> => {
    const copy = join(directory, 'image');
    await copyImage(image, copy, options, parts);
    for (const change of changes) await replaceFile(copy, join(directory, 'content'), change, parts);
    const target = { path: copy, fileLimitBytes: before.size };
    for (const partition of partitions) await requireSound(image, partition, parts, { target });
    await chown(copy, before.uid, before.gid);
    await chmod(copy, before.mode & PERMISSION_BITS);
    await syncFile(copy);
    await options.beforeReplacing?.();
    await requireUnchanged(image, before);
    parts.signal?.throwIfAborted();
    await replaceImage(copy, image, options.keepAs);
  };
  try {
    await withWorkDirectory(image, work);
  } catch (error) {
    throw parts.signal?.aborted
      ? new AgentError('CANCELLED', `change ${image}: it was given up; the image is as it was`, { cause: error })
      : error;
  }
}

async function replaceImage(copy: string, image: string, keepAs: string | undefined): Promise<void> {
  if (keepAs !== undefined) await link(image, keepAs);
  try {
    await rename(copy, image);
  } catch (error) {
    if (keepAs !== undefined) await rm(keepAs);
    throw error;
  }
  syncDirectory(dirname(image));
}

async function requireUnused(image: string, keepAs: string | undefined): Promise<void> {
  const [holder] = await findHolders([image]);
  if (holder) {
    throw new AgentError(
      'IN_USE',
      `change ${image}: process ${holder.processId} (${holder.command}) has it open; shut the guest down first`,
    );
  }
  if (keepAs !== undefined && (await lstat(keepAs).catch(() => undefined))) {
    throw new AgentError('EXISTS', `keep ${image} as ${keepAs}: there is such a file already; move it away first`);
  }
}

/** A reflink would need less; whether one is made is only known afterwards. */
async function requireSpace(image: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(image));
  if (bavail * bsize >= bytes + SPARE_BYTES) return;
  throw new AgentError(
    'NO_RESOURCES',
    `copy ${image}: its repository has ${bavail * bsize} bytes free; ${bytes + SPARE_BYTES} are needed`,
  );
}

async function requireUnchanged(
  image: string,
  before: { readonly ino: number; readonly mtimeMs: number; readonly size: number },
): Promise<void> {
  const now = await lstat(image);
  if (now.ino === before.ino && now.mtimeMs === before.mtimeMs && now.size === before.size) return;
  throw new AgentError('STALE', `change ${image}: it was written to meanwhile; shut the guest down and begin anew`);
}

async function copyImage(
  image: string,
  copy: string,
  { copyTimeoutMs, onCopied }: ImageEditOptions,
  { clock, signal }: ImageProgramParts,
): Promise<void> {
  const { blocks } = await lstat(image);
  const watch = clock.every(LOOK_MS, () => {
    lstat(copy).then(
      found => onCopied?.(found.blocks * 512, blocks * 512),
      () => undefined,
    );
  });
  try {
    const args = ['--reflink=auto', '--sparse=always', '--', image, copy];
    await runCheckedCommand('cp', args, { clock, timeoutMs: copyTimeoutMs, ...(signal && { signal }) });
  } finally {
    watch.cancel();
  }
}

/** @throws AgentError NOT_SUPPORTED when e2fsck finds anything to repair */
async function requireSound(
  image: string,
  partition: Partition,
  parts: ImageProgramParts,
  on: { readonly file: string } | { readonly target: { readonly path: string; readonly fileLimitBytes: number } },
): Promise<void> {
  const device = deviceOf('file' in on ? SANDBOXED_FILE : SANDBOXED_TARGET, partition);
  const result = await runImageProgram('e2fsck', ['-f', '-n', device], parts, { ...on, debianPackage: 'e2fsprogs' });
  if (result.exitCode === 0) return;
  const where = partition.number === undefined ? '' : ` in partition ${partition.number}`;
  throw new AgentError(
    'NOT_SUPPORTED',
    `check the file system${where} of ${image}: e2fsck finds it damaged; repair it in the guest (e2fsck -f) and shut it down cleanly`,
  );
}

/** A new file in the place of the old one, with its owner, permissions and extended attributes. */
async function replaceFile(
  copy: string,
  content: string,
  { file, partition, text }: FileChange,
  parts: ImageProgramParts,
): Promise<void> {
  const { size } = await lstat(copy);
  const run = async (bytes: string | Buffer, requests: readonly string[]): Promise<void> => {
    await writeFile(content, bytes, { mode: 0o600 });
    const args = ['-w', '-f', '-', deviceOf(SANDBOXED_TARGET, partition)];
    const result = await runImageProgram('debugfs', args, parts, {
      file: content,
      target: { path: copy, fileLimitBytes: size },
      input: `${requests.join('\n')}\n`,
      debianPackage: 'e2fsprogs',
    });
    const trouble = troubleOf(result.stderr);
    if (result.exitCode === 0 && trouble === undefined) return;
    throw new AgentError(
      'NOT_SUPPORTED',
      `write ${file.path} into a copy of the image: debugfs says ${JSON.stringify((trouble ?? '').slice(0, 200))}; room in its file system is needed`,
    );
  };
  const name = posix.basename(file.path);
  const mode = `0${(REGULAR_FILE | file.permissions).toString(8)}`;
  await run(text, [
    `cd ${posix.dirname(file.path)}`,
    `rm ${name}`,
    `write ${SANDBOXED_FILE} ${name}`,
    `set_inode_field ${name} mode ${mode}`,
    `set_inode_field ${name} uid ${file.user}`,
    `set_inode_field ${name} gid ${file.group}`,
  ]);
  for (const { name: attribute, value } of file.attributes) {
    await run(value, [`ea_set -r -f ${SANDBOXED_FILE} ${file.path} ${attribute}`]);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
