#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { callAgentOrActAlone } from './local-agent.ts';
import { newProgram, runProgram, withRoot } from './program.ts';

const OFFLINE_MS = 300_000;

const program = withRoot(
  newProgram('ovs-offlinerepo', 'Unmount a storage repository that no guest and no work needs. Its files stay.'),
)
  .argument('<uuid>', 'uuid of the repository, as "ovsrepositories status" shows it')
  .argument('<source>', 'its source, as shown there')
  .option('-d', 'also take it from the list, so that it is not mounted again at the next start')
  .action(run);

await runProgram(program);

interface Options {
  readonly root: string;
  readonly d?: boolean;
}

async function run(uuid: string, source: string, { d: isForgotten, root }: Options): Promise<void> {
  const forget = isForgotten ? ['true'] : [];
  await callAgentOrActAlone(new AgentPaths(root), 'offline_repository', [uuid, source, ...forget], OFFLINE_MS);
  process.stdout.write(`${source}: offline${isForgotten ? ', and no longer in the list' : ' until the next start'}\n`);
}
