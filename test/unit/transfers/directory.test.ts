import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listDirectory } from '../../../src/transfers/directory.ts';
import { parseSource } from '../../../src/transfers/source.ts';
import { filesAt, serve } from '../../support/file-server.ts';
import { FtpServer } from '../../support/ftp-server.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { transferOptions } from '../../support/transfers.ts';

const NAMES = ['README', 'bookworm', 'stable'];

function filledDirectory(): string {
  const directory = temporaryDirectory();
  for (const name of ['stable', 'bookworm']) mkdirSync(join(directory, name));
  for (const name of ['README', '.hidden', 'with blank']) writeFileSync(join(directory, name), '');
  return directory;
}

describe('a list of a directory', () => {
  it('of this server has its plain names', async () => {
    expect(await listDirectory(parseSource(filledDirectory()), transferOptions())).toEqual(NAMES);
  });

  it('of an NFS server comes through the mount, which is given up', async () => {
    const path = filledDirectory();
    let isReleased = false;
    const release = (): Promise<void> => {
      isReleased = true;
      return Promise.resolve();
    };
    const options = transferOptions({ openNfs: () => Promise.resolve({ path, release }) });
    expect(await listDirectory(parseSource('nfs:filer:/dists'), options)).toEqual(NAMES);
    expect(isReleased).toBe(true);
  });

  it('behind http is what its page links to', async () => {
    const page = `<a href="?C=N;O=D">Name</a> <a href="/debian/">Parent</a> <a href="../">Parent</a>
      <a HREF="stable/">stable/</a> <a href='./bookworm/'>b</a> <a href=README>r</a> <a href="http://elsewhere/x/">x</a>
      <a href="a%20b/">a b</a>`;
    const { url } = await serve(filesAt({ '/dists/': page }));
    expect(await listDirectory(parseSource(`${url}/dists`), transferOptions())).toEqual(NAMES);
  });

  it('behind ftp is what the server lists', async () => {
    const server = await FtpServer.start();
    for (const name of NAMES)
      server.files.set(`/dists/${name}`, { bytes: Buffer.from('x'), changed: '20260101000000' });
    expect(await listDirectory(parseSource(`${server.url}/dists`), transferOptions())).toEqual(NAMES);
  });

  it('that is not there is said to be so', async () => {
    const { url } = await serve(filesAt({}));
    const ftp = await FtpServer.start();
    for (const text of [`${url}/dists`, `${ftp.url}/dists`, join(temporaryDirectory(), 'dists')]) {
      await expect(listDirectory(parseSource(text), transferOptions())).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    }
  });
});
