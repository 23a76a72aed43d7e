// Writes the manual pages: what each program's --help says, and what the shipped agent.ini says of its settings.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const [target, date] = process.argv.slice(2);
if (!target || !/^\d{4}-\d\d-\d\d$/.test(date ?? '')) {
  console.error('usage: man-pages.mjs DIRECTORY YYYY-MM-DD');
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const { bin, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const helpOf = (file, ...words) =>
  execFileSync(process.execPath, [join(root, file), ...words, '--help'], {
    encoding: 'utf8',
    // As wide as a manual page is.
    env: { ...process.env, COLUMNS: '76', NO_COLOR: '1' },
  });

/** Text as roff shows it: nothing in it is a request or an escape (groff(7)). */
const plain = text =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
const asIs = text => `.nf\n${plain(text.trimEnd())}\n.fi\n`;
const page = (name, section, summary, body) =>
  `.TH ${plain(name.toUpperCase())} ${section} ${date} "ovs\\-agent ${version}" "ovs\\-agent"\n` +
  `.SH NAME\n${plain(name)} \\- ${plain(summary)}\n${body}`;

/** The commands that a help text lists, but for the one that shows help. */
function commandsIn(help) {
  const [, list = ''] = /^Commands:\n((?: {2}.*\n?)+)/m.exec(help) ?? [];
  return [...list.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(match => match[1]).filter(name => name !== 'help');
}

/** The first sentence that stands for itself, after the usage. */
function summaryOf(help) {
  const [, text = ''] = /^Usage:[^\n]*(?:\n {2,}[^\n]*)*\n\n([\s\S]*?)\n\n/.exec(help) ?? [];
  const summary = text.replace(/\s+/g, ' ').trim();
  if (summary === '' || /^(?:Arguments|Options|Commands):/.test(summary)) throw new Error(`no summary in:\n${help}`);
  return summary;
}

function programPage(name, file) {
  const help = helpOf(file);
  const commands = commandsIn(help).map(command => `.SS ${plain(command)}\n${asIs(helpOf(file, command))}`);
  return page(
    name,
    8,
    summaryOf(help),
    `.SH DESCRIPTION\n${asIs(help)}${commands.length > 0 ? `.SH COMMANDS\n${commands.join('')}` : ''}` +
      '.SH EXIT STATUS\n0 done, 1 failed with the reason on standard error, 2 wrong usage.\n' +
      '.SH FILES\n.I /etc/ovs\\-agent/agent.ini\n.SH SEE ALSO\n.BR agent.ini (5)\n',
  );
}

function write(name, section, text) {
  const directory = join(target, `man${section}`);
  mkdirSync(directory, { recursive: true });
  // Without a time, so that the same sources give the same package.
  writeFileSync(join(directory, `${name}.${section}.gz`), gzipSync(text, { level: 9 }));
}

for (const [name, file] of Object.entries(bin)) write(name, 8, programPage(name, file));
const settings = join(root, 'etc/agent.ini');
write(
  basename(settings),
  5,
  page(
    'agent.ini',
    5,
    'settings of ovs-agent',
    `.SH DESCRIPTION\n${asIs(readFileSync(settings, 'utf8'))}.SH SEE ALSO\n.BR ovs\\-agent (8)\n`,
  ),
);
