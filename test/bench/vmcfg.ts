import { performance } from 'node:perf_hooks';
import { decodeGuestFile, parseGuestFile } from '../../src/vmcfg/reader.ts';
import { anyArchitectureFile, facts64, hardwareFile, paravirtualFile } from '../unit/vmcfg/guest-files.ts';

/** One line of the table. */
export interface VmcfgBenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What `value` must stay below, in the same unit; undefined where nothing is demanded. */
  readonly target: number | undefined;
}

const files = 10_000;

/** Bytes to values, each file with a name of its own, in one process that has read none before. */
export function benchVmcfg(): Promise<VmcfgBenchRow[]> {
  const forms = [paravirtualFile, hardwareFile, `${anyArchitectureFile}${hardwareFile}`];
  const inputs = Array.from({ length: files }, (_, index) =>
    Buffer.from(`${forms[index % forms.length]!}OVM_simple_name = 'guest-${index}'\n`),
  );
  const bytes = inputs.reduce((sum, input) => sum + input.length, 0);
  const start = performance.now();
  for (const input of inputs) parseGuestFile(decodeGuestFile(input), facts64);
  const seconds = (performance.now() - start) / 1_000;
  return Promise.resolve([
    { name: `read ${files} guest files`, value: seconds, unit: 's', target: 2 },
    { name: 'time for one', value: (seconds / files) * 1e6, unit: 'µs', target: undefined },
    { name: 'length of one', value: bytes / files, unit: 'bytes', target: undefined },
  ]);
}
