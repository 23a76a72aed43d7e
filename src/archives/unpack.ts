import { chmod, lstat, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { CommandResult } from '../host/command.ts';
import { runSandboxed, SANDBOXED_TARGET, type SandboxOptions } from '../host/sandbox.ts';
import { quote } from '../model/guest-path.ts';
import { Checker } from './checker.ts';
import { decompressor } from './compression.ts';
import { Intake } from './intake.ts';
import { isPrematureClose } from './premature-close.ts';
import { refusal } from './refusal.ts';
import { type ArchiveEntry, type ArchiveLimits, TarReader } from './tar-reader.ts';

export interface UnpackOptions {
  /** Empty; it and what is unpacked are for root alone. */
  readonly directory: string;
  readonly limits: ArchiveLimits;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
  /** Called often, with the bytes of the archive as it came, and of the tar archive in it. */
  readonly onProgress?: (bytesIn: number, bytesOut: number) => void;
}

export interface UnpackedArchive {
  /** In the order of the archive, a directory before what lies in it. */
  readonly entries: readonly ArchiveEntry[];
  /** Bytes of the archive as it came. */
  readonly bytesIn: number;
  /** Bytes of the tar archive in it. */
  readonly bytesOut: number;
}

/** Space that is left to others. */
const RESERVE_BYTES = 16 * 2 ** 20;
/** Threads of pigz and zstd, whatever they are asked for. */
const FILTER_PROCESSES = 8;
/** Smaller files are left as they are. */
const SMALLEST_WITH_HOLES = 2 ** 20;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/**
 * Unpacks a tar archive while it comes, plain or compressed with gzip or zstd, as its first bytes show. A stranger's bytes are
 * decompressed in a sandbox, checked by `TarReader`, and unpacked by GNU tar in a sandbox that holds nothing but the directory.
 * Files keep their holes, and get some where an archive without has pages of zeros. Nothing is left in the directory on a failure.
 * @throws AgentError BAD_VALUE for the archive, EXISTS when the directory is not empty, NO_RESOURCES, TIMEOUT, CANCELLED, HOST, and
 *   what the source fails with
 */
export async function unpackArchive(source: Readable, options: UnpackOptions): Promise<UnpackedArchive> {
  // Whoever waits for the source hears of its failure; nobody may be there to hear it at the end.
  source.on('error', () => undefined);
  try {
    await requireEmpty(options.directory);
  } catch (error) {
    source.destroy();
    throw error;
  }
  const limit = new TimeLimit(source, options);
  try {
    await chmod(options.directory, DIRECTORY_MODE);
    return await unpack(source, options, limit);
  } catch (error) {
    await removeContent(options.directory);
    throw limit.failure ?? error;
  } finally {
    limit.lift();
    source.destroy();
  }
}

async function unpack(
  source: Readable,
  { directory, limits, onProgress }: UnpackOptions,
  limit: TimeLimit,
): Promise<UnpackedArchive> {
  const { bavail, bsize } = await statfs(directory);
  const intake = await Intake.open(source);
  const reader = new TarReader(limits);
  const checker = new Checker({
    reader,
    spaceBytes: bavail * bsize - RESERVE_BYTES,
    onProgress: checkedBytes => onProgress?.(intake.bytes, checkedBytes),
  });
  const target = { path: directory, fileLimitBytes: limits.fileBytes };
  const [filled, extracted] = await Promise.allSettled([
    fill(checker, intake, limit).finally(() => checker.writableFinished || checker.destroy()),
    limit.run('tar', EXTRACT, { input: checker, target, debianPackage: 'tar' }).finally(() => checker.destroy()),
  ]);
  throwFirstCause(checker, filled, extracted);
  await makeHoles(reader, directory, limit);
  await requireUnpacked(reader.entries, directory);
  limit.check();
  return { entries: reader.entries, bytesIn: intake.bytes, bytesOut: checker.bytes };
}

/** The headers that GNU tar gets are ours: these options hold should it ever see others. */
const EXTRACT = [
  ...['--extract', '--sparse', '--file=-', `--directory=${SANDBOXED_TARGET}`, '--blocking-factor=128'],
  ...['--no-same-owner', '--no-same-permissions', '--keep-old-files', '--delay-directory-restore'],
  '--warning=no-timestamp',
];

/** The program ends when it has been given up or its time is over, and with it the source. */
class TimeLimit {
  /** Why the work ended early. */
  failure: AgentError | undefined;
  readonly #ending = new AbortController();
  readonly #options: UnpackOptions;
  readonly #deadline: number;
  readonly lift: () => void;

  constructor(source: Readable, options: UnpackOptions) {
    const { clock, directory, signal, timeoutMs } = options;
    this.#options = options;
    this.#deadline = clock.monotonic() + timeoutMs;
    const end = (failure: AgentError): void => {
      this.failure ??= failure;
      this.#ending.abort();
      source.destroy(this.failure);
    };
    const giveUp = (): void => end(new AgentError('CANCELLED', `unpack an archive in ${directory}: it was given up`));
    const timer = clock.setTimer(timeoutMs, () => {
      end(new AgentError('TIMEOUT', `unpack an archive in ${directory}: it did not end within ${timeoutMs} ms`));
    });
    signal?.addEventListener('abort', giveUp, { once: true });
    this.lift = () => {
      timer.cancel();
      signal?.removeEventListener('abort', giveUp);
    };
    if (signal?.aborted) giveUp();
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Throws when the work is to end. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Runs a program in the sandbox for no longer than is left. */
  run(
    program: string,
    args: readonly string[],
    options: Omit<SandboxOptions, 'clock' | 'timeoutMs' | 'signal'>,
  ): Promise<CommandResult> {
    const { clock } = this.#options;
    const timeoutMs = Math.max(1, Math.ceil(this.#deadline - clock.monotonic()));
    return runSandboxed(program, args, { ...options, clock, timeoutMs, signal: this.signal });
  }
}

/** @throws AgentError BAD_VALUE when it is damaged in its compression, and as `unpackArchive` does */
async function fill(checker: Checker, intake: Intake, limit: TimeLimit): Promise<void> {
  if (intake.compression === 'none') {
    await pipeline(intake.stream(), checker, { signal: limit.signal });
    return;
  }
  const { args, debianPackage, program } = await decompressor(intake.compression);
  const { exitCode } = await limit.run(program, args, {
    input: intake.stream(),
    output: checker,
    // The checker knows when there is too much.
    outputLimitBytes: Infinity,
    processes: FILTER_PROCESSES,
    debianPackage,
  });
  if (exitCode !== 0)
    throw refusal(`${program} finds it damaged, or with something behind its end; an undamaged archive is needed`);
  if (intake.compression === 'gzip' && !intake.endsAfter(checker.bytes))
    throw refusal('there is something behind its end, or it is made of several parts; one whole gzip file is needed');
}

/** A fault of one end of the line shows at all others: here is told which it was. */
function throwFirstCause(
  checker: Checker,
  filled: PromiseSettledResult<void>,
  extracted: PromiseSettledResult<CommandResult>,
): void {
  if (checker.failure !== undefined) throw checker.failure as Error;
  const wasCutOff = filled.status === 'rejected' && isPrematureClose(filled.reason);
  if (filled.status === 'rejected' && !wasCutOff) throw filled.reason as Error;
  if (extracted.status === 'rejected') throw extracted.reason as Error;
  const { exitCode, stderr } = extracted.value;
  if (exitCode === 0 && !wasCutOff) return;
  const isFull = /No space left|quota exceeded/i.test(stderr);
  throw new AgentError(
    isFull ? 'NO_RESOURCES' : 'HOST',
    isFull
      ? 'unpack the archive: there is no more space; make room in the repository'
      : `unpack the archive: tar ended with ${exitCode}: ${stderr.trim().slice(0, 300)}; see to the repository`,
  );
}

/** Files that are full of zeros take no space for them; GNU tar makes holes only where the archive has them. */
async function makeHoles(reader: TarReader, directory: string, limit: TimeLimit): Promise<void> {
  for (const { name, size } of reader.entries) {
    if (size < SMALLEST_WITH_HOLES || !reader.filesWithZeroPages.has(name)) continue;
    // A file system that has no holes keeps the zeros.
    await limit.run('fallocate', ['--dig-holes', SANDBOXED_TARGET], {
      target: { path: join(directory, name), fileLimitBytes: size },
      debianPackage: 'util-linux',
    });
    limit.check();
  }
}

/** @throws AgentError HOST when what lies there is not what the archive said */
async function requireUnpacked(entries: readonly ArchiveEntry[], directory: string): Promise<void> {
  for (const { kind, name, size } of entries) {
    const found = await lstat(join(directory, name)).catch(() => undefined);
    const isRight =
      kind === 'file'
        ? found?.isFile() && found.size === size && (found.mode & 0o7777) === FILE_MODE
        : found?.isDirectory() && (found.mode & 0o7777) === DIRECTORY_MODE;
    if (!isRight)
      throw new AgentError('HOST', `unpack the archive: ${quote(name)} is not as tar should have left it; try again`);
  }
}

async function requireEmpty(directory: string): Promise<void> {
  if ((await readdir(directory)).length === 0) return;
  throw new AgentError('EXISTS', `unpack an archive in ${directory}: something is there; an empty directory is needed`);
}

async function removeContent(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });
}
