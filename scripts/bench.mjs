// Builds the product and the benchmarks, and runs them: all, or those that are named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const output = `${root}/var/bench`;

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('scripts/build.mjs');
rmSync(output, { recursive: true, force: true });
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.bench.json');
mkdirSync(`${output}/var`, { recursive: true });
// The compiled tests look for the product, its packages and the demo guest where their sources would.
for (const name of ['package.json', 'dist', 'node_modules', 'var/demo-guest'])
  symlinkSync(`${root}/${name}`, `${output}/${name}`);
run(`${output}/test/bench/main.js`, `${root}/var/bench/report.md`, ...process.argv.slice(2));
