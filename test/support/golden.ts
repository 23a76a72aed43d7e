import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/**
 * Compares a text with a file of the repository. `npm run golden` writes the file anew; its change is then reviewed.
 * @param path below the root of the repository
 */
export function expectGolden(path: string, text: string): void {
  const file = resolve(root, path);
  if (process.env['UPDATE_GOLDEN']) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, 'utf8'));
}
