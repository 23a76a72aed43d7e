import type { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { makePrivateDirectory } from '../src/host/atomic-file.ts';
import { accessLevels } from '../src/rpc/call.ts';
import { setPassword } from '../src/wire/credential-file.ts';
import { dirname } from 'node:path';
import { Prompter } from './prompter.ts';

/** Sets a user's password; a running agent sees the changed file at once. */
export async function changePassword(
  paths: AgentPaths,
  user: string,
  role: string | undefined,
  fromInput: boolean,
): Promise<void> {
  const access = role === undefined ? undefined : accessLevels.find(level => level === role);
  if (role !== undefined && access === undefined) {
    throw new AgentError('BAD_VALUE', `--role ${role}: it must be one of ${accessLevels.join(', ')}`);
  }
  const prompter = new Prompter();
  try {
    const password = fromInput ? await passwordFromInput(prompter) : await askForNewPassword(prompter);
    makePrivateDirectory(dirname(paths.passwordFile));
    await setPassword(paths.passwordFile, user, password, access);
    process.stdout.write(`the password of ${user} is set\n`);
  } finally {
    prompter.close();
  }
}

/** The first line of the standard input. */
export async function passwordFromInput(prompter: Prompter): Promise<string> {
  const line = await prompter.askHidden('');
  if (line === undefined) throw new AgentError('BAD_VALUE', 'the standard input holds no password');
  return line;
}

/** Asks twice, so that nobody is locked out by a slip of the fingers. */
export async function askForNewPassword(prompter: Prompter): Promise<string> {
  for (;;) {
    const first = await prompter.askHidden('new password: ');
    const second = first === undefined ? undefined : await prompter.askHidden('new password again: ');
    if (first === undefined || second === undefined)
      throw new AgentError('BAD_VALUE', 'no password was given; nothing was changed');
    if (first === second && first !== '') return first;
    process.stdout.write(first === '' ? 'an empty password is none\n' : 'the two are not the same\n');
  }
}
