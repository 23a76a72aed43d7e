import { truncateSync, writeFileSync } from 'node:fs';

/** A raw image that holds nothing. */
export function makeImage(file: string, bytes = 1 << 20): string {
  writeFileSync(file, '');
  truncateSync(file, bytes);
  return file;
}
