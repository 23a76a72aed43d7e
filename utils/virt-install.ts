#!/usr/bin/env node
import { messageOf } from '../src/errors.ts';
import { newProgram, runProgram } from './program.ts';
import { refuseContradictions } from './virt-install/contradictions.ts';
import { type InstallOptions, withInstallOptions } from './virt-install/options.ts';
import { profileOf } from './virt-install/os-table.ts';

const program = withInstallOptions(
  newProgram('virt-install', 'Make a guest on this server and install a system in it. What is not given is asked for.'),
).action(async (options: InstallOptions) => {
  try {
    refuseContradictions(options);
    profileOf(options.osType, options.osVariant);
  } catch (error) {
    program.error(`error: ${messageOf(error)}`);
  }
  const { install } = await import('./virt-install/run.ts');
  await install(options);
});

await runProgram(program);
