import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

export type Compression = 'gzip' | 'zstd' | 'none';

/** A program that compresses or decompresses from its standard input to its standard output. */
export interface Filter {
  readonly program: string;
  readonly args: readonly string[];
  /** The Debian package that holds the program. */
  readonly debianPackage: string;
}

/** First bytes of a gzip member (RFC 1952, 2.3.1) and of a Zstandard frame (RFC 8878, 3.1.1). */
const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
];

/** How many bytes `compressionOf` has to see. */
export const MAGIC_BYTES = 4;

/** What a file is compressed with, by its first bytes; whatever its name says. */
export function compressionOf(start: Buffer): Compression {
  return MAGIC.find(([, magic]) => start.subarray(0, magic.length).equals(magic))?.[0] ?? 'none';
}

/** Most memory for the window of a frame; frames of `zstd --ultra` need no more. */
const WINDOW = '--memory=128MB';

/** By speed: igzip takes an eighth of the time of gzip. All read what the others wrote. */
const GZIP_PROGRAMS: readonly Filter[] = [
  { program: 'igzip', args: [], debianPackage: 'isal' },
  { program: 'pigz', args: [], debianPackage: 'pigz' },
  { program: 'gzip', args: [], debianPackage: 'gzip' },
];
const ZSTD: Filter = { program: 'zstd', args: ['-q'], debianPackage: 'zstd' };

/** @param directory where programs are looked for: the one that programs in the sandbox have, too */
export async function decompressor(compression: 'gzip' | 'zstd', directory = '/usr/bin'): Promise<Filter> {
  const filter = await filterFor(compression, directory);
  return { ...filter, args: [...filter.args, '-d', '-c', ...(compression === 'zstd' ? [WINDOW] : [])] };
}

/** At the program's usual level. @param directory as for `decompressor` */
export async function compressor(compression: 'gzip' | 'zstd', directory = '/usr/bin'): Promise<Filter> {
  const filter = await filterFor(compression, directory);
  return { ...filter, args: [...filter.args, '-c'] };
}

async function filterFor(compression: 'gzip' | 'zstd', directory: string): Promise<Filter> {
  if (compression === 'zstd') return ZSTD;
  for (const filter of GZIP_PROGRAMS) {
    const isThere = await access(join(directory, filter.program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return filter;
  }
  return GZIP_PROGRAMS.at(-1)!;
}
