import { messageOf } from '../errors.ts';
import {
  parseRepositoryId,
  parseRepositorySource,
  type RepositoryId,
  type RepositorySource,
  sourceText,
} from './repository.ts';

/** A line of /etc/ovs/repositories. */
export interface ListedRepository {
  readonly id: RepositoryId;
  readonly source: RepositorySource;
}

/** A line that cannot be used. */
export interface ListProblem {
  readonly line: number;
  readonly reason: string;
}

export interface RepositoryList {
  /** In the order of the file: the first is the default one. */
  readonly entries: readonly ListedRepository[];
  readonly problems: readonly ListProblem[];
}

/** The original marked some of its lines so; it means nothing here. */
const MARK = /^@/;

/** Reads /etc/ovs/repositories: `uuid source` in each line, blank lines and `#` comments between. */
export function parseRepositoryList(text: string): RepositoryList {
  const entries: ListedRepository[] = [];
  const problems: ListProblem[] = [];
  for (const { line, rest, word } of wordsOf(text)) {
    try {
      const entry = { id: parseRepositoryId(word.replace(MARK, '')), source: parseRepositorySource(rest) };
      const earlier = entries.find(
        other => other.id === entry.id || sourceText(other.source) === sourceText(entry.source),
      );
      if (earlier) throw new Error(`its uuid or its source stands in an earlier line`);
      entries.push(entry);
    } catch (error) {
      problems.push({ line, reason: messageOf(error) });
    }
  }
  return { entries, problems };
}

/** The text with one repository more; as the default one it stands before all others. */
export function withRepository(text: string, { id, source }: ListedRepository, isDefault: boolean): string {
  const line = `${id} ${sourceText(source)}`;
  const lines = linesOf(text);
  if (!isDefault) return [...lines, line, ''].join('\n');
  const first = lines.findIndex(other => isEntry(other));
  return [...(first < 0 ? [...lines, line] : lines.toSpliced(first, 0, line)), ''].join('\n');
}

/** The text without one repository; everything else stays as it is. */
export function withoutRepository(text: string, id: RepositoryId): string {
  const kept = linesOf(text).filter(line => !isEntry(line) || idOf(line) !== id);
  return kept.length === 0 ? '' : `${kept.join('\n')}\n`;
}

/** Reads /etc/ovs/repositories.options: `uuid options`, where the options go to the end of the line. */
export function parseRepositoryOptions(text: string): ReadonlyMap<RepositoryId, string> {
  const options = new Map<RepositoryId, string>();
  for (const { rest, word } of wordsOf(text)) {
    const id = tryId(word);
    if (id !== undefined) options.set(id, rest);
  }
  return options;
}

function* wordsOf(text: string): Generator<{ readonly line: number; readonly word: string; readonly rest: string }> {
  for (const [index, line] of linesOf(text).entries()) {
    if (!isEntry(line)) continue;
    const [, word = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    yield { line: index + 1, word, rest };
  }
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function isEntry(line: string): boolean {
  return /^\s*[^\s#]/.test(line);
}

function idOf(line: string): RepositoryId | undefined {
  return tryId(line.trim().split(/\s/, 1)[0] ?? '');
}

function tryId(word: string): RepositoryId | undefined {
  try {
    return parseRepositoryId(word.replace(MARK, ''));
  } catch {
    return undefined;
  }
}
