#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { guestStatuses } from '../src/model/guest-state.ts';
import type { Fields, FieldValue } from '../src/store/store.ts';
import { getRecord, openStore } from './guest-key.ts';
import { newProgram, printJson, runProgram, withRoot } from './program.ts';

const program = withRoot(newProgram('db_kfv', "Show or change one field of a record in the agent's database."))
  .argument('<database>', 'name of the database, such as vm')
  .argument('<key>', "key of the record: a guest's name or its whole path")
  .argument('<field>', 'name of the field, such as status')
  .argument('[value]', 'new value of the field')
  .option('--json', 'print JSON')
  .action(run);

await runProgram(program);

interface Options {
  readonly root: string;
  readonly json?: boolean;
}

async function run(
  database: string,
  name: string,
  field: string,
  value: string | undefined,
  options: Options,
): Promise<void> {
  const store = openStore(new AgentPaths(options.root));
  try {
    const { key, fields } = getRecord(store, database, name);
    const old = fields[field];
    const lines: string[] = [];
    if (value === undefined) {
      if (old === undefined) throw noSuchField(database, key, field, fields);
    } else {
      const changed = newValue(database, field, old, value);
      await store.merge(database, key, { [field]: changed });
      lines.push(`${key}  ${field}(old)=>${old ?? ''}`);
    }
    const now = store.find(database, key)?.[field] ?? '';
    lines.push(`${key}  ${field}(now)=>${now}`);
    if (options.json) printJson({ key, field, ...(value === undefined ? {} : { old: old ?? null }), now });
    else process.stdout.write(lines.map(line => `${line}\n`).join(''));
  } finally {
    await store.close();
  }
}

function noSuchField(database: string, key: string, field: string, fields: Fields): AgentError {
  return new AgentError(
    'NO_SUCH_RECORD',
    `${database} ${key}: it has no field ${field}; it has ${Object.keys(fields).join(', ')}`,
  );
}

/** A field keeps its type, and a guest's status stays one that the agent knows: other readers rely on both. */
function newValue(database: string, field: string, old: FieldValue | undefined, text: string): FieldValue {
  if (database === 'vm' && field === 'status' && !guestStatuses.some(status => status === text)) {
    throw new AgentError('BAD_VALUE', `status ${text}: it is not one of ${guestStatuses.join(', ')}`);
  }
  if (typeof old === 'number') {
    const number = Number(text);
    if (text.trim() === '' || !Number.isFinite(number))
      throw new AgentError('BAD_VALUE', `${field} ${text}: it must be a number`);
    return number;
  }
  if (typeof old === 'boolean') {
    if (text !== 'true' && text !== 'false')
      throw new AgentError('BAD_VALUE', `${field} ${text}: it must be true or false`);
    return text === 'true';
  }
  return text;
}
