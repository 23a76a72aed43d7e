import { type FileHandle, open } from 'node:fs/promises';
import { AgentError } from '../errors.ts';
import { SANDBOXED_FILE } from '../host/sandbox.ts';
import { type FileSystemKind, recognise } from './file-system-kind.ts';
import { type ImageProgramParts, runImageProgram } from './image-program.ts';

/** A stretch of a disk image: a partition, or the whole disk where there is no table. */
export interface Partition {
  /** From 1; undefined for the whole disk. */
  readonly number: number | undefined;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly holds: FileSystemKind;
}

const MOST_PARTITIONS = 64;
const TABLE_LIMIT_BYTES = 256 * 1024;

/**
 * The partitions of a raw disk image (DOS or GPT) that lie inside it, with what each holds.
 * @throws AgentError NO_SUCH_FILE, NOT_SUPPORTED when the table cannot be read, and those of `runSandboxed`
 */
export async function findPartitions(image: string, parts: ImageProgramParts): Promise<readonly Partition[]> {
  const file = await open(image, 'r').catch((cause: unknown) => {
    throw new AgentError('NO_SUCH_FILE', `read ${image}: it cannot be opened; a disk image is needed`, { cause });
  });
  try {
    const { size } = await file.stat();
    const stretches = (await readTable(image, parts)) ?? [{ number: undefined, offsetBytes: 0, sizeBytes: size }];
    return await Promise.all(
      stretches
        .filter(({ offsetBytes, sizeBytes }) => offsetBytes + sizeBytes <= size)
        .slice(0, MOST_PARTITIONS)
        .map(async stretch => ({ ...stretch, holds: await readKind(file, stretch.offsetBytes) })),
    );
  } finally {
    await file.close();
  }
}

type Stretch = Omit<Partition, 'holds'>;

/** Of the JSON that sfdisk(8) writes. */
interface WrittenTable {
  readonly partitiontable: {
    readonly sectorsize?: number;
    readonly partitions?: readonly { readonly node: string; readonly start: number; readonly size: number }[];
  };
}

/** @returns undefined when there is no table */
async function readTable(image: string, parts: ImageProgramParts): Promise<Stretch[] | undefined> {
  const result = await runImageProgram('sfdisk', ['--json', '--', SANDBOXED_FILE], parts, {
    file: image,
    outputLimitBytes: TABLE_LIMIT_BYTES,
    debianPackage: 'fdisk',
  });
  if (result.exitCode !== 0) {
    if (result.stderr.includes('does not contain a recognized partition table')) return undefined;
    throw new AgentError(
      'NOT_SUPPORTED',
      `read the partition table of ${image}: sfdisk cannot read it; a DOS or GPT table, or none, is needed`,
    );
  }
  const { partitions = [], sectorsize = DEFAULT_SECTOR_BYTES } = (JSON.parse(result.stdout) as WrittenTable)
    .partitiontable;
  return partitions.map(({ node, size, start }) => ({
    number: Number(/\d+$/.exec(node)?.[0]),
    offsetBytes: start * sectorsize,
    sizeBytes: size * sectorsize,
  }));
}

const DEFAULT_SECTOR_BYTES = 512;
/** The signature of btrfs lies furthest behind. */
const HEAD_BYTES = 68 * 1024;

async function readKind(file: FileHandle, offsetBytes: number): Promise<FileSystemKind> {
  const head = Buffer.alloc(HEAD_BYTES);
  await file.read(head, 0, HEAD_BYTES, offsetBytes);
  return recognise(head);
}
