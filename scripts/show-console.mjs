// Prints what a guest says on its console until a line holds the given text.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const [guest, text] = process.argv.slice(2);
const console_ = spawn(process.execPath, ['dist/utils/ovs-agent.js', 'console', guest, '--read-only'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
let isThere = false;
const late = setTimeout(() => console_.kill(), 60_000);
createInterface({ input: console_.stdout }).on('line', line => {
  if (isThere) return;
  console.log(`  ${line.replace(/[^\x20-\x7e]/g, '')}`);
  isThere = line.includes(text);
  if (isThere) console_.kill();
});
console_.on('close', () => {
  clearTimeout(late);
  if (isThere) return;
  console.error(`"${text}" did not come within 60 s`);
  process.exitCode = 1;
});
