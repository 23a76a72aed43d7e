#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { askLocalAgent, callAgentOrActAlone } from './local-agent.ts';
import { EXIT, newProgram, printJson, runProgram, withRoot } from './program.ts';

const MOUNT_MS = 600_000;

interface Options {
  readonly root: string;
  readonly json?: boolean;
}

/** What list_repositories says of one. */
interface Row {
  readonly uuid: string;
  readonly source: string;
  readonly description: string;
  readonly default: boolean;
  readonly state: string;
  readonly reason?: string;
  readonly mount_point: string;
  readonly type?: string;
  readonly size_mib?: number;
  readonly free_mib?: number;
}

const program = newProgram(
  'ovsrepositories',
  'Mount and unmount the storage repositories of this server, or show them.',
);

function command(name: string, description: string, act: (paths: AgentPaths, options: Options) => Promise<void>): void {
  const added = withRoot(program.command(name).description(description).helpOption('--help', 'show this text'));
  if (name === 'status') added.option('--json', 'print a JSON document');
  added.action((options: Options) => act(new AgentPaths(options.root), options));
}

command('start', 'mount all repositories of /etc/ovs/repositories', mountAll);
command('stop', 'take all offline that no guest and no work needs', unmountAll);
command('restart', 'take them offline and mount them again', async paths => {
  await unmountAll(paths);
  await mountAll(paths);
});
command('reload', 'mount those that were added to /etc/ovs/repositories; the others stay as they are', mountAll);
command('status', 'show all repositories; exit code 3 when one is not mounted', showStatus);

await runProgram(program);

async function mountAll(paths: AgentPaths): Promise<void> {
  await callAgentOrActAlone(paths, 'mount_repositories', [], MOUNT_MS);
}

async function unmountAll(paths: AgentPaths): Promise<void> {
  await callAgentOrActAlone(paths, 'unmount_repositories', [], MOUNT_MS);
}

async function showStatus(paths: AgentPaths, { json }: Options): Promise<void> {
  const rows = await rowsOf(paths);
  if (json) printJson(rows);
  else if (rows.length === 0) process.stdout.write('there is no repository; ovs-makerepo makes one\n');
  for (const row of json ? [] : rows) {
    const { default: isDefault, description, mount_point: place, source, uuid } = row;
    process.stdout.write(
      `[${isDefault ? ' * ' : '   '}] ${uuid || '-'} => ${source}\n` +
        `      ${describe(row)}, ${place}${description === '' ? '' : `, "${description}"`}\n`,
    );
  }
  if (rows.some(({ state }) => state !== 'mounted')) process.exitCode = EXIT.notRunning;
}

/** Asked of an agent that runs: to do it in one's stead would mount them first. */
async function rowsOf(paths: AgentPaths): Promise<readonly Row[]> {
  return (await askLocalAgent(paths, 'list_repositories', [])) as readonly Row[];
}

function describe({ free_mib: free, reason, size_mib: size, state, type }: Row): string {
  const space = free === undefined || size === undefined ? '' : `, ${free} MiB of ${size} MiB free`;
  return `${state}${type === undefined ? '' : ` (${type})`}${space}${reason === undefined ? '' : `: ${reason}`}`;
}
