import type { Assignment, Statement } from './syntax-tree.ts';
import { blocksOf, type TextEdit, type WrittenFile } from './written-file.ts';

/**
 * The edits that take statements out of a file. A line that is left empty goes with the comment that ends it; a block
 * that is left empty gets a `pass`.
 */
export function withoutStatements(file: WrittenFile, gone: ReadonlySet<Statement>): TextEdit[] {
  return withoutStatementsOf(file, file.statements, gone, false);
}

/** The edits that leave an assignment without one of its names, `a = b = 1` without `a`; it keeps another one. */
export function withoutTarget(file: WrittenFile, { targets }: Assignment, name: string): TextEdit[] {
  return targets
    .filter(target => target.name === name)
    .map(({ end, start }) => {
      const sign = file.tokenFrom(end);
      return { start, end: file.tokenFrom(sign.end).start, text: '' };
    });
}

function withoutStatementsOf(
  file: WrittenFile,
  statements: readonly Statement[],
  gone: ReadonlySet<Statement>,
  isBody: boolean,
): TextEdit[] {
  const isEmptied = isBody && statements.every(statement => gone.has(statement));
  return linesOf(file, statements).flatMap((line, index) => {
    const first = line[0]!;
    const last = line.at(-1)!;
    if (first.kind === 'if') return blocksOf(first).flatMap(block => withoutStatementsOf(file, block, gone, true));
    if (!line.every(statement => gone.has(statement))) return withoutPartsOf(line, gone);
    if (isEmptied && index === 0) return [{ start: first.start, end: last.end, text: 'pass' }];
    return [{ start: file.lineStart(first.start), end: file.afterLineEnd(lineEndOf(file, last)), text: '' }];
  });
}

/** The statements of each line; an `if` with its blocks counts as one. */
function linesOf(file: WrittenFile, statements: readonly Statement[]): Statement[][] {
  const lines: Statement[][] = [];
  for (const statement of statements) {
    const line = lines.at(-1);
    const before = line?.at(-1);
    if (line && before && before.kind !== 'if' && isBehind(file, before, statement)) line.push(statement);
    else lines.push([statement]);
  }
  return lines;
}

/** Whether there is only a semicolon between the two. */
function isBehind(file: WrittenFile, before: Statement, { start }: Statement): boolean {
  const sign = file.tokenFrom(before.end);
  return sign.text === ';' && file.tokenFrom(sign.end).start === start;
}

function lineEndOf(file: WrittenFile, last: Statement): number {
  const token = file.tokenFrom(last.end);
  return token.text === ';' ? file.tokenFrom(token.end).start : token.start;
}

/** Each statement that goes takes one semicolon with it. */
function withoutPartsOf(line: readonly Statement[], gone: ReadonlySet<Statement>): TextEdit[] {
  return line.flatMap((statement, index) => {
    if (!gone.has(statement)) return [];
    if (line.slice(index).some(later => !gone.has(later)))
      return [{ start: statement.start, end: line[index + 1]!.start, text: '' }];
    return [{ start: line[index - 1]!.end, end: statement.end, text: '' }];
  });
}
