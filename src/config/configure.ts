import { messageOf } from '../errors.ts';
import { declarations, type Setting } from './declarations.ts';
import type { IniDocument } from './ini-document.ts';
import { parseSetting } from './settings.ts';

/** The person, or the script, that answers. */
export interface Dialogue {
  print(line: string): void;
  /** The answer; undefined at the end of input. */
  ask(prompt: string): Promise<string | undefined>;
}

/** What can be configured by dialogue and by flags. */
export type ConfigurableKey = 'ssl' | 'allow' | 'deny';

const SSL_TEXT = [';ssl support --', ';enable ssl support in xmlrpc transport?(enable/disable)'];

const NETWORK_TEXT = [
  ';network access control by ip --',
  ';rules := if addr.match(allow) and not addr.match(deny):return True',
  ';pattern items delimited by comma and could be',
  ';10.1.1.1    #single ip',
  ';10.1.1.*     #range',
  ';10.1.1.1/24 #range',
  ';default to allow all, deny none',
];

const PASSWORD_QUESTION = 'would you like to modify password to communicate with agent?[y/N]';

/**
 * The dialogue of `ovs-agent configure`, text for text as the guide shows it. An empty answer keeps a setting, one that
 * cannot be used is explained and asked for again; at the end of input everything that was not answered stays as it is.
 * To empty a list the answer is `none`.
 * @returns the settings as they are to be written, in one go, and whether the password is to be changed
 */
export async function configureByDialogue(
  document: IniDocument,
  dialogue: Dialogue,
): Promise<{ readonly document: IniDocument; readonly changePassword: boolean }> {
  for (const line of SSL_TEXT) dialogue.print(line);
  // In the guide only the two lists are asked for with an equals sign, and only of them it shows what now holds.
  let result = await askFor('ssl', 'ssl', document, dialogue);
  for (const line of NETWORK_TEXT) dialogue.print(line);
  for (const key of ['allow', 'deny'] as const) {
    result = await askFor(key, `${key}=`, result, dialogue);
    dialogue.print(`now ${key}=${textOf(key, result)}`);
  }
  const answer = await dialogue.ask(PASSWORD_QUESTION);
  return { document: result, changePassword: /^y(?:es)?$/i.test(answer?.trim() ?? '') };
}

/**
 * The same by flags: all are looked at before one is set.
 * @throws AgentError BAD_VALUE with what was expected
 */
export function configureByFlags(
  document: IniDocument,
  flags: Readonly<Partial<Record<ConfigurableKey, string>>>,
): IniDocument {
  const changes = Object.entries(flags) as [ConfigurableKey, string][];
  for (const [key, value] of changes) parseSetting(settingOf(key), value.trim());
  return changes.reduce((result, [key, value]) => result.with('', key, value.trim()), document);
}

async function askFor(
  key: ConfigurableKey,
  prompt: string,
  document: IniDocument,
  dialogue: Dialogue,
): Promise<IniDocument> {
  dialogue.print(`${key}=${textOf(key, document)}`);
  for (;;) {
    const answer = (await dialogue.ask(prompt))?.trim();
    if (answer === undefined || answer === '') return document;
    try {
      return configureByFlags(document, { [key]: answer });
    } catch (error) {
      dialogue.print(messageOf(error));
    }
  }
}

function textOf(key: ConfigurableKey, document: IniDocument): string {
  return document.find('', key)?.value ?? settingOf(key).default;
}

function settingOf(key: ConfigurableKey): Setting<unknown> {
  return declarations.main[key];
}
