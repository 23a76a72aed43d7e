import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory of its own, with a short path because sockets lie in it. The caller removes it. */
export function makeTemporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'oa-'));
}

/** The same for one test, removed at its end. */
export function temporaryDirectory(): string {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
