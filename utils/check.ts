import type { AgentPaths } from '../src/config/paths.ts';
import { callAgentOrActAlone, guestPathOf } from './local-agent.ts';
import { EXIT, printJson } from './program.ts';

/** A finding as `check_vm` answers it. */
interface Finding {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'note';
  readonly key: string;
  /** 0 for a key that is not there. */
  readonly line: number;
  readonly message: string;
  readonly mend: string;
  readonly fixable: boolean;
}

const CHECK_MS = 120_000;

/** Checks a guest's file and prints what was found; the exit code is that of a failure while errors are left. */
export async function checkGuest(
  paths: AgentPaths,
  guest: string,
  { fix, json }: { readonly fix: boolean; readonly json: boolean },
): Promise<void> {
  const path = await guestPathOf(guest, (method, params) => callAgentOrActAlone(paths, method, params, CHECK_MS));
  const params = fix ? [path, '1'] : [path];
  const findings = (await callAgentOrActAlone(paths, 'check_vm', params, CHECK_MS)) as readonly Finding[];
  if (json) printJson(findings);
  else process.stdout.write(findings.length === 0 ? `${path}: nothing to mend\n` : findings.map(printed).join(''));
  const fixable = findings.filter(finding => finding.fixable).length;
  if (!json && fixable > 0) process.stdout.write(`\n${fixable} of them can be mended with --fix\n`);
  if (findings.some(finding => finding.severity === 'error')) process.exitCode = EXIT.failed;
}

function printed({ code, fixable, line, mend, message, severity }: Finding): string {
  const place = line > 0 ? `line ${line}: ` : '';
  return `${severity.toUpperCase().padEnd(7)} ${code}\n        ${place}${message}\n        mend: ${mend}${fixable ? ' (--fix does it)' : ''}\n`;
}
