import { hostileCompression } from './hostile-compression.ts';
import { hostileContents } from './hostile-contents.ts';
import { hostileHeaders } from './hostile-headers.ts';
import { hostileNames } from './hostile-names.ts';

/** An archive that has to be refused. */
export interface HostileArchive {
  readonly what: string;
  /** Its bytes, made anew each time. */
  readonly bytes: () => Buffer | Iterable<Buffer>;
}

/** What the hostile archives are unpacked with. */
export const HOSTILE_LIMITS = {
  entries: 1000,
  fileBytes: 64 * 2 ** 20,
  totalBytes: 96 * 2 ** 20,
  storedBytes: 80 * 2 ** 20,
} as const;

export const hostileArchives: readonly HostileArchive[] = [
  ...hostileNames,
  ...hostileHeaders,
  ...hostileContents,
  ...hostileCompression,
];
