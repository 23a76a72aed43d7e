import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** Bytes of an image that a stranger made: what it says of itself is believed nowhere. */
export class ImageBytes {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  /** @throws AgentError NO_SUCH_FILE, NOT_SUPPORTED when it is no plain file */
  static async read<T>(file: string, use: (bytes: ImageBytes) => Promise<T>): Promise<T> {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      (cause: unknown) => {
        throw new AgentError('NO_SUCH_FILE', `read ${quote(file)}: it cannot be opened; a disk image is needed`, {
          cause,
        });
      },
    );
    try {
      const stats = await handle.stat();
      if (!stats.isFile())
        throw new AgentError('NOT_SUPPORTED', `read ${quote(file)}: it is no plain file; a disk image is needed`);
      return await use(new ImageBytes(handle, stats.size));
    } finally {
      await handle.close();
    }
  }

  /** A piece of that length; what lies beyond the end is zeros. */
  async piece(offset: number, lengthBytes: number): Promise<Buffer> {
    const bytes = Buffer.alloc(lengthBytes);
    if (offset < 0 || offset >= this.sizeBytes) return bytes;
    await this.#handle.read(bytes, 0, lengthBytes, offset);
    return bytes;
  }

  /** A number of 8 bytes, and 2^53 for all that are larger: no image is. */
  static toNumber(value: bigint): number {
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }
}
