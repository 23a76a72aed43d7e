#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { getRecord, openStore } from './guest-key.ts';
import { callAgentOrActAlone } from './local-agent.ts';
import { askOnce } from './prompter.ts';
import { newProgram, runProgram, withRoot } from './program.ts';

const DELETE_MS = 600_000;

const program = withRoot(
  newProgram(
    'db_del',
    "Remove a record from the agent's database. With a guest's record the guest itself is removed, all its files.",
  ),
)
  .argument('<database>', 'name of the database, such as vm')
  .argument('<key>', "key of the record: a guest's name or its whole path")
  .option('--yes', 'do not ask')
  .action(run);

await runProgram(program);

interface Options {
  readonly root: string;
  readonly yes?: boolean;
}

async function run(database: string, name: string, options: Options): Promise<void> {
  const paths = new AgentPaths(options.root);
  const store = openStore(paths);
  try {
    const { key } = getRecord(store, database, name);
    const what = database === 'vm' ? `guest ${key} and all its files` : `${database} ${key}`;
    if (process.stdin.isTTY && !options.yes && (await askOnce(`Remove ${what}? [y/N] `)) !== 'y') {
      throw new AgentError('DENIED', `${what}: nothing was removed`);
    }
    if (database === 'vm') await callAgentOrActAlone(paths, 'delete_vm', [key], DELETE_MS);
    else await store.delete(database, key);
    process.stdout.write(`${what}: removed\n`);
  } finally {
    await store.close();
  }
}
