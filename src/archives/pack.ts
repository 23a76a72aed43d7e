import { basename, dirname } from 'node:path';
import { type Readable, Transform, type TransformCallback, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { type CommandOptions, type CommandResult, runCheckedCommand, runCommand } from '../host/command.ts';
import { quote } from '../model/guest-path.ts';
import { type Compression, compressor } from './compression.ts';
import { findChange, surveyDirectory } from './directory-survey.ts';
import { isPrematureClose } from './premature-close.ts';

export interface PackOptions {
  /** Takes the archive, and is ended with it, or destroyed. */
  readonly output: Writable;
  readonly compression: Compression;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
  /** Called often, with what was read of the files, and the space that they take, in bytes. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Exit code of GNU tar when a file changed while it was read, or was gone. */
const TAR_SAW_CHANGES = 1;

/**
 * Packs a directory, with its last name as the top of the archive, so that `tar xzSf` of an old server unpacks a template as it
 * expects. Holes stay holes. Owners are not kept, and names are in order, so that equal directories give equal archives.
 *
 * The format is that of GNU tar, not of POSIX.1-2001: each GNU tar since 1.13 reads its sparse files, while those of pax archives
 * in their present form are known since 1.15.92 only, and the systems of the time had 1.15.1.
 * @throws AgentError NO_SUCH_FILE, NOT_SUPPORTED when it holds links or devices, IN_USE when something in it changed meanwhile,
 *   TIMEOUT, CANCELLED, HOST. What the output got then is no archive.
 */
export async function packDirectory(directory: string, options: PackOptions): Promise<void> {
  try {
    const before = await surveyDirectory(directory);
    const { allocatedBytes } = before;
    const { exitCode, stderr } = await pack(directory, options, readBytes =>
      options.onProgress?.(Math.min(readBytes, allocatedBytes), allocatedBytes),
    );
    const changed =
      findChange(before, await surveyDirectory(directory)) ?? (exitCode === TAR_SAW_CHANGES ? '.' : undefined);
    if (changed !== undefined) {
      throw new AgentError(
        'IN_USE',
        `pack ${quote(directory)}: ${quote(changed)} changed meanwhile; a directory in which nobody writes is needed`,
      );
    }
    if (exitCode !== 0)
      throw new AgentError('HOST', `pack ${quote(directory)}: tar says ${quote(stderr.trim())}; see to its disk`);
  } catch (error) {
    options.output.destroy();
    throw error;
  }
}

/** Resolves with how tar ended, once the output has everything. */
async function pack(
  directory: string,
  { clock, compression, output, signal, timeoutMs }: PackOptions,
  onRead: (bytes: number) => void,
): Promise<CommandResult> {
  const limits = { clock, timeoutMs, ...(signal && { signal }), outputLimitBytes: Infinity };
  const meter = new Meter(onRead);
  const [packed, delivered] = await Promise.allSettled([
    runCommand('tar', packArguments(directory), { ...limits, output: meter }),
    deliver(compression, meter, { ...limits, output }).finally(() => meter.destroy()),
  ]);
  if (delivered.status === 'rejected' && !isPrematureClose(delivered.reason)) throw delivered.reason as Error;
  if (packed.status === 'rejected') throw packed.reason as Error;
  if (delivered.status === 'rejected') throw delivered.reason as Error;
  return packed.value;
}

function packArguments(directory: string): readonly string[] {
  return [
    ...['--create', '--sparse', '--format=gnu', '--file=-', '--blocking-factor=128'],
    ...['--sort=name', '--numeric-owner', '--owner=0', '--group=0'],
    ...[`--directory=${dirname(directory)}`, '--', basename(directory)],
  ];
}

async function deliver(
  compression: Compression,
  archive: Readable,
  options: Omit<CommandOptions, 'input'> & { readonly output: Writable },
): Promise<void> {
  if (compression === 'none') {
    await pipeline(archive, options.output);
    return;
  }
  const { args, program } = await compressor(compression);
  await runCheckedCommand(program, args, { ...options, input: archive });
}

/** Counts what passes. */
class Meter extends Transform {
  #bytes = 0;
  readonly #onPass: (bytes: number) => void;

  constructor(onPass: (bytes: number) => void) {
    super();
    this.#onPass = onPass;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#bytes += chunk.length;
    this.#onPass(this.#bytes);
    callback(null, chunk);
  }
}
