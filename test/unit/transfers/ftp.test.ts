import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSource } from '../../../src/transfers/source.ts';
import { openTransfer } from '../../../src/transfers/transfer.ts';
import { FtpServer } from '../../support/ftp-server.ts';
import { bytesOf, distinctBytes, fetched, impatientClock, transferOptions } from '../../support/transfers.ts';
import { waitUntil } from '../../support/wait.ts';

const FILE = distinctBytes(300_000);
const CHANGED = '20260201100000';

async function serverWithFile(): Promise<FtpServer> {
  const server = await FtpServer.start();
  server.files.set('/pub/a.img', { bytes: FILE, changed: CHANGED });
  return server;
}

/** Arguments of all processes that speak to the server. */
function argumentsMentioning(url: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(name => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter(line => line.includes(url.slice('ftp://'.length)));
}

describe('a file behind ftp', () => {
  it('comes whole, with its size and name, and tells how far it is', async () => {
    const server = await serverWithFile();
    const progress: (number | undefined)[][] = [];
    const transfer = await openTransfer(
      parseSource(`${server.url}/pub/a.img`),
      transferOptions({ onProgress: (...figures) => progress.push(figures) }),
    );
    expect([transfer.name, transfer.totalBytes]).toEqual(['a.img', FILE.length]);
    expect((await bytesOf(transfer.stream)).equals(FILE)).toBe(true);
    expect(progress.at(-1)).toEqual([FILE.length, FILE.length]);
  });

  it('is taken up where the connection broke', async () => {
    const server = await serverWithFile();
    server.faults.push({ afterBytes: 100_000 }, { afterBytes: 50_000 });
    expect((await fetched(`${server.url}/pub/a.img`)).equals(FILE)).toBe(true);
    expect(server.commands.filter(line => line.startsWith('REST') && line !== 'REST 0')).toEqual([
      'REST 100000',
      'REST 150000',
    ]);
  });

  it('is taken up where it stalled, and given up when it goes on to stall', async () => {
    const server = await serverWithFile();
    server.faults.push({ afterBytes: 100_000, stalls: true });
    expect((await fetched(`${server.url}/pub/a.img`, { idleTimeoutMs: 500 })).equals(FILE)).toBe(true);
    server.faults.push(...Array.from({ length: 6 }, () => ({ afterBytes: 0, stalls: true })));
    const { clock, sleptMs } = impatientClock();
    await expect(fetched(`${server.url}/pub/a.img`, { clock, idleTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(sleptMs).toHaveLength(5);
  });

  it.each<[string, string, (server: FtpServer) => void]>([
    [
      'changed',
      'STALE',
      server => server.files.set('/pub/a.img', { bytes: Buffer.alloc(FILE.length), changed: '20260201100001' }),
    ],
    [
      'became shorter',
      'STALE',
      server => server.files.set('/pub/a.img', { bytes: FILE.subarray(0, 200_000), changed: CHANGED }),
    ],
    ['went away', 'NO_SUCH_FILE', server => server.files.delete('/pub/a.img')],
    [
      'cannot be sent in part',
      'NOT_SUPPORTED',
      server => {
        server.knowsRest = false;
      },
    ],
  ])('is never mixed with another: one that %s after the connection broke fails with %s', async (_what, code, act) => {
    const server = await serverWithFile();
    server.faults.push({ afterBytes: 100_000 });
    const { stream } = await openTransfer(parseSource(`${server.url}/pub/a.img`), transferOptions());
    const pieces: Buffer[] = [];
    stream.once('data', () => act(server));
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    await expect(
      new Promise((resolve, reject) => {
        stream.on('end', resolve).on('error', reject);
      }),
    ).rejects.toMatchObject({ code });
    expect(Buffer.concat(pieces).equals(FILE.subarray(0, 100_000))).toBe(true);
  });

  it('of a server that tells no times is not taken up', async () => {
    const server = await serverWithFile();
    server.knowsTimes = false;
    expect((await fetched(`${server.url}/pub/a.img`)).equals(FILE)).toBe(true);
    server.faults.push({ afterBytes: 100_000 });
    await expect(fetched(`${server.url}/pub/a.img`)).rejects.toMatchObject({ code: 'HOST' });
  });

  it('that is not there, or too large, is refused', async () => {
    const server = await serverWithFile();
    await expect(fetched(`${server.url}/pub/b.img`)).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    await expect(fetched(`${server.url}/none/a.img`)).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    await expect(fetched(`${server.url}/pub/a.img`, { limitBytes: 299_999 })).rejects.toMatchObject({
      code: 'BAD_VALUE',
    });
    expect(server.commands.filter(line => line.startsWith('RETR'))).toEqual([]);
  });

  it('of a server that cannot be reached fails at once', async () => {
    await expect(fetched('ftp://127.0.0.1:1/a')).rejects.toMatchObject({ code: 'HOST' });
  });

  it('is fetched as the user of the source, whose password nobody on this server can see', async () => {
    const server = await serverWithFile();
    server.password = 'se"c\\ret';
    const url = server.url.replace('//', '//me:se%22c%5Cret@');
    let seen: string[] = [];
    server.beforeTransfer = () => {
      seen = argumentsMentioning(server.url);
    };
    expect((await fetched(`${url}/pub/a.img`)).equals(FILE)).toBe(true);
    expect(server.commands).toContain('USER me');
    expect(seen).toHaveLength(1);
    expect(seen.join(' ')).not.toMatch(/ret|user/);
    await expect(fetched(`${server.url.replace('//', '//me:wrong@')}/pub/a.img`)).rejects.toMatchObject({
      code: 'DENIED',
    });
  });

  it('leaves no program when it is given up', async () => {
    const server = await serverWithFile();
    server.faults.push({ afterBytes: 1000, stalls: true });
    const giving = new AbortController();
    const { stream } = await openTransfer(
      parseSource(`${server.url}/pub/a.img`),
      transferOptions({ signal: giving.signal }),
    );
    stream.once('data', () => giving.abort());
    await expect(bytesOf(stream)).rejects.toMatchObject({ code: 'CANCELLED' });
    await waitUntil('curl is gone', () => argumentsMentioning(server.url).length === 0);
  });
});
