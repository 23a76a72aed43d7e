import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeMethodCall, writeMethodResponse } from '../../src/xmlrpc/writer.ts';
import { Daemon, PASSWORD } from '../support/daemon.ts';
import { cpuSeconds, median, memoryMib, type Row, startServer } from './measure.ts';

const ROUNDS = 5;
const ROUND_SECONDS = 3;

interface Round {
  readonly callsPerCpuSecond: number;
  readonly p99: number;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Calls of `echo`, against a server that does nothing but HTTPS. Both are asked in turn, so that noise hits both. */
export async function benchEcho(): Promise<Row[]> {
  const daemon = await new Daemon(['[limits]', 'requests_per_connection=1000000000']).start();
  const restMib = memoryMib(daemon.processId);
  const answer = Buffer.from(writeMethodResponse('success:echo=hello')).toString('base64');
  const bare = await startServer(here('bare-server.js'), [
    join(daemon.paths.certificateDirectory, 'key.pem'),
    daemon.paths.certificateFile,
    answer,
  ]);
  try {
    const floor = { port: Number(bare.answer), processId: bare.child.pid! };
    const product = { port: daemon.port, processId: daemon.processId };
    const kept = await rounds(floor, product, 32, true);
    const fresh = await rounds(floor, product, 8, false);
    const loadedMib = memoryMib(daemon.processId);
    return [
      row('echo, keep-alive TLS 1.3, 32 connections', kept, 0.8),
      row('echo, a new TLS connection for each call, 8 at a time', fresh, 0.9),
      {
        work: 'memory at rest, and after the load (PSS)',
        floor: '',
        product: `${restMib.toFixed(0)} MiB, ${loadedMib.toFixed(0)} MiB`,
        ratio: undefined,
        target: 'at rest < 80 MiB',
        isMet: restMib < 80,
      },
    ];
  } finally {
    bare.child.kill();
    await daemon.dispose();
  }
}

function row(work: string, { floor, product }: { floor: Round[]; product: Round[] }, target: number): Row {
  const rate = (all: Round[]): number => median(all.map(round => round.callsPerCpuSecond));
  const tail = (all: Round[]): string => `p99 ${median(all.map(round => round.p99)).toFixed(1)} ms`;
  // The ratio of each pair, for two rounds side by side saw the same machine.
  const ratio = median(product.map((round, index) => round.callsPerCpuSecond / floor[index]!.callsPerCpuSecond));
  return {
    work,
    floor: `${rate(floor).toFixed(0)} calls per CPU second, ${tail(floor)}`,
    product: `${rate(product).toFixed(0)} calls per CPU second, ${tail(product)}`,
    ratio,
    target: `≥ ${target}`,
    isMet: ratio >= target,
  };
}

interface Server {
  readonly port: number;
  readonly processId: number;
}

async function rounds(
  floor: Server,
  product: Server,
  connections: number,
  keepAlive: boolean,
): Promise<{ floor: Round[]; product: Round[] }> {
  const measured = { floor: [] as Round[], product: [] as Round[] };
  await load(floor, connections, keepAlive, 2);
  await load(product, connections, keepAlive, 2);
  for (let round = 0; round < ROUNDS; round++) {
    measured.floor.push(await load(floor, connections, keepAlive, ROUND_SECONDS));
    measured.product.push(await load(product, connections, keepAlive, ROUND_SECONDS));
  }
  return measured;
}

async function load(
  { port, processId }: Server,
  connections: number,
  keepAlive: boolean,
  seconds: number,
): Promise<Round> {
  const authorization = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`;
  const call = Buffer.from(writeMethodCall('echo', ['hello'])).toString('base64');
  const before = cpuSeconds(processId);
  const args = [
    here('load.js'),
    `${port}`,
    `${connections}`,
    `${seconds}`,
    authorization,
    call,
    keepAlive ? 'keep' : 'new',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  await new Promise(resolve => child.once('close', resolve));
  const { calls, p99 } = JSON.parse(output) as { calls: number; p99: number };
  return { callsPerCpuSecond: calls / (cpuSeconds(processId) - before), p99 };
}
