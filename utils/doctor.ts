import { existsSync } from 'node:fs';
import { examine } from '../src/app/doctor.ts';
import type { AgentPaths } from '../src/config/paths.ts';
import { systemClock } from '../src/host/clock.ts';
import { stateOf } from './control.ts';
import { EXIT, printJson } from './program.ts';

/** Prints what is to be known of this server; the exit code is that of a failure while errors are left. */
export async function examineServer(paths: AgentPaths, settingsFile: string, json: boolean): Promise<void> {
  const findings = await examine({
    paths,
    settingsFile,
    searchPath: process.env['PATH'] ?? '',
    clock: systemClock,
    isRunning: async () => existsSync(paths.controlSocket) && (await stateOf(paths)) !== undefined,
  });
  if (json) printJson(findings);
  else {
    for (const { code, mend, message, severity } of findings) {
      process.stdout.write(`${severity.toUpperCase().padEnd(7)} ${code.padEnd(19)} ${message}\n`);
      if (mend !== '') process.stdout.write(`${' '.repeat(28)}mend: ${mend}\n`);
    }
  }
  if (findings.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.failed;
}
