import type { AgentPaths } from '../src/config/paths.ts';
import { effectiveLogLevel, effectiveMemoryReserveMib } from '../src/config/effective.ts';
import { readSettingsFile } from '../src/config/settings.ts';
import { readXendConfig, type XendSetting } from '../src/config/xend-config.ts';
import { quote } from '../src/model/guest-path.ts';
import { printJson } from './program.ts';

interface Row {
  /** Section and key of agent.ini, or the option of xend-config.sxp. */
  readonly name: string;
  readonly value: string;
  /** File and line, or `default`. */
  readonly from: string;
}

/**
 * Prints each setting that holds and where it came from.
 * @param all the options of xend-config.sxp that have no effect too
 */
export function showConfig(
  paths: AgentPaths,
  settingsFile: string,
  { all, json }: { all: boolean; json: boolean },
): void {
  const settings = readSettingsFile(settingsFile);
  const xend = readXendConfig(paths.xendConfigFile);
  const ofXend = new Map([
    ['log.level', { value: effectiveLogLevel(settings, xend), own: settings.log.level, option: 'loglevel' }],
    [
      'guests.memory_reserve',
      {
        value: effectiveMemoryReserveMib(settings, xend),
        own: settings.guests.memoryReserveMib,
        option: 'dom0-min-mem',
      },
    ],
  ]);
  const folded = new Set([...ofXend.values()].map(({ option }) => option));
  const rows: Row[] = [
    ...settings.origins.map(({ key, section, source, text }) => {
      const name = section === '' ? key : `${section}.${key}`;
      const other = ofXend.get(name);
      if (other && other.value !== other.own) {
        const line = xend.settings.find(setting => setting.name === other.option)?.line;
        return { name, value: String(other.value), from: `${xend.file} line ${line}` };
      }
      return { name, value: text, from: source ? `${source.file} line ${source.line}` : 'default' };
    }),
    ...xend.settings
      .filter(
        ({ effect, line, name }) =>
          all || (!folded.has(name) && (effect === 'acts' || (effect === 'written' && line !== undefined))),
      )
      .map(setting => ({
        name: `xend.${setting.name}`,
        value: shownValue(setting),
        from: setting.line === undefined ? 'default' : `${xend.file} line ${setting.line}`,
      })),
  ];
  if (json) {
    printJson(rows);
    return;
  }
  const width = (field: 'name' | 'value'): number => Math.min(48, Math.max(...rows.map(row => row[field].length)));
  const [names, values] = [width('name'), width('value')];
  for (const { from, name, value } of rows) {
    process.stdout.write(`${printable(name).padEnd(names)}  ${printable(value).padEnd(values)}  ${from}\n`);
  }
}

/** An option that nobody knows may be a password with a slip in its name. */
function shownValue({ option, text }: XendSetting): string {
  if (!option) return '(unknown, not shown)';
  return option.isSecret && text !== '' ? '(set, not shown)' : text;
}

/** Control characters would make several lines of one, or speak to the terminal. */
function printable(text: string): string {
  return /[\p{Cc}\u2028\u2029]/u.test(text) ? quote(text) : text;
}
