import { type FileHandle, open } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import type { CommandResult } from '../host/command.ts';
import { runSandboxed, SANDBOXED_FILE } from '../host/sandbox.ts';
import { plainText } from './grub-menu.ts';

export interface ImageReaderParts {
  readonly clock: Clock;
  /** The program that makes the sandbox, when it is not `bwrap` of the path. */
  readonly sandboxProgram?: string;
  /** The program that reads images, when it is not `grub-fstest` of the path. */
  readonly readerProgram?: string;
}

/** A partition, a logical volume or the whole disk, with a file system that can be read. */
export interface Volume {
  /** As GRUB names it: `loop0` the disk, `loop0,msdos1`, `loop0,gpt2`, `lvm/group-volume`. */
  readonly device: string;
  /** As GRUB names it: `ext*`, `xfs`. */
  readonly fileSystem: string;
}

export interface Layout {
  readonly volumes: readonly Volume[];
  /** Partitions and logical volumes, with a readable file system or without. */
  readonly partitions: number;
}

/** A line of `ls -l` about a disk; other devices (the sandbox itself) are not heeded. */
const DEVICE_LINE =
  /^(?:Device |\tPartition )(loop0(?:,(?:msdos|gpt)[1-9]\d{0,2})?|lvm\/[\w.+-]{1,200}): (?:Filesystem type (\S+)|No known filesystem)/;
const MOST_VOLUMES = 32;
const DIRECTORY_LINE = /^\d+ +\d+ ([\w.+~@-]{1,255})$/;
const LISTING_LIMIT_BYTES = 256 * 1024;
const SECTOR_BYTES = 512;

/**
 * Reads files of an image with GRUB's own file system drivers (grub-fstest(1)), in a sandbox. Links in the image lead to files
 * of the image.
 */
export class ImageReader {
  readonly image: string;
  readonly #deadline: number;
  readonly #timeoutMs: number;
  readonly #parts: ImageReaderParts;

  /** @param timeoutMs for all that this reader does together */
  constructor(image: string, timeoutMs: number, parts: ImageReaderParts) {
    this.image = image;
    this.#timeoutMs = timeoutMs;
    this.#deadline = parts.clock.monotonic() + timeoutMs;
    this.#parts = parts;
  }

  /** What the image holds, in the order in which pygrub looks: the partition that is marked active, the others, the whole disk. */
  async layout(): Promise<Layout> {
    const { stdout } = await this.#run(['--', SANDBOXED_FILE, 'ls', '-l'], { outputLimitBytes: LISTING_LIMIT_BYTES });
    const active = await activePartition(this.image);
    const found = stdout.split('\n').flatMap(line => {
      const [, device, fileSystem] = DEVICE_LINE.exec(line) ?? [];
      return device === undefined ? [] : [{ device, fileSystem }];
    });
    const rank = (device: string): number => {
      if (active !== undefined && device === `loop0,msdos${active}`) return 0;
      if (device === 'loop0') return 3;
      return device.startsWith('loop0,') ? 1 : 2;
    };
    const volumes = found
      .filter((item): item is Volume => item.fileSystem !== undefined)
      .sort((one, other) => {
        return rank(one.device) - rank(other.device) || one.device.localeCompare(other.device, 'en', { numeric: true });
      });
    return {
      volumes: volumes.slice(0, MOST_VOLUMES),
      partitions: found.filter(({ device }) => device !== 'loop0').length,
    };
  }

  /** Names of the plain files in a directory; none when there is no such directory. */
  async list(volume: Volume, path: string): Promise<readonly string[]> {
    const { stdout } = await this.#run(['--', SANDBOXED_FILE, 'ls', '-l', place(volume, path)], {
      outputLimitBytes: LISTING_LIMIT_BYTES,
    });
    return stdout.split('\n').flatMap(line => DIRECTORY_LINE.exec(line)?.[1] ?? []);
  }

  /**
   * @returns the text of a small file; undefined when there is none
   * @throws AgentError NOT_SUPPORTED when it is larger than `limitBytes` or cannot be read
   */
  async readText(volume: Volume, path: string, limitBytes: number): Promise<string | undefined> {
    const args = catArguments(volume, path, limitBytes);
    const result = await this.#run(args, { outputLimitBytes: limitBytes + 1 });
    if (isAbsent(result)) return undefined;
    this.#check(result, path);
    if (Buffer.byteLength(result.stdout) > limitBytes) throw this.#tooLarge(path, limitBytes);
    return result.stdout;
  }

  /**
   * Writes a file to the place where `target` is.
   * @returns how many bytes it had
   * @throws AgentError NO_SUCH_FILE, NOT_SUPPORTED when it is larger than `limitBytes` or cannot be read (part of it may then
   *   be written)
   */
  async copy(volume: Volume, path: string, target: FileHandle, limitBytes: number): Promise<number> {
    let bytes = 0;
    const output = new Writable({
      write(part: Buffer, _encoding, done): void {
        bytes += part.length;
        // Writes all of it where the last write ended.
        target.writeFile(part).then(() => done(), done);
      },
    });
    const args = catArguments(volume, path, limitBytes);
    const result = await this.#run(args, { output, outputLimitBytes: limitBytes + 1 });
    if (isAbsent(result)) {
      throw new AgentError(
        'NO_SUCH_FILE',
        `read ${path} of ${this.image}: the image has no such file (looked in ${volume.device}); the guest's menu must name one that is there`,
      );
    }
    this.#check(result, path);
    if (bytes > limitBytes) throw this.#tooLarge(path, limitBytes);
    return bytes;
  }

  #tooLarge(path: string, limitBytes: number): AgentError {
    return new AgentError(
      'NOT_SUPPORTED',
      `read ${path} of ${this.image}: it is larger than ${limitBytes} bytes; a smaller file is needed`,
    );
  }

  #check({ exitCode, stderr }: CommandResult, path: string): void {
    if (exitCode === 0) return;
    const said = saidBy(stderr) || `the reader ended with ${exitCode}`;
    throw new AgentError(
      'NOT_SUPPORTED',
      `read ${path} of ${this.image}: ${said}; if its file system is damaged, it must be repaired`,
    );
  }

  async #run(
    args: readonly string[],
    options: { readonly outputLimitBytes: number; readonly output?: Writable },
  ): Promise<CommandResult> {
    const { clock, sandboxProgram, readerProgram = 'grub-fstest' } = this.#parts;
    const timeoutMs = this.#deadline - clock.monotonic();
    const late = (cause?: unknown): AgentError =>
      new AgentError(
        'TIMEOUT',
        `read ${this.image}: it took longer than ${this.#timeoutMs} ms; the image may be damaged`,
        {
          cause,
        },
      );
    if (timeoutMs <= 0) throw late();
    const sandboxed = {
      ...{ file: this.image, timeoutMs, clock, debianPackage: 'grub-common', ...options },
      ...(sandboxProgram && { sandboxProgram }),
    };
    try {
      return await runSandboxed(readerProgram, args, sandboxed);
    } catch (error) {
      throw error instanceof AgentError && error.code === 'TIMEOUT' ? late(error) : error;
    }
  }
}

/** `path` is absolute, so the device is ours: GRUB takes the first brackets for it. */
const place = ({ device }: Volume, path: string): string => `(${device})${path}`;

/** One byte more than is allowed tells a file that is too large. */
function catArguments(volume: Volume, path: string, limitBytes: number): string[] {
  return ['-n', String(limitBytes + 1), '--', SANDBOXED_FILE, 'cat', place(volume, path)];
}

const isAbsent = ({ exitCode, stderr }: CommandResult): boolean => exitCode !== 0 && /\bnot found\.\s*$/.test(stderr);

const saidBy = (stderr: string): string =>
  plainText(stderr.replace(/^grub-fstest: (?:error: )?/, '').replace(/\.\s*$/, ''));

/** Number of the primary partition that the disk's first sector marks active, from 1. */
async function activePartition(image: string): Promise<number | undefined> {
  const sector = Buffer.alloc(SECTOR_BYTES);
  const file = await open(image, 'r').catch((cause: unknown) => {
    throw new AgentError('NO_SUCH_FILE', `read ${image}: it cannot be opened; a disk image is needed`, { cause });
  });
  try {
    await file.read(sector, 0, SECTOR_BYTES, 0);
  } finally {
    await file.close();
  }
  if (sector.readUInt16LE(SIGNATURE_OFFSET) !== SIGNATURE) return undefined;
  const active = [0, 1, 2, 3].find(index => sector[FIRST_PARTITION_OFFSET + 16 * index] === ACTIVE);
  return active === undefined ? undefined : active + 1;
}

const SIGNATURE_OFFSET = 510;
const SIGNATURE = 0xaa55;
const FIRST_PARTITION_OFFSET = 446;
const ACTIVE = 0x80;
