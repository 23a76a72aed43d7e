import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentPaths } from '../../src/config/paths.ts';
import { decodeDocument } from '../../src/xmlrpc/decode.ts';
import { readMethodCall } from '../../src/xmlrpc/reader.ts';
import type { XmlRpcValue } from '../../src/xmlrpc/values.ts';
import { writeMethodResponse } from '../../src/xmlrpc/writer.ts';
import type { Job } from '../../utils/job-view.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const program = resolve(import.meta.dirname, '../../dist/utils/ovs-agent.js');

const job: Job = {
  id: 'j1',
  method: 'save_vm',
  user: 'admin',
  guest: '/OVS/running_pool/web',
  state: 'running',
  progress: 25,
  step: 'writing memory',
  created_at: '2026-01-31T12:00:00.000Z',
  started_at: '2026-01-31T12:00:00.000Z',
};

type Answer = (method: string, params: readonly XmlRpcValue[]) => XmlRpcValue;

/** A control socket behind which calls are answered so; the calls that were made are in the list. */
async function answering(answer: Answer): Promise<{ root: string; calls: string[] }> {
  const root = temporaryDirectory();
  const { controlSocket } = new AgentPaths(root);
  mkdirSync(dirname(controlSocket), { recursive: true });
  const calls: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method, params } = readMethodCall(decodeDocument(Buffer.concat(parts)), { depth: 8, values: 100 });
      calls.push([method, ...params.map(String)].join(' '));
      response.writeHead(200, { 'Content-Type': 'text/xml' });
      response.end(writeMethodResponse(answer(method, params)));
    });
  });
  await new Promise<void>(done => server.listen(controlSocket, done));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { root, calls };
}

function run(root: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, 'jobs', ...args, '--root', root], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', data => (stdout += String(data)));
  child.stderr.on('data', data => (stderr += String(data)));
  return new Promise(done => child.once('close', code => done({ code, stdout, stderr })));
}

/** One answer after the other; the last one stays. */
function inTurn(...jobs: Job[]): Answer {
  return () => ({ ...(jobs.length > 1 ? jobs.shift()! : jobs[0]!) });
}

describe('ovs-agent jobs', () => {
  it('shows the jobs once', async () => {
    const { root, calls } = await answering(() => [{ ...job }]);
    const { code, stdout } = await run(root);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^j1 {2}\[######\.{18}\] {2}25 % .* save_vm \/OVS\/running_pool\/web \(admin\) {2}writing memory\n$/,
    );
    expect(JSON.parse((await run(root, '--json')).stdout)).toEqual([job]);
    expect(calls).toEqual(['list_jobs', 'list_jobs']);
  });

  it.each([
    ['done', 0],
    ['failed', 1],
    ['cancelled', 4],
  ] as const)('follows a job until it is %s, with exit code %d and a line per change', async (state, exitCode) => {
    const end: Job = { ...job, state, ended_at: '2026-01-31T12:05:00.000Z' };
    const { root, calls } = await answering(inTurn(job, job, { ...job, progress: 80 }, end));
    const { code, stdout } = await run(root, '--follow', 'j1', '--json');
    expect(code).toBe(exitCode);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as unknown),
    ).toEqual([job, { ...job, progress: 80 }, end]);
    expect(calls).toEqual(Array(4).fill('get_job j1'));
  });

  it('cancels one, and says why one cannot be', async () => {
    const { root, calls } = await answering((_method, [id]) =>
      id === 'j1' ? 'success' : 'failed:WRONG_STATE: cancel job j2: it is done; only a job that goes on is cancelled',
    );
    expect(await run(root, 'cancel', 'j1')).toEqual({ code: 0, stdout: 'job j1 is being cancelled\n', stderr: '' });
    const { code, stderr } = await run(root, 'cancel', 'j2');
    expect([code, stderr]).toEqual([1, expect.stringContaining('it is done; only a job that goes on')]);
    expect(calls).toEqual(['cancel_job j1', 'cancel_job j2']);
  });
});
