import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packDirectory } from '../../src/archives/pack.ts';
import { systemClock } from '../../src/host/clock.ts';
import { copyInto, unpackInto } from '../../src/services/template-content.ts';
import { memoryMib, type Row } from './measure.ts';

const MIB = 2 ** 20;
const ROUNDS = 6;
const LIMIT = 1.1;
const MEMORY_LIMIT_MIB = 100;
const options = { clock: systemClock, signal: new AbortController().signal, report: () => undefined };

/** A guest's directory: 512 MiB, half of which compresses to nothing, in pieces of an image of 8 GiB. */
function makeGuest(root: string): string {
  const guest = join(root, 'guest');
  mkdirSync(guest);
  writeFileSync(join(guest, 'vm.cfg'), 'memory = 64\n');
  const image = join(guest, 'System.img');
  const descriptor = openSync(image, 'w');
  for (let piece = 0; piece < 64; piece++) {
    const bytes = Buffer.concat([randomBytes(4 * MIB), Buffer.alloc(4 * MIB, `text of a file, number ${piece}; `)]);
    writeSync(descriptor, bytes, 0, bytes.length, piece * 128 * MIB);
  }
  closeSync(descriptor);
  truncateSync(image, 8192 * MIB);
  return guest;
}

async function seconds(work: () => Promise<void> | void): Promise<number> {
  execFileSync('sync');
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** The same work by the programs of an operator and by the agent, in turn; both begin with files that were read before. */
async function compared(
  work: string,
  root: string,
  floor: { readonly name: string; readonly run: (directory: string) => void },
  product: (directory: string) => Promise<void>,
): Promise<Row> {
  const times: { readonly floor: number; readonly product: number }[] = [];
  let peakMib = 0;
  const looking = setInterval(() => (peakMib = Math.max(peakMib, memoryMib(process.pid))), 50);
  let holes = '';
  for (let round = 0; round < ROUNDS; round++) {
    const [one, other] = ['floor', 'product'].map(name => join(root, name)) as [string, string];
    for (const directory of [one, other]) mkdirSync(directory);
    const acts = { floor: () => floor.run(one), product: () => product(other) };
    const time = { floor: 0, product: 0 };
    // Whoever comes second finds the disk busier.
    const order = round % 2 === 0 ? (['floor', 'product'] as const) : (['product', 'floor'] as const);
    for (const name of order) time[name] = await seconds(acts[name]);
    times.push(time);
    const taken = (directory: string): number =>
      readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).blocks / 2048, 0);
    holes = `${taken(one).toFixed(0)} and ${taken(other).toFixed(0)} MiB taken`;
    for (const directory of [one, other]) rmSync(directory, { recursive: true });
  }
  clearInterval(looking);
  // The best of each: a virtual disk makes some copies ten times slower than others, whoever makes them.
  const floorSeconds = Math.min(...times.map(time => time.floor));
  const productSeconds = Math.min(...times.map(time => time.product));
  const ratio = productSeconds / floorSeconds;
  return {
    work: `${work} (${holes})`,
    floor: `${floor.name}: ${floorSeconds.toFixed(2)} s`,
    product: `${productSeconds.toFixed(2)} s, memory ${peakMib.toFixed(0)} MiB`,
    ratio,
    target: `≤ ${LIMIT}, < ${MEMORY_LIMIT_MIB} MiB`,
    isMet: ratio <= LIMIT && peakMib < MEMORY_LIMIT_MIB,
  };
}

/** Clone, import and pack beside the programs with which an operator would do them. */
export async function benchStorage(): Promise<Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'ovs-agent-bench-'));
  try {
    const guest = makeGuest(root);
    const archive = join(root, 'guest.tgz');
    execFileSync('tar', ['czSf', archive, '-C', guest, '.']);
    return [
      await compared(
        'clone of an image of 8 GiB with 512 MiB of data',
        root,
        {
          name: 'cp --reflink=auto --sparse=always',
          run: directory =>
            void execFileSync('cp', ['--reflink=auto', '--sparse=always', '-r', `${guest}/.`, directory]),
        },
        directory => copyInto(directory, guest, options),
      ),
      await compared(
        'import of its template',
        root,
        { name: 'tar xzS', run: directory => void execFileSync('tar', ['xzSf', archive, '-C', directory]) },
        directory => unpackInto(directory, createReadStream(archive), statSync(archive).size, options),
      ),
      await compared(
        'packing of it',
        root,
        {
          name: 'tar czS',
          run: directory => void execFileSync('tar', ['czSf', join(directory, 'x.tgz'), '-C', guest, '.']),
        },
        directory =>
          packDirectory(guest, {
            output: createWriteStream(join(directory, 'x.tgz')),
            compression: 'gzip',
            clock: systemClock,
            timeoutMs: 600_000,
          }),
      ),
    ];
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
