#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { openStore } from './guest-key.ts';
import { newProgram, printJson, runProgram, withRoot } from './program.ts';

const program = withRoot(newProgram('db_dump', "Show the records of the agent's database."))
  .argument('[database]', 'name of the database, such as vm; all of them when left out')
  .option('--json', 'print JSON')
  .action(run);

await runProgram(program);

async function run(
  wanted: string | undefined,
  options: { readonly root: string; readonly json?: boolean },
): Promise<void> {
  const store = openStore(new AgentPaths(options.root));
  try {
    const databases = store.databases();
    if (wanted !== undefined && wanted !== 'vm' && !databases.includes(wanted)) {
      throw new AgentError(
        'NO_SUCH_RECORD',
        `database ${wanted}: there is none of that name; there are ${databases.join(', ') || 'none'}`,
      );
    }
    const shown = wanted === undefined ? databases : [wanted];
    if (options.json) {
      printJson(
        Object.fromEntries(
          shown.map(name => [name, Object.fromEntries(store.list(name).map(({ key, fields }) => [key, fields]))]),
        ),
      );
      return;
    }
    for (const database of shown) {
      for (const { key, fields } of store.list(database)) {
        process.stdout.write(`${database} ${key}\n`);
        for (const [field, value] of Object.entries(fields)) process.stdout.write(`  ${field}=>${value}\n`);
      }
    }
  } finally {
    await store.close();
  }
}
