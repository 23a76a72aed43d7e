import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { ChecksumStream, fetchChecksum, parseChecksumFile, parseSha256 } from '../../../src/transfers/checksums.ts';
import { parseSource } from '../../../src/transfers/source.ts';
import { failureOf } from '../../support/failure-of.ts';
import { filesAt, serve } from '../../support/file-server.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { distinctBytes, transferOptions } from '../../support/transfers.ts';

const FILE = distinctBytes(200_000);
const SUM = createHash('sha256').update(FILE).digest('hex');
const OTHER = 'f'.repeat(64);

describe('a file of checksums', () => {
  it.each([
    ['a bare sum', SUM],
    ['a bare sum in capitals with a line break', `${SUM.toUpperCase()}\r\n`],
    ['a sum and a name', `${SUM}  a.img\n`],
    ['a sum and a name that was read as binary', `${SUM} *a.img\n`],
    ['a name in a directory', `${SUM}  ./images/a.img\n`],
    ['several names', `${OTHER}  b.img\n${SUM}  a.img\n${OTHER}  aa.img\n`],
    ['the same twice', `${SUM}  a.img\n${SUM} *a.img\n`],
    ['the form of BSD', `SHA256 (b.img) = ${OTHER}\nSHA256 (a.img) = ${SUM}\n`],
    ['signatures and comments around', `-----BEGIN PGP SIGNED MESSAGE-----\n# a.img: 5 bytes\n${SUM}  a.img\n`],
  ])('with %s tells the sum', (_what, text) => {
    expect(parseChecksumFile(text, 'a.img')).toBe(SUM);
  });

  it.each([
    ['nothing', ''],
    ['other names', `${OTHER}  b.img\n${OTHER}  aa.img\n`],
    ['different sums for it', `${SUM}  a.img\n${OTHER}  a.img\n`],
    ['two bare sums', `${SUM}\n${OTHER}\n`],
    ['a sum of another kind', `${'0'.repeat(40)}  a.img\n`],
    ['a page', '<html>a.img</html>'],
  ])('with %s is refused', (_what, text) => {
    expect(failureOf(() => parseChecksumFile(text, 'a.img')).code).toBe('BAD_VALUE');
  });

  it('is fetched from beside the file, and no more than 64 KiB of it', async () => {
    const { url } = await serve(
      filesAt({ '/a.img.sha256': `${SUM}  a.img\n`, '/b.img.sha256': `${SUM}  b.img\n`.repeat(1000) }),
    );
    expect(await fetchChecksum(parseSource(`${url}/a.img`), transferOptions())).toBe(SUM);
    await expect(fetchChecksum(parseSource(`${url}/b.img`), transferOptions())).rejects.toMatchObject({
      code: 'BAD_VALUE',
    });
    await expect(fetchChecksum(parseSource(`${url}/c.img`), transferOptions())).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
    });
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'a.img.sha256'), SUM);
    expect(await fetchChecksum(parseSource(join(directory, 'a.img')), transferOptions())).toBe(SUM);
  });
});

describe('a checksum', () => {
  const source = parseSource('http://me:pw@host/a.img');

  /** @returns what came out at the other end */
  async function through(stream: ChecksumStream): Promise<Buffer> {
    const pieces: Buffer[] = [];
    const sink = new Writable({
      write(piece: Buffer, _encoding, callback) {
        pieces.push(piece);
        callback();
      },
    });
    await pipeline(Readable.from([FILE.subarray(0, 70_000), FILE.subarray(70_000)]), stream, sink);
    return Buffer.concat(pieces);
  }

  it('is made while the bytes flow, which stay as they are', async () => {
    const stream = new ChecksumStream(source);
    expect((await through(stream)).equals(FILE)).toBe(true);
    expect(stream.sum).toBe(SUM);
    await through(new ChecksumStream(source, parseSha256(SUM.toUpperCase())));
  });

  it('that is not the expected one fails the pipeline, and tells both', async () => {
    await expect(through(new ChecksumStream(source, parseSha256(OTHER)))).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: `fetch http://host/a.img: its SHA-256 sum is ${SUM}, not ${OTHER} as was told; see to the file and its sum`,
    });
  });

  it.each(['', 'abc', `${SUM}0`, `${SUM}\n`, SUM.replace(/./, 'g')])('%j is no sum', text => {
    expect(failureOf(() => parseSha256(text)).code).toBe('BAD_VALUE');
  });
});
