import { quote } from '../../model/guest-path.ts';

/** A file of the guest after its conversion. */
export interface Rewritten {
  readonly text: string;
  /** What is left to be done in the guest, in sentences: what could not be decided from outside. */
  readonly left: readonly string[];
}

/** Changes a text line by line; every line keeps its end. */
export function mapLines(text: string, change: (line: string, index: number) => string): string {
  return text
    .split('\n')
    .map((line, index) => (line.endsWith('\r') ? `${change(line.slice(0, -1), index)}\r` : change(line, index)))
    .join('\n');
}

/** A text with a line more at its end. */
export function withLine(text: string, line: string): string {
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

export function unknownDisk(path: string, name: string): string {
  return `${path} names ${quote(name)}, which is no disk of the guest file: write the name of the right disk, or remove it`;
}

export function hardwareName(path: string, name: string): string {
  return `${path} names ${quote(name)}, which the paravirtual disk does not have: write its LABEL=, UUID= or /dev/xvd name`;
}
