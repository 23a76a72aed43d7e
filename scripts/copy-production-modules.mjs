// Copies the packages that the agent needs at run time, and only those, out of node_modules: no download, no compiler.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const target = process.argv[2];
if (!target) {
  console.error('usage: copy-production-modules.mjs DIRECTORY');
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
/**
 * Sources and intermediate files of the compiled module, which are 10 MB that only a compiler wants, and what packages hold for
 * their own development: types, tests, and once even a private key.
 */
const unwanted = [
  /better-sqlite3\/(?:deps|src|build\/(?!Release\/better_sqlite3\.node$|Release$))/,
  /node_modules\/(?:@[^/]+\/)?[^/]+\/(?:\.\w+|tests?|benchmarks?|bench|examples?|tmp|docs|coverage|types)(?:\/|$)/,
  /\.(?:[cm]?ts|map|key|pem)$/,
];
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [place, { dev, devOptional }] of Object.entries(packages)) {
  const isTopLevel = place.lastIndexOf('node_modules/') === 0;
  // A package for another platform is in the lock file and not on the disk.
  if (!isTopLevel || dev || devOptional || !existsSync(join(root, place))) continue;
  cpSync(join(root, place), join(target, place.slice('node_modules/'.length)), {
    recursive: true,
    filter: source => !unwanted.some(pattern => pattern.test(source)),
  });
}
