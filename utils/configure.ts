import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { configureByDialogue, configureByFlags } from '../src/config/configure.ts';
import { documentedSettings } from '../src/config/declarations.ts';
import { IniDocument } from '../src/config/ini-document.ts';
import type { AgentPaths } from '../src/config/paths.ts';
import { parseSettings, readSettingsText } from '../src/config/settings.ts';
import { writeFileAtomically } from '../src/host/atomic-file.ts';
import { askForNewPassword, passwordFromInput } from './passwd.ts';
import { Prompter } from './prompter.ts';
import { setPassword } from '../src/wire/credential-file.ts';

export interface ConfigureOptions {
  readonly config?: string;
  readonly ssl?: string;
  readonly allow?: string;
  readonly deny?: string;
  readonly passwordStdin?: boolean;
}

const SETTINGS_MODE = 0o644;

/** Changes the settings file: by flags where there are any, else by the guide's dialogue. */
export async function configure(paths: AgentPaths, options: ConfigureOptions): Promise<void> {
  const file = options.config ?? paths.settingsFile;
  const text = readSettingsText(file);
  const before = new IniDocument(text === '' ? documentedSettings() : text, file);
  // A file that the agent could not read is mended by hand first: an edit would hide what is wrong with it.
  parseSettings(before.text, file);
  const flags = Object.fromEntries(
    (['ssl', 'allow', 'deny'] as const).flatMap(key => (options[key] === undefined ? [] : [[key, options[key]]])),
  );
  const hasFlags = Object.keys(flags).length > 0 || options.passwordStdin === true;
  const prompter = new Prompter();
  try {
    let after = before;
    let password: string | undefined;
    if (hasFlags) {
      after = configureByFlags(before, flags);
      if (options.passwordStdin) password = await passwordFromInput(prompter);
    } else {
      const answers = await configureByDialogue(before, {
        print: line => process.stdout.write(`${line}\n`),
        ask: prompt => prompter.ask(prompt),
      });
      after = answers.document;
      if (answers.changePassword) password = await askForNewPassword(prompter);
    }
    parseSettings(after.text, file);
    mkdirSync(dirname(file), { recursive: true });
    if (after.text !== text) writeFileAtomically(file, after.text, SETTINGS_MODE);
    if (password !== undefined) await setPassword(paths.passwordFile, 'admin', password);
    process.stdout.write('the settings are written; "ovs-agent restart" makes them effective\n');
  } finally {
    prompter.close();
  }
}
