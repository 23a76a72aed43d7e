import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { findNearest } from '../model/nearest.ts';
import { type Declarations, declarations, headingOf, type SectionName, type Setting } from './declarations.ts';
import { IniDocument } from './ini-document.ts';

type SectionValues<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** Where a setting's value is from. */
export interface SettingOrigin {
  /** Empty for the keys before the first section. */
  readonly section: string;
  readonly key: string;
  /** The value as it is written. */
  readonly text: string;
  /** Where it is written; undefined when the default holds. */
  readonly source: { readonly file: string; readonly line: number } | undefined;
}

/** All settings, with their types. The main section's stand at the top. */
export type Settings = SectionValues<Declarations['main']> & {
  readonly [S in Exclude<SectionName, 'main'>]: SectionValues<Declarations[S]>;
} & {
  /** One for every setting, in the order of the declarations. */
  readonly origins: readonly SettingOrigin[];
};

const sectionNames = Object.keys(declarations) as SectionName[];

/**
 * Reads the settings; keys that are not there have their defaults.
 * @throws AgentError BAD_CONFIG with file, line and what was expected
 */
export function parseSettings(text: string, file: string): Settings {
  const document = new IniDocument(text, file);
  refuseUnknown(document);
  const origins: SettingOrigin[] = [];
  const { main, ...sections } = Object.fromEntries(
    sectionNames.map(section => [
      section,
      Object.fromEntries(
        settingsOf(section).map(([name, setting]) => {
          const origin = originOf(document, headingOf(section), setting);
          origins.push(origin);
          return [name, valueOf(document, origin, setting)];
        }),
      ),
    ]),
  );
  // The shape is that of the declarations, which the compiler cannot follow through Object.fromEntries.
  const settings = { ...main, ...sections, origins } as unknown as Settings;
  refuseContradictions(document, settings);
  return settings;
}

/**
 * Reads the settings file; a file that is missing leaves everything at its default.
 * @throws AgentError HOST when it cannot be read, BAD_CONFIG when what it says cannot be used
 */
export function readSettingsFile(file: string): Settings {
  return parseSettings(readSettingsText(file), file);
}

/**
 * @returns the text of the settings file, empty when it is missing
 * @throws AgentError HOST when it is there and cannot be read, BAD_CONFIG when it is not written in UTF-8
 */
export function readSettingsText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ENOENT') return '';
    throw new AgentError('HOST', `settings file ${file}: it cannot be read (${messageOf(cause)})`, { cause });
  }
  if (isUtf8(bytes)) return bytes.toString('utf8');
  // Read all the same, an edit would write the characters of another encoding back as others.
  const lines = bytes.toString('latin1').split('\n');
  const line = lines.findIndex(text => !isUtf8(Buffer.from(text, 'latin1'))) + 1;
  throw new AgentError(
    'BAD_CONFIG',
    `${file} line ${line}: it is not written in UTF-8; save the file in that encoding`,
  );
}

/**
 * Reads one value as the agent would.
 * @throws AgentError BAD_VALUE with what was expected
 */
export function parseSetting<T>(setting: Setting<T>, text: string): T {
  const value = setting.kind.parse(text);
  if (value === undefined) {
    throw new AgentError(
      'BAD_VALUE',
      `${setting.key}=${quote(text).slice(1, -1)} cannot be used; it must be ${setting.kind.expected}`,
    );
  }
  return value;
}

function originOf(document: IniDocument, section: string, { default: standard, key }: Setting<unknown>): SettingOrigin {
  const entry = document.find(section, key);
  const source = entry && { file: document.file, line: entry.line };
  return { section, key, text: entry?.value ?? standard, source };
}

function valueOf(document: IniDocument, { source, text }: SettingOrigin, setting: Setting<unknown>): unknown {
  if (!source) return parseSetting(setting, text);
  try {
    return parseSetting(setting, text);
  } catch (error) {
    throw document.error(source.line, messageOf(error));
  }
}

function refuseContradictions(document: IniDocument, { certificate: { renewDays, validDays } }: Settings): void {
  if (renewDays < validDays) return;
  // Both have defaults that agree: at least one of the two is in the file.
  const entry = document.find('certificate', 'renew_days') ?? document.find('certificate', 'valid_days');
  throw document.error(
    entry?.line ?? 1,
    `a certificate that is valid for ${validDays} days would be renewed ${renewDays} days before its end, again and ` +
      'again; renew_days must be less than valid_days',
  );
}

function refuseUnknown(document: IniDocument): void {
  const headings = sectionNames.map(headingOf).filter(name => name !== '');
  for (const { line, name } of document.sections) {
    if (headings.includes(name)) continue;
    const near = findNearest(name, headings, heading => heading);
    const hint = near === undefined ? `there are [${headings.join('], [')}]` : `did you mean [${near}]?`;
    throw document.error(line, `there is no section [${name}]; ${hint}`);
  }
  const known = sectionNames.flatMap(name =>
    settingsOf(name).map(([, { key }]) => ({ section: headingOf(name), key })),
  );
  for (const { key, line, section } of document.entries) {
    const keys = known.filter(other => other.section === section);
    if (keys.some(other => other.key === key)) continue;
    const elsewhere = known.find(other => other.key === key);
    const near = elsewhere ?? findNearest(key, keys, other => other.key) ?? findNearest(key, known, other => other.key);
    const here = section === '' ? '' : ` in [${section}]`;
    const there = keys.map(other => other.key).join(', ');
    throw document.error(line, `there is no key ${key}${here}; the keys here are ${there}${hintOf(near, section)}`);
  }
}

function hintOf(near: { readonly section: string; readonly key: string } | undefined, section: string): string {
  if (!near) return '';
  const home = near.section === '' ? 'before the first section' : `under [${near.section}]`;
  return `; did you mean ${near.key}${near.section === section ? '' : `, which belongs ${home}`}?`;
}

function settingsOf(section: SectionName): [string, Setting<unknown>][] {
  return Object.entries<Setting<unknown>>(declarations[section]);
}
