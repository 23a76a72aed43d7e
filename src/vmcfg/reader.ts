import { evaluate } from './evaluate.ts';
import type { GuestFile, HostFacts } from './guest-file.ts';
import { type ReaderLimits, standardLimits } from './limits.ts';
import { parseStatements } from './parser.ts';
import { SourceText } from './source-text.ts';

export type { ConfigEntry, GuestFile, HostFacts } from './guest-file.ts';
export type { ReaderLimits } from './limits.ts';
export { GuestFileError } from './source-text.ts';
export type { ConfigValue } from './values.ts';

/**
 * UTF-8, and Latin-1 where it is not: files of the original's time are either. Byte-order mark and line ends stay, so
 * that offsets in the text lead back to the bytes.
 */
export function decodeGuestFile(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not by TextDecoder, whose latin1 is Windows-1252.
    return Buffer.from(bytes).toString('latin1');
  }
}

/**
 * Reads a guest file (vm.cfg). To the original it was a program in Python 2, which it ran. Here it is read and never
 * run: what guest files use of Python is understood, and everything else is an error.
 * @param facts answers `os.uname()`
 * @throws GuestFileError with line and column of the first thing that is not understood
 */
export function parseGuestFile(text: string, facts: HostFacts, limits: ReaderLimits = standardLimits): GuestFile {
  const source = new SourceText(text);
  return evaluate(source, parseStatements(source, limits), facts, limits);
}
