import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { AgentError, messageOf } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import { LONGEST_SEXPRESSIONS, parseSExpressions, type SExpression } from './s-expression.ts';
import type { SettingKind } from './setting-kinds.ts';
import { type XendEffect, type XendOption, xendOptions } from './xend-options.ts';

type Options = typeof xendOptions;
type OptionName = keyof Options;
export type XendValues = {
  readonly [K in OptionName]: Options[K]['kind'] extends SettingKind<infer T> ? T : never;
};

const SECRETS = Object.values<XendOption>(xendOptions)
  .filter(option => option.isSecret)
  .map(option => option.name);

/** An option as it stands in the file, or its default. */
export interface XendSetting {
  readonly name: string;
  readonly text: string;
  /** Line in the file, from 1; undefined for a default. */
  readonly line: number | undefined;
  /** Lines above on which the same option stands, where it holds no more. */
  readonly earlierLines: readonly number[];
  /** undefined for an option that is not known. */
  readonly option: XendOption | undefined;
  /** What follows from it as it is written, which may be less than its option can do. */
  readonly effect: XendEffect;
  /** Whether its text is none that it takes, which matters for those without effect only to whoever wrote it. */
  readonly isUnusable: boolean;
}

interface Written {
  readonly line: number;
  readonly values: readonly SExpression[];
  readonly earlierLines: readonly number[];
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
    return defaultBridgeOf(this.values)?.bridge;
  }
}

/**
 * Reads a file; one that is not there leaves everything at its default.
 * @throws AgentError HOST when it cannot be read, BAD_CONFIG with file, line and what was expected
 */
export function readXendConfig(file: string): XendConfig {
  let bytes: Buffer;
  try {
    const { size } = statSync(file);
    if (size > LONGEST_SEXPRESSIONS) {
      throw new AgentError(
        'BAD_CONFIG',
        `${file}: it has ${size} bytes, more than the ${LONGEST_SEXPRESSIONS} that such a file may have; shorten it`,
      );
    }
    bytes = readFileSync(file);
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    if ((cause as { code?: unknown }).code === 'ENOENT') return parseXendConfig('', file);
    throw new AgentError('HOST', `settings file ${file}: it cannot be read (${messageOf(cause)})`, { cause });
  }
  // Files of the original's time are in either.
  const text = bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
  return parseXendConfig(text.replace(/^\uFEFF/, ''), file);
}

/** @throws AgentError BAD_CONFIG with file, line and what was expected */
export function parseXendConfig(text: string, file: string): XendConfig {
  const written = new Map<string, Written>();
  for (const form of parseSExpressions(text, file, SECRETS).flatMap(unwrapped)) {
    const { name, values } = optionOf(form, file);
    const earlier = written.get(name);
    const earlierLines = earlier ? [...earlier.earlierLines, earlier.line] : [];
    written.set(name, { line: form.line, values, earlierLines });
  }
  const known = Object.entries<XendOption>(xendOptions);
  const unusable = new Set<string>();
  // The shape is that of the declarations, which the compiler cannot follow through Object.fromEntries.
  const values = Object.fromEntries(
    known.map(([key, option]) => {
      const value = valueOf(option, written.get(option.name), file);
      if (value === undefined) unusable.add(option.name);
      return [key, value ?? option.kind.parse(option.default)];
    }),
  ) as XendValues;
  const names = new Set(known.map(([, { name }]) => name));
  const setting = (name: string, option: XendOption | undefined): XendSetting => {
    const found = written.get(name);
    return {
      name,
      text: found ? textOf(found) : (option?.default ?? ''),
      line: found?.line,
      earlierLines: found?.earlierLines ?? [],
      option,
      effect: option ? effectOf(option, values) : 'none',
      isUnusable: unusable.has(name),
    };
  };
  const strangers = [...written.keys()].filter(name => !names.has(name));
  const settings = [
    ...known.map(([, option]) => setting(option.name, option)),
    ...strangers.map(name => setting(name, undefined)),
  ];
  return new XendConfig(file, values, settings);
}

/** A script is nothing but the name of a bridge here: one that gives none has no effect. */
function effectOf(option: XendOption, values: XendValues): XendEffect {
  if (option !== xendOptions.vifScript && option !== xendOptions.networkScript) return option.effect;
  return defaultBridgeOf(values)?.from === option.name ? option.effect : 'none';
}

function defaultBridgeOf({
  networkScript,
  vifScript,
}: XendValues): { readonly bridge: string; readonly from: string } | undefined {
  const ofCards = bridgeIn(vifScript, 'vif-bridge');
  if (ofCards !== undefined) return { bridge: ofCards, from: xendOptions.vifScript.name };
  const ofNetwork = bridgeIn(networkScript, 'network-bridge');
  return ofNetwork === undefined ? undefined : { bridge: ofNetwork, from: xendOptions.networkScript.name };
}

/** Some files put everything into one list. */
function unwrapped(expression: SExpression): SExpression[] {
  if (expression.kind === 'list' && expression.items.length > 0 && expression.items.every(item => item.kind === 'list'))
    return expression.items.flatMap(unwrapped);
  return [expression];
}

function optionOf(form: SExpression, file: string): { readonly name: string; readonly values: readonly SExpression[] } {
  const [name, ...values] = form.kind === 'list' ? form.items : [];
  if (name?.kind !== 'atom') {
    throw new AgentError(
      'BAD_CONFIG',
      `${file} line ${form.line}: ${form.kind === 'atom' ? quote(form.text) : 'this'} is no option; (name value) is needed`,
    );
  }
  return { name: name.text, values };
}

function textOf({ values }: Written): string {
  return values.map(printed).join(' ');
}

function printed(expression: SExpression): string {
  return expression.kind === 'atom' ? expression.text : `(${expression.items.map(printed).join(' ')})`;
}

/** What keeps the agent from doing as the file says keeps it from starting; what it would not do anyway does not. */
function valueOf(option: XendOption, written: Written | undefined, file: string): unknown {
  const { effect, isSecret, kind, name } = option;
  if (!written) return kind.parse(option.default);
  const isOne = written.values.length <= 1 && written.values[0]?.kind !== 'list';
  const text = textOf(written);
  const value = isOne || kind.mayBeList ? kind.parse(text) : undefined;
  if (value !== undefined || effect === 'none' || effect === 'migration') return value;
  const place = `${file} line ${written.line}: ${name}`;
  throw new AgentError(
    'BAD_CONFIG',
    isOne
      ? `${place} ${isSecret ? '' : `${quote(text)} `}cannot be used; it must be ${kind.expected}`
      : `${place} has more than one value; it must be ${kind.expected}, in quotes when it holds blanks or parentheses`,
  );
}

function bridgeIn(script: string, program: string): string | undefined {
  const [first = '', ...words] = script.split(/\s+/);
  if (first.slice(first.lastIndexOf('/') + 1) !== program) return undefined;
  const [, bridge] = words.map(word => /^bridge=([\w.-]{1,15})$/.exec(word)).find(match => match !== null) ?? [];
  return bridge;
}
