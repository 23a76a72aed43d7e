import type { AgentPaths } from '../src/config/paths.ts';
import { effectiveLogLevel, effectiveMemoryReserveMib } from '../src/config/effective.ts';
import { readSettingsFile } from '../src/config/settings.ts';
import { readXendConfig } from '../src/config/xend-config.ts';
import { printJson } from './program.ts';

interface Row {
  /** Section and key of agent.ini, or the option of xend-config.sxp. */
  readonly name: string;
  readonly value: string;
  /** File and line, or `default`. */
  readonly from: string;
}

const SECRETS = ['vncpasswd'];

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
        ({ line, option }) => all || option?.effect === 'acts' || (option?.effect === 'written' && line !== undefined),
      )
      .map(({ line, name, text }) => ({
        name: `xend.${name}`,
        value: SECRETS.includes(name) && text !== '' ? '(set, not shown)' : text,
        from: line === undefined ? 'default' : `${xend.file} line ${line}`,
      })),
  ];
  if (json) {
    printJson(rows);
    return;
  }
  const width = (field: 'name' | 'value'): number => Math.min(48, Math.max(...rows.map(row => row[field].length)));
  const [names, values] = [width('name'), width('value')];
  for (const { from, name, value } of rows) {
    process.stdout.write(`${name.padEnd(names)}  ${value.padEnd(values)}  ${from}\n`);
  }
}
