// Prints what a guest says on its serial console until a line holds the given text.
import { createConnection } from 'node:net';

const [path, text] = process.argv.slice(2);
const socket = createConnection({ path });
const late = setTimeout(() => {
  console.error(`"${text}" did not come within 60 s`);
  process.exit(1);
}, 60_000);
let seen = '';
socket.setEncoding('utf8');
socket.on('data', data => {
  seen += data;
  const lines = seen.split('\n');
  seen = lines.pop();
  for (const line of lines) {
    console.log(`  ${line.replace(/[^\x20-\x7e]/g, '')}`);
    if (line.includes(text)) {
      clearTimeout(late);
      socket.destroy();
    }
  }
});
socket.on('error', error => {
  console.error(`the console cannot be read: ${error.message}`);
  process.exit(1);
});
