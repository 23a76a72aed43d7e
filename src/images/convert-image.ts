import { posix } from 'node:path';
import { Writable } from 'node:stream';
import { AgentError } from '../errors.ts';
import type { Clock } from '../host/clock.ts';
import { watchRoom } from '../host/room-watch.ts';
import { runSandboxed, SANDBOXED_FILE, SANDBOXED_TARGET } from '../host/sandbox.ts';
import { quote } from '../model/guest-path.ts';
import type { ForeignImage } from './foreign-image.ts';

export interface ConvertOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Bytes that are left to others in the file system of the target. */
  readonly reserveBytes: number;
  /** Takes the share that is done, 0 to 1. */
  readonly onProgress: (share: number) => void;
}

/** QEMU has a pool of 64 threads. */
const PROCESSES = 128;
const ADDRESS_SPACE_BYTES = 2 ** 30;
const OUTPUT_BYTES = 2 ** 20;

/**
 * Writes the disk of an image into a raw one, by qemu-img in the sandbox. Where it has zeros the raw image keeps its holes.
 * @param target a file that is one hole, as large as the disk
 * @throws AgentError BAD_VALUE when qemu-img finds it damaged, NO_RESOURCES before the disk is full, TIMEOUT, CANCELLED, HOST
 */
export async function convertImage(
  source: string,
  { format, virtualBytes }: ForeignImage,
  target: string,
  { clock, onProgress, reserveBytes, signal, timeoutMs }: ConvertOptions,
): Promise<void> {
  const room = watchRoom(posix.dirname(target), reserveBytes, { clock, signal });
  const args = ['convert', '-p', '-n', '--target-is-zero', '-S', '4k', '-f', format, '-O', 'raw'];
  try {
    const { exitCode, stderr } = await runSandboxed('qemu-img', [...args, SANDBOXED_FILE, SANDBOXED_TARGET], {
      clock,
      timeoutMs,
      signal: room.signal,
      file: source,
      target: { path: target, fileLimitBytes: virtualBytes },
      processes: PROCESSES,
      addressSpaceBytes: ADDRESS_SPACE_BYTES,
      output: progressReader(onProgress),
      outputLimitBytes: OUTPUT_BYTES,
      debianPackage: 'qemu-utils',
    });
    if (exitCode === 0) return;
    if (!stderr.includes('No space left'))
      throw new AgentError(
        'BAD_VALUE',
        `import a ${format} image: qemu-img cannot read it: ${quote(stderr.trim().slice(0, 300))}; an undamaged one is needed`,
      );
  } catch (error) {
    if (!room.isFull()) throw error;
  } finally {
    room.stop();
  }
  throw new AgentError(
    'NO_RESOURCES',
    `import an image into ${quote(posix.dirname(target))}: there is no more space; make room`,
  );
}

/** Reads `(12.50/100%)` of `qemu-img -p`. */
function progressReader(onProgress: (share: number) => void): Writable {
  return new Writable({
    write(piece: Buffer, _encoding, done) {
      const told = [...piece.toString('latin1').matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
      if (told !== undefined) onProgress(Math.min(1, Number(told) / 100));
      done();
    },
  });
}
