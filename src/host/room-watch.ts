import { statfs } from 'node:fs/promises';
import type { Clock } from './clock.ts';

/** Looks after the room of a file system while something large is written there. */
export interface RoomWatch {
  /** Aborted when the work is given up, or when less room is left than is to stay. */
  readonly signal: AbortSignal;
  /** Whether the room was used up. */
  isFull(): boolean;
  stop(): void;
}

const LOOK_MS = 500;

/**
 * @param directory in the file system, as it lies on the disk
 * @param reserveBytes what is to stay free for others
 * @param signal gives the work up
 */
export function watchRoom(
  directory: string,
  reserveBytes: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): RoomWatch {
  const full = new AbortController();
  const looking = clock.every(LOOK_MS, () => {
    // A disk that does not answer is somebody else's matter.
    void statfs(directory).then(
      ({ bavail, bsize }) => {
        if (bavail * bsize < reserveBytes) full.abort();
      },
      () => undefined,
    );
  });
  return {
    signal: AbortSignal.any([signal, full.signal]),
    isFull: () => full.signal.aborted,
    stop: () => looking.cancel(),
  };
}
