import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { waitUntil } from './wait.ts';

/**
 * Serves a directory on loopback by a program that is none of ours, until the test ends.
 * @returns its URL, without a slash at its end
 */
export async function serveFiles(directory: string): Promise<string> {
  const server = spawn('python3', ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void server.kill());
  let said = '';
  server.stdout.on('data', text => (said += String(text)));
  await waitUntil('the server listens', () => /port \d+/.test(said));
  return `http://127.0.0.1:${/port (\d+)/.exec(said)![1]}`;
}
