import { readFileSync } from 'node:fs';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { parseSExpressions, type SExpression, type SList } from './s-expression.ts';
import type { SettingKind } from './setting-kinds.ts';
import { type XendOption, xendOptions } from './xend-options.ts';

type Options = typeof xendOptions;
type OptionName = keyof Options;
export type XendValues = {
  readonly [K in OptionName]: Options[K]['kind'] extends SettingKind<infer T> ? T : never;
};

/** An option as it stands in the file, or its default. */
export interface XendSetting {
  readonly name: string;
  readonly text: string;
  /** Line in the file, from 1; undefined for a default. */
  readonly line: number | undefined;
  /** undefined for an option that is not known. */
  readonly option: XendOption | undefined;
  /** Whether its text is none that it takes, which matters for those without effect only to whoever wrote it. */
  readonly isUnusable: boolean;
}

/** What xend-config.sxp says. */
export class XendConfig {
  readonly file: string;
  readonly values: XendValues;
  /** Every known option, and those of the file that are not known. */
  readonly settings: readonly XendSetting[];

  constructor(file: string, values: XendValues, settings: readonly XendSetting[]) {
    this.file = file;
    this.values = values;
    this.settings = settings;
  }

  /** Whether the file says it, for options whose default is not ours. */
  says(name: OptionName): boolean {
    return this.settings.some(setting => setting.option === xendOptions[name] && setting.line !== undefined);
  }

  /** Bridge of network cards that name none: of vif-script, else of network-script. */
  get defaultBridge(): string | undefined {
    const { networkScript, vifScript } = this.values;
    return bridgeIn(vifScript, 'vif-bridge') ?? bridgeIn(networkScript, 'network-bridge');
  }
}

/**
 * Reads a file; one that is not there leaves everything at its default.
 * @throws AgentError HOST when it cannot be read, BAD_CONFIG with file, line and what was expected
 */
export function readXendConfig(file: string): XendConfig {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ENOENT') return parseXendConfig('', file);
    throw new AgentError('HOST', `settings file ${file}: it cannot be read (${messageOf(cause)})`, { cause });
  }
  // Files of the original's time are in either; what matters in them is ASCII.
  return parseXendConfig(bytes.toString('latin1'), file);
}

/** @throws AgentError BAD_CONFIG with file, line and what was expected */
export function parseXendConfig(text: string, file: string): XendConfig {
  const written = new Map<string, { readonly text: string; readonly line: number }>();
  for (const form of parseSExpressions(text, file).flatMap(unwrapped)) {
    const { name, value } = optionOf(form, file);
    // As for xend, the last one holds.
    written.set(name, { text: value, line: form.line });
  }
  const settings: XendSetting[] = [];
  const values = Object.fromEntries(
    Object.entries<XendOption>(xendOptions).map(([key, option]) => {
      const found = written.get(option.name);
      const value = valueOf(option, found, file);
      const isUnusable = value === undefined;
      settings.push({ name: option.name, text: found?.text ?? option.default, line: found?.line, option, isUnusable });
      return [key, isUnusable ? option.kind.parse(option.default) : value];
    }),
  );
  const known = new Set(settings.map(setting => setting.name));
  const unknown = [...written].filter(([name]) => !known.has(name));
  const strangers = unknown.map(([name, { line, text: value }]) => ({
    name,
    text: value,
    line,
    option: undefined,
    isUnusable: false,
  }));
  // The shape is that of the declarations, which the compiler cannot follow through Object.fromEntries.
  return new XendConfig(file, values as XendValues, [...settings, ...strangers]);
}

/** Some files put everything into one list. */
function unwrapped(expression: SExpression): SExpression[] {
  if (expression.kind === 'list' && expression.items.length > 0 && expression.items.every(item => item.kind === 'list'))
    return expression.items.flatMap(unwrapped);
  return [expression];
}

function optionOf(form: SExpression, file: string): { readonly name: string; readonly value: string } {
  const [name, ...rest] = form.kind === 'list' ? form.items : [];
  if (name?.kind !== 'atom') {
    throw new AgentError(
      'BAD_CONFIG',
      `${file} line ${form.line}: ${form.kind === 'atom' ? quote(form.text) : 'this'} is no option; (name value) is needed`,
    );
  }
  return { name: name.text, value: rest.map(printed).join(' ') };
}

function printed(expression: SExpression): string {
  return expression.kind === 'atom'
    ? expression.text
    : `(${(expression satisfies SList).items.map(printed).join(' ')})`;
}

/** What keeps the agent from doing as the file says keeps it from starting; what it would not do anyway does not. */
function valueOf(
  { default: standard, effect, kind, name }: XendOption,
  found: { readonly text: string; readonly line: number } | undefined,
  file: string,
): unknown {
  const value = kind.parse(found?.text ?? standard);
  if (value !== undefined || effect === 'none' || effect === 'migration') return value;
  throw new AgentError(
    'BAD_CONFIG',
    `${file} line ${found?.line ?? 0}: ${name} ${quote(found?.text ?? standard)} cannot be used; it must be ${kind.expected}`,
  );
}

function bridgeIn(script: string, program: string): string | undefined {
  const [first = '', ...words] = script.split(/\s+/);
  if (first.slice(first.lastIndexOf('/') + 1) !== program) return undefined;
  const [, bridge] = words.map(word => /^bridge=([\w.-]{1,15})$/.exec(word)).find(match => match !== null) ?? [];
  return bridge;
}
