// Compiles src/ and utils/ to dist/, and makes the programs that package.json names executable. A build that fails
// leaves the last one in place.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const fresh = `${root}/dist.new`;
rmSync(fresh, { recursive: true, force: true });
const compiler = `${root}/node_modules/typescript/bin/tsc`;
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) {
  rmSync(fresh, { recursive: true, force: true });
  process.exit(status ?? 1);
}
rmSync(`${root}/dist`, { recursive: true, force: true });
renameSync(fresh, `${root}/dist`);
const { bin } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
for (const program of Object.values(bin)) chmodSync(`${root}/${program}`, 0o755);
