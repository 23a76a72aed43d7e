import { Agent, request } from 'node:https';

/** Sends the same call again and again for a while, and prints how many answers came and how long they took. */
const [port, connectionsText, secondsText, authorization, callText, keepAlive] = process.argv.slice(2);
const call = Buffer.from(callText!, 'base64');
const agent = new Agent({
  keepAlive: keepAlive === 'keep',
  maxSockets: Number(connectionsText),
  rejectUnauthorized: false,
  maxCachedSessions: 0,
});
const endAt = performance.now() + Number(secondsText) * 1000;
const times: number[] = [];

function one(): Promise<void> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const sent = request(
      {
        host: '127.0.0.1',
        port: Number(port),
        path: '/RPC2',
        method: 'POST',
        agent,
        headers: { Authorization: authorization!, 'Content-Type': 'text/xml', 'Content-Length': call.length },
      },
      response => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        response.resume();
        response.on('end', () => {
          times.push(performance.now() - startedAt);
          resolve();
        });
      },
    );
    sent.on('error', reject);
    sent.end(call);
  });
}

async function untilTheEnd(): Promise<void> {
  while (performance.now() < endAt) await one();
}

await Promise.all(Array.from({ length: Number(connectionsText) }, untilTheEnd));
times.sort((left, right) => left - right);
const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
process.stdout.write(`${JSON.stringify({ calls: times.length, p50: at(0.5), p99: at(0.99) })}\n`);
process.exit(0);
