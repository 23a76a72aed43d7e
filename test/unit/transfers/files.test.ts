import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { parseSource } from '../../../src/transfers/source.ts';
import { fetchText, openTransfer } from '../../../src/transfers/transfer.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { bytesOf, distinctBytes, fetched, transferOptions } from '../../support/transfers.ts';
import { waitUntil } from '../../support/wait.ts';

const FILE = distinctBytes(1_000_000);

function place(): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'a.img'), FILE);
  return directory;
}

describe('a file of this server', () => {
  it('comes whole, by its path or its URL, with its size and name', async () => {
    const directory = place();
    const transfer = await openTransfer(parseSource(`file://${directory}/a.img`), transferOptions());
    expect([transfer.name, transfer.totalBytes]).toEqual(['a.img', FILE.length]);
    expect((await bytesOf(transfer.stream)).equals(FILE)).toBe(true);
    expect((await fetched(`${directory}/a.img`)).equals(FILE)).toBe(true);
  });

  it('must be a regular file, and is not waited for when it is a pipe', async () => {
    const directory = place();
    mkdirSync(join(directory, 'directory'));
    symlinkSync('a.img', join(directory, 'link'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    for (const name of ['directory', 'link', 'pipe']) {
      await expect(fetched(join(directory, name))).rejects.toMatchObject({ code: 'BAD_VALUE' });
    }
    await expect(fetched('/dev/zero')).rejects.toMatchObject({ code: 'BAD_VALUE' });
    await expect(fetched(join(directory, 'none'))).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    await expect(fetched(join(directory, 'a.img/x'))).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
  });

  it('that becomes shorter while it is read is not taken as whole', async () => {
    const directory = place();
    const { stream } = await openTransfer(parseSource(join(directory, 'a.img')), transferOptions());
    stream.once('data', () => truncateSync(join(directory, 'a.img'), 10));
    await expect(bytesOf(stream)).rejects.toMatchObject({ code: 'STALE' });
  });

  it('is held to the bandwidth that is given', async () => {
    let nowMs = 0;
    const sleep = (ms: number): Promise<void> => {
      nowMs += ms;
      return Promise.resolve();
    };
    const clock = { ...systemClock, monotonic: () => nowMs, sleep };
    const doneMs: [number, number][] = [];
    const content = await fetched(join(place(), 'a.img'), {
      clock,
      bytesPerSecond: 100_000,
      onProgress: doneBytes => doneMs.push([doneBytes, nowMs]),
    });
    expect(content.equals(FILE)).toBe(true);
    // The bucket is full at first, with the bytes of one second: the others take nine.
    expect(Math.round(nowMs)).toBe(9000);
    for (const [bytes, ms] of doneMs) expect(bytes).toBeLessThanOrEqual(100_000 + ms * 100 + 1);
  });

  it('as a small text comes whole or not at all', async () => {
    const directory = place();
    writeFileSync(join(directory, 'text'), 'größe\n');
    const options = { clock: systemClock, idleTimeoutMs: 5000 };
    expect(await fetchText(parseSource(join(directory, 'text')), 8, options)).toBe('größe\n');
    await expect(fetchText(parseSource(join(directory, 'text')), 7, options)).rejects.toMatchObject({
      code: 'BAD_VALUE',
    });
  });
});

describe('a file of an NFS server', () => {
  it('is read through the mount that the caller makes, which is given up when it ends, fails and is not wanted', async () => {
    const directory = place();
    let mounts = 0;
    const openNfs = (host: string, path: string) => {
      expect(host).toBe('filer');
      mounts += 1;
      return Promise.resolve({
        path: directory + path,
        release: () => {
          mounts -= 1;
          return Promise.resolve();
        },
      });
    };
    const { name, stream } = await openTransfer(parseSource('nfs:filer:/a.img'), transferOptions({ openNfs }));
    expect([name, mounts]).toEqual(['a.img', 1]);
    expect((await bytesOf(stream)).equals(FILE)).toBe(true);
    await waitUntil('it is released', () => mounts === 0);
    await expect(fetched('nfs://filer/none', { openNfs })).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    expect(mounts).toBe(0);
    await expect(fetched('nfs://filer/a.img', { openNfs, limitBytes: 5 })).rejects.toMatchObject({ code: 'BAD_VALUE' });
    await waitUntil('it is released', () => mounts === 0);
    const unread = await openTransfer(parseSource('nfs:filer:/a.img'), transferOptions({ openNfs }));
    unread.stream.destroy();
    await waitUntil('it is released', () => mounts === 0);
  });

  it('that does not answer is not waited for, and released when it does in the end', async () => {
    const directory = place();
    let answer: () => void = () => undefined;
    let isReleased = false;
    const openNfs = (_host: string, path: string) =>
      new Promise<{ path: string; release: () => Promise<void> }>(resolve => {
        answer = () =>
          resolve({
            path: directory + path,
            release: () => {
              isReleased = true;
              return Promise.resolve();
            },
          });
      });
    await expect(fetched('nfs:filer:/a.img', { openNfs, idleTimeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    answer();
    await waitUntil('it is released', () => isReleased);
  });

  it('is refused where there is no way to it', async () => {
    await expect(fetched('nfs:filer:/a.img')).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });
});
