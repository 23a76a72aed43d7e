import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, watch } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { QmpConnection } from '../../src/drivers/qmp-connection.ts';
import { systemClock } from '../../src/host/clock.ts';
import { readMethodResponse } from '../../src/xmlrpc/reader.ts';
import type { XmlRpcValue } from '../../src/xmlrpc/values.ts';
import { writeMethodCall } from '../../src/xmlrpc/writer.ts';
import { Daemon, PASSWORD } from '../support/daemon.ts';
import { median, milliseconds, type Row } from './measure.ts';

const PAIRS = 25;

/** `start_vm` over the network until its answer, against the bare start of the same QEMU until QMP says that it runs. */
export async function benchGuestStart(): Promise<Row[]> {
  const daemon = new Daemon();
  // As on a real server, where /run is in memory: for the agent, and for the bare start beside it.
  const directory = mkdtempSync('/dev/shm/oa-');
  symlinkSync(directory, join(daemon.root, 'run'));
  await daemon.start();
  try {
    const path = daemon.makeGuest('bench');
    await daemon.call('start_vm', path);
    const args = commandLineOf(daemon.qemuOf(path)!).map(text =>
      text.replaceAll(daemon.runDirectory(path).directory, `${directory}/bare`),
    );
    await daemon.call('stop_vm', path, true);
    const times = { bare: [] as number[], start: [] as number[], quit: [] as number[], stop: [] as number[] };
    const call = keptConnection(daemon);
    await call('echo', 'x');
    // The agent's and QEMU's own first time is not what is measured.
    for (let round = 0; round < 5; round++) {
      await call('start_vm', path);
      await call('stop_vm', path, true);
    }
    for (let pair = 0; pair < PAIRS; pair++) {
      const [start, quit] = await bareStart(args, `${directory}/bare`);
      times.bare.push(start);
      times.quit.push(quit);
      times.start.push(await timed(() => call('start_vm', path)));
      times.stop.push(await timed(() => call('stop_vm', path, true)));
    }
    const ratio = median(times.start.map((time, index) => time / times.bare[index]!));
    const stop = median(times.stop);
    return [
      {
        work: 'start of a guest until it runs',
        floor: `exec of the same QEMU, QMP says running: ${milliseconds(median(times.bare))}`,
        product: `start_vm answered: ${milliseconds(median(times.start))}`,
        ratio,
        target: '≤ 1.15',
        isMet: ratio <= 1.15,
      },
      {
        work: 'stop by force until it is gone',
        floor: `QMP quit: ${milliseconds(median(times.quit))}`,
        product: `stop_vm answered: ${milliseconds(stop)}`,
        ratio: undefined,
        target: '≤ 50 ms',
        isMet: stop <= 50,
      },
    ];
  } finally {
    await daemon.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

function commandLineOf(processId: number): string[] {
  return readFileSync(`/proc/${processId}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const answer = await work();
  const time = performance.now() - startedAt;
  if (!String(answer).startsWith('success')) throw new Error(String(answer));
  return time;
}

/** Calls over one connection, with no more of a client than it takes: what it costs is not the agent's. */
function keptConnection(daemon: Daemon): (method: string, ...params: XmlRpcValue[]) => Promise<XmlRpcValue> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const auth = `admin:${PASSWORD}`;
  return (method, ...params) =>
    new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port: daemon.port, path: '/RPC2', method: 'POST', agent, auth },
        response => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => (text += part));
          response.on('end', () => {
            const answer = readMethodResponse(text, { depth: 32, values: 1000 });
            if ('value' in answer) resolve(answer.value);
            else reject(new Error(answer.fault.message));
          });
        },
      );
      sent.on('error', reject);
      sent.end(writeMethodCall(method, params));
    });
}

/** @returns milliseconds until QMP says running, and until the process has gone after quit */
async function bareStart([program, ...args]: string[], directory: string): Promise<[number, number]> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  const watcher = watch(directory);
  const appeared = new Promise<void>(resolve => {
    watcher.on('change', (_kind, name) => {
      if (name === 'qmp') resolve();
    });
  });
  const startedAt = performance.now();
  const child = spawn(program!, args, { stdio: 'ignore' });
  const ended = new Promise(resolve => child.once('exit', resolve));
  await appeared;
  watcher.close();
  const listener = { onEvent: () => undefined, onClose: () => undefined };
  let monitor: QmpConnection | undefined;
  while (!monitor) {
    monitor = await QmpConnection.connect(join(directory, 'qmp'), 10_000, systemClock, listener).catch(() => undefined);
  }
  const { status } = (await monitor.execute('query-status', undefined, 10_000)) as { status: string };
  const started = performance.now() - startedAt;
  if (status !== 'running') throw new Error(`QEMU says ${status}`);
  const quitAt = performance.now();
  await monitor.execute('quit', undefined, 10_000).catch(() => undefined);
  await ended;
  monitor.close();
  return [started, performance.now() - quitAt];
}
