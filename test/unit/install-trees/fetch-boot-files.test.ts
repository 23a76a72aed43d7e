import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchBootFiles } from '../../../src/install-trees/fetch-boot-files.ts';
import type { TreeFile } from '../../../src/install-trees/install-tree.ts';
import { parseSha256 } from '../../../src/transfers/checksums.ts';
import { parseSource } from '../../../src/transfers/source.ts';
import { type Answer, filesAt, serve } from '../../support/file-server.ts';
import { mountSmall, unmount } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { distinctBytes, transferOptions } from '../../support/transfers.ts';
import { waitUntil } from '../../support/wait.ts';

const KERNEL = distinctBytes(100_000);
const RAMDISK = distinctBytes(300_000).reverse();
const whole = filesAt({ '/vmlinuz': KERNEL, '/initrd': RAMDISK });

function treeAt(url: string): { readonly kernel: TreeFile; readonly ramdisk: TreeFile } {
  return {
    kernel: { path: 'vmlinuz', source: parseSource(`${url}/vmlinuz`), totalBytes: KERNEL.length },
    ramdisk: { path: 'initrd', source: parseSource(`${url}/initrd`), totalBytes: RAMDISK.length },
  };
}

/** Answers for the ramdisk otherwise. */
function ramdiskBy(answer: Answer): Answer {
  return (request, response) => (request.url === '/initrd' ? answer : whole)(request, response);
}

describe('the boot files of a tree', () => {
  it('are fetched whole and private, in place of those that were there, and tell how far both are', async () => {
    const { url } = await serve(whole);
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'vmlinuz'), 'of an earlier try');
    const progress: (number | undefined)[][] = [];
    const files = await fetchBootFiles(
      treeAt(url),
      directory,
      transferOptions({ onProgress: (...figures) => progress.push(figures) }),
    );
    expect(files).toEqual({ kernel: join(directory, 'vmlinuz'), ramdisk: join(directory, 'initrd.img') });
    expect(readFileSync(files.kernel).equals(KERNEL)).toBe(true);
    expect(readFileSync(files.ramdisk).equals(RAMDISK)).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(['initrd.img', 'vmlinuz']);
    expect(statSync(files.kernel).mode & 0o777).toBe(0o600);
    expect(progress.at(-1)).toEqual([400_000, 400_000]);
    const done = progress.map(([bytes]) => bytes!);
    expect(done).toEqual([...done].sort((one, other) => one - other));
  });

  it.each<[string, string, Answer]>([
    ['is gone', 'NO_SUCH_FILE', (_request, response) => response.writeHead(404).end()],
    ['is empty', 'BAD_VALUE', (_request, response) => response.end()],
    [
      'is too large',
      'BAD_VALUE',
      (_request, response) => response.writeHead(200, { 'content-length': 512 * 2 ** 20 + 1 }).write('x'),
    ],
    [
      'breaks off',
      'HOST',
      (_request, response) =>
        response.writeHead(200, { 'content-length': 10 }).write('12345', () => response.destroy()),
    ],
  ])('leave nothing when one %s, and those that were there stay', async (_what, code, answer) => {
    const { url } = await serve(ramdiskBy(answer));
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'vmlinuz'), 'of an earlier try');
    await expect(fetchBootFiles(treeAt(url), directory, transferOptions())).rejects.toMatchObject({ code });
    expect(readdirSync(directory)).toEqual(['vmlinuz']);
    expect(readFileSync(join(directory, 'vmlinuz'), 'utf8')).toBe('of an earlier try');
  });

  it('are compared with the checksums of the tree', async () => {
    const { url } = await serve(whole);
    const directory = temporaryDirectory();
    const { kernel, ramdisk } = treeAt(url);
    const right = parseSha256(createHash('sha256').update(KERNEL).digest('hex'));
    const wrong = parseSha256('0'.repeat(64));
    await expect(
      fetchBootFiles({ kernel: { ...kernel, sha256: wrong }, ramdisk }, directory, transferOptions()),
    ).rejects.toMatchObject({ code: 'BAD_VALUE', message: expect.stringContaining(right) as string });
    expect(readdirSync(directory)).toEqual([]);
    await fetchBootFiles({ kernel: { ...kernel, sha256: right }, ramdisk }, directory, transferOptions());
  });

  it('leave nothing when they are given up', async () => {
    const { requests, url } = await serve(
      ramdiskBy((_request, response) => response.writeHead(200, { 'content-length': 10 }).write('12345')),
    );
    const directory = temporaryDirectory();
    const giving = new AbortController();
    const fetching = fetchBootFiles(treeAt(url), directory, transferOptions({ signal: giving.signal }));
    fetching.catch(() => undefined);
    await waitUntil('the ramdisk is asked for', () => requests.length === 2);
    expect(readdirSync(directory)).toHaveLength(2);
    giving.abort();
    await expect(fetching).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('are not left alone when one cannot have its name', async () => {
    const { url } = await serve(whole);
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'initrd.img'));
    await expect(fetchBootFiles(treeAt(url), directory, transferOptions())).rejects.toMatchObject({ code: 'HOST' });
    expect(readdirSync(directory)).toEqual(['initrd.img']);
  });

  it('leave nothing on a disk that is full', async () => {
    const { url } = await serve(
      ramdiskBy((_request, response) => {
        const more = (): void => {
          if (!response.destroyed) response.write(RAMDISK, more);
        };
        more();
      }),
    );
    const directory = temporaryDirectory();
    mountSmall(directory, 2);
    try {
      await expect(fetchBootFiles(treeAt(url), directory, transferOptions())).rejects.toMatchObject({
        code: 'NO_RESOURCES',
      });
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      unmount(directory);
    }
  });
});
