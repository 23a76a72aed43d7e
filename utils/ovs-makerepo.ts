#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { parseDescription, parseShared } from '../src/model/repository-stamp.ts';
import { parseRepositorySource, sourceText } from '../src/model/repository.ts';
import { callAgentOrActAlone } from './local-agent.ts';
import { newProgram, printJson, runProgram, withRoot } from './program.ts';

/** A large file system may have to be checked before it is mounted. */
const MAKE_MS = 600_000;

const program = withRoot(
  newProgram(
    'ovs-makerepo',
    'Make a storage repository of a file system and mount it, now and at each start. What is one already keeps its uuid and its files.',
  ),
)
  .argument('<source>', 'block device with a file system, directory of this server, or host:/path of an NFS server')
  .argument('<shared>', '0: for this server, 1: for several servers, C: for several, and the default one here (/OVS)')
  .argument('<description>', 'what people call it, one line')
  .option('-o, --options <options>', 'mount options, such as vers=4,hard', '')
  .option('--json', 'print a JSON document')
  .action(run);

await runProgram(program);

interface Options {
  readonly root: string;
  readonly options: string;
  readonly json?: boolean;
}

async function run(source: string, shared: string, description: string, options: Options): Promise<void> {
  // Refused before the agent is asked, with the same words.
  const text = sourceText(parseRepositorySource(source));
  parseShared(shared);
  parseDescription(description);
  if (!options.json) process.stdout.write(`Initializing NEW repository ${text}\n`);
  const more = options.options === '' ? [] : [options.options];
  const paths = new AgentPaths(options.root);
  const reply = String(
    await callAgentOrActAlone(paths, 'make_repository', [text, shared, description, ...more], MAKE_MS),
  );
  const [, uuid = '', place = ''] = /^success:uuid=([^;]*);mount_point=(.*)$/.exec(reply) ?? [];
  if (options.json) {
    printJson({ uuid, mount_point: place, source: text });
    return;
  }
  process.stdout.write(`SUCCESS: Mounted ${place}\nUpdating local repository list.\novs-makerepo complete\n`);
}
