import { writeFileSync } from 'node:fs';
import { benchAgentStart } from './agent-start.ts';
import { benchEcho } from './echo.ts';
import { benchGuestStart } from './guest-start.ts';
import { type Row, table } from './measure.ts';
import { benchRealStatistics } from './real-statistics.ts';
import { benchRecords } from './records.ts';
import { benchStorage } from './storage.ts';
import { benchStatistics } from './statistics.ts';
import { benchVmcfg } from './vmcfg.ts';
import { benchXmlRpcCodec } from './xmlrpc-codec.ts';

/** Every benchmark, or those that are named on the command line; prints the table, and writes it where it is told. */
const benchmarks: Readonly<Record<string, () => Promise<Row[]>>> = {
  echo: benchEcho,
  start: benchGuestStart,
  codec: benchCodec,
  vmcfg: benchGuestFiles,
  agent: benchAgentStart,
  records: benchRecords,
  statistics: benchStatistics,
  real: benchRealStatistics,
  storage: benchStorage,
};

async function benchCodec(): Promise<Row[]> {
  const targets: readonly (readonly [RegExp, number])[] = [
    [/encode/i, 3],
    [/decode/i, 10],
  ];
  const measured = await benchXmlRpcCodec();
  return targets.map(([pattern, limit]) => {
    const found = measured.find(({ name }) => pattern.test(name));
    if (!found) throw new Error(`the codec has no benchmark ${String(pattern)}`);
    return {
      work: found.name,
      floor: `JSON: ${found.jsonMedianMs.toFixed(1)} ms`,
      product: `${found.medianMs.toFixed(1)} ms`,
      ratio: found.ratio,
      target: `≤ ${limit} ms`,
      isMet: found.medianMs <= limit,
    };
  });
}

async function benchGuestFiles(): Promise<Row[]> {
  const [{ name, value } = { name: '', value: Number.NaN }] = await benchVmcfg();
  return [
    { work: name, floor: '', product: `${value.toFixed(2)} s`, ratio: undefined, target: '< 2 s', isMet: value < 2 },
  ];
}

const [reportFile, ...wanted] = process.argv.slice(2);
const rows: Row[] = [];
for (const [name, run] of Object.entries(benchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`${name} …\n`);
  rows.push(...(await run()));
}
const report = table(rows);
process.stdout.write(`${report}\n`);
if (reportFile) writeFileSync(reportFile, `${report}\n`);
