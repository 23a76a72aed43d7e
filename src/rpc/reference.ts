import { type FailureCode, failureKinds } from '../errors.ts';
import type { XmlRpcValue } from '../xmlrpc/values.ts';
import type { RegisteredMethod } from './method.ts';

/** The methods by area, both in the order of the alphabet. */
export function methodsByArea(
  methods: readonly RegisteredMethod[],
): readonly (readonly [string, readonly RegisteredMethod[]])[] {
  const areas = new Map<string, RegisteredMethod[]>();
  for (const method of methods) areas.set(method.area, [...(areas.get(method.area) ?? []), method]);
  return [...areas].sort(([left], [right]) => left.localeCompare(right, 'en'));
}

/** How a method is called: `name(required, [optional])`. */
export function callForm(method: RegisteredMethod, name = method.name): string {
  const names = method.parameterNames.map(parameter =>
    method.params[parameter]!.isOptional ? `[${parameter}]` : parameter,
  );
  return `${name}(${names.join(', ')})`;
}

/** The reference of all methods as Markdown. */
export function referenceMarkdown(methods: readonly RegisteredMethod[]): string {
  const lines = [
    '# RPC methods',
    '',
    'Made from the declarations in `src/methods/` by `npm run golden`; edit those.',
    '',
    'Calls are posted as XML-RPC to `/` or `/RPC2` with HTTP Basic authentication. An act that worked answers `success`, with data',
    '`success:key=value;key=value`; one that failed answers `failed:CODE: text`. A call that cannot be made at all is answered with a fault.',
    'The access that a method needs is `read`, `operate` or `admin`; a user of a higher one may do all of the lower.',
  ];
  for (const [area, members] of methodsByArea(methods)) {
    lines.push('', `## ${area}`);
    for (const method of members) lines.push('', ...methodMarkdown(method));
  }
  lines.push(
    '',
    '## Failures',
    '',
    '| code | fault | try again | may have had an effect | meaning |',
    '|---|---|---|---|---|',
  );
  for (const [code, kind] of Object.entries(failureKinds)) {
    lines.push(
      `| ${code} | ${kind.fault} | ${kind.retry} | ${kind.effect === 'maybe' ? 'yes' : 'no'} | ${kind.meaning} |`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function methodMarkdown(method: RegisteredMethod): string[] {
  const lines = [`### ${method.name}`, '', `\`${callForm(method)}\``, '', method.summary, ''];
  if (method.parameterNames.length > 0) {
    lines.push('| argument | type | meaning | example |', '|---|---|---|---|');
    for (const name of method.parameterNames) {
      const { wireType, summary, example, isOptional } = method.params[name]!;
      lines.push(
        `| ${name}${isOptional ? ' (optional)' : ''} | ${wireType} | ${summary} | \`${exampleText(example)}\` |`,
      );
    }
    lines.push('');
  }
  lines.push(`Returns ${method.returns.summary}.`, '', `Access: ${method.access}.`);
  if (method.onHost !== undefined) lines.push(`On the server that receives it: \`${method.onHost}\`.`);
  if (method.errors.length > 0)
    lines.push(`Fails with ${method.errors.map((code: FailureCode) => `\`${code}\``).join(', ')}.`);
  return lines;
}

/** A value as a reader of JSON knows it. */
export function exampleText(value: XmlRpcValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
