import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '../support/daemon.ts';
import { median, milliseconds, type Row, startServer } from './measure.ts';

const PAIRS = 9;

/** From the start of the process until it answers a call, against a bare HTTPS server of Node.js until it listens. */
export async function benchAgentStart(): Promise<Row[]> {
  const daemon = new Daemon();
  try {
    // The first start makes the key and tries the hypervisor; operators see the later ones.
    await daemon.start();
    await daemon.stop();
    const bare: number[] = [];
    const agent: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      const bareAt = performance.now();
      const { child } = await startServer(fileURLToPath(new URL('bare-server.js', import.meta.url)), [
        join(daemon.paths.certificateDirectory, 'key.pem'),
        daemon.paths.certificateFile,
      ]);
      bare.push(performance.now() - bareAt);
      child.kill();
      const agentAt = performance.now();
      await daemon.start(1);
      agent.push(performance.now() - agentAt);
      await daemon.stop();
    }
    const time = median(agent);
    return [
      {
        work: 'start of the agent',
        floor: `bare node:https listens: ${milliseconds(median(bare))}`,
        product: `the agent answers: ${milliseconds(time)}`,
        ratio: undefined,
        target: '≤ 300 ms',
        isMet: time <= 300,
      },
    ];
  } finally {
    await daemon.dispose();
  }
}
