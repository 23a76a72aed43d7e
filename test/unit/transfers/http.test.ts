import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { parseSource } from '../../../src/transfers/source.ts';
import { openTransfer } from '../../../src/transfers/transfer.ts';
import { filesAt, serve } from '../../support/file-server.ts';
import { bytesOf, distinctBytes, fetched, impatientClock, transferOptions } from '../../support/transfers.ts';
import { waitUntil } from '../../support/wait.ts';

const FILE = distinctBytes(300_000);
const ETAG = '"one"';

/** Sends what is asked for, as a right server does. */
function sendRightly(request: IncomingMessage, response: ServerResponse, file = FILE, etag = ETAG): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from === 0 || request.headers['if-range'] !== etag) {
    response.writeHead(200, { 'content-length': file.length, etag }).end(file);
    return;
  }
  const range = `bytes ${from}-${file.length - 1}/${file.length}`;
  response
    .writeHead(206, { 'content-length': file.length - from, 'content-range': range, etag })
    .end(file.subarray(from));
}

/** Sends the begin of a file under these headers, and cuts the connection. */
function cutAfter(
  response: ServerResponse,
  bytes: number,
  headers: Record<string, string | number> = { etag: ETAG },
): void {
  response.writeHead(200, { 'content-length': FILE.length, ...headers });
  response.write(FILE.subarray(0, bytes), () => response.destroy());
}

/** A server whose first answer is cut after 100,000 bytes, and whose next ones are as given. */
function cutOnce(
  next: (request: IncomingMessage, response: ServerResponse) => void,
  headers?: Record<string, string | number>,
): ReturnType<typeof serve> {
  let isFirst = true;
  return serve((request, response) => {
    if (!isFirst) {
      next(request, response);
      return;
    }
    isFirst = false;
    cutAfter(response, 100_000, headers);
  });
}

describe('a file behind http', () => {
  it('comes whole, with its size and name, and tells how far it is', async () => {
    const { url } = await serve(sendRightly);
    const progress: (number | undefined)[][] = [];
    const transfer = await openTransfer(
      parseSource(`${url}/a/b.img`),
      transferOptions({ onProgress: (...figures) => progress.push(figures) }),
    );
    expect([transfer.name, transfer.totalBytes]).toEqual(['b.img', FILE.length]);
    expect((await bytesOf(transfer.stream)).equals(FILE)).toBe(true);
    expect(progress.at(-1)).toEqual([FILE.length, FILE.length]);
  });

  it('of unknown length comes whole', async () => {
    const { url } = await serve((_request, response) => response.end(FILE));
    expect((await openTransfer(parseSource(`${url}/a`), transferOptions())).totalBytes).toBe(FILE.length);
    const chunked = await serve((_request, response) => {
      response.write(FILE.subarray(0, 7));
      response.end(FILE.subarray(7));
    });
    const transfer = await openTransfer(parseSource(`${chunked.url}/a`), transferOptions());
    expect(transfer.totalBytes).toBeUndefined();
    expect((await bytesOf(transfer.stream)).equals(FILE)).toBe(true);
  });

  it('is asked for without encoding, and with user and password where the source has them', async () => {
    const seen: unknown[] = [];
    const { url } = await serve((request, response) => {
      seen.push(request.headers['accept-encoding'], request.headers.authorization);
      response.end('x');
    });
    await fetched(`${url.replace('//', '//me:p%40ss@')}/a`);
    expect(seen).toEqual(['identity', `Basic ${Buffer.from('me:p@ss').toString('base64')}`]);
  });

  it('is taken up where the connection broke, again and again', async () => {
    const server = await serve((request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from === 0) {
        cutAfter(response, 60_000);
        return;
      }
      expect(request.headers['if-range']).toBe(ETAG);
      const range = `bytes ${from}-${FILE.length - 1}/${FILE.length}`;
      response.writeHead(206, { 'content-length': FILE.length - from, 'content-range': range });
      response.write(FILE.subarray(from, from + 60_000), () => response.destroy());
    });
    expect((await fetched(`${server.url}/a`)).equals(FILE)).toBe(true);
    expect(server.requests.length).toBeGreaterThanOrEqual(5);
    expect(server.requests[1]).toMatch(/^\/a bytes=[1-9]\d*-$/);
  });

  it('is taken up by its time of change where it has no ETag', async () => {
    const changed = 'Sun, 01 Feb 2026 10:00:00 GMT';
    const headers = { 'last-modified': changed, date: 'Sun, 01 Feb 2026 11:00:00 GMT' };
    const server = await cutOnce((request, response) => {
      expect(request.headers['if-range']).toBe(changed);
      const from = Number(/\d+/.exec(request.headers.range!)![0]);
      response
        .writeHead(206, { ...headers, 'content-range': `bytes ${from}-${FILE.length - 1}/${FILE.length}` })
        .end(FILE.subarray(from));
    }, headers);
    expect((await fetched(`${server.url}/a`)).equals(FILE)).toBe(true);
  });

  it('is given up when tries bring nothing, after ever longer waits', async () => {
    const server = await cutOnce((_request, response) => response.destroy());
    const { clock, sleptMs } = impatientClock();
    await expect(fetched(`${server.url}/a`, { clock })).rejects.toMatchObject({
      code: 'HOST',
      message: expect.stringMatching(/it broke after \d+ of 300000 bytes/) as string,
    });
    expect(sleptMs).toEqual([500, 1000, 2000, 4000, 8000]);
    expect(server.requests).toHaveLength(6);
  });

  it('is waited for when the server is overloaded meanwhile', async () => {
    let refusals = 2;
    const server = await cutOnce((request, response) => {
      refusals -= 1;
      if (refusals >= 0) response.writeHead(503).end();
      else sendRightly(request, response);
    });
    expect((await fetched(`${server.url}/a`)).equals(FILE)).toBe(true);
  });

  const anotherFile = Buffer.alloc(FILE.length, 'x');
  it.each<[string, string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ['changed', 'STALE', (request, response) => sendRightly(request, response, anotherFile, '"two"')],
    [
      'changed, of which the server sends a part all the same',
      'STALE',
      (_request, response) =>
        response
          .writeHead(206, { 'content-range': `bytes 100000-${FILE.length - 1}/${FILE.length}`, etag: '"two"' })
          .end(anotherFile.subarray(100_000)),
    ],
    [
      'became longer',
      'STALE',
      (_request, response) => response.writeHead(206, { 'content-range': 'bytes 100000-300000/300001' }).end('x'),
    ],
    ['became shorter', 'STALE', (_request, response) => response.writeHead(416).end()],
    ['went away', 'NO_SUCH_FILE', (_request, response) => response.writeHead(404).end()],
    [
      'is sent from its begin again',
      'NOT_SUPPORTED',
      (_request, response) => response.writeHead(200, { 'content-length': FILE.length, etag: ETAG }).end(FILE),
    ],
    [
      'is sent from another place',
      'HOST',
      (_request, response) =>
        response
          .writeHead(206, { 'content-range': `bytes 5-${FILE.length - 1}/${FILE.length}`, etag: ETAG })
          .end(FILE.subarray(5)),
    ],
    [
      'is sent up to some place before its end',
      'HOST',
      (_request, response) =>
        response.writeHead(206, { 'content-range': `bytes 100000-100009/${FILE.length}` }).end(FILE.subarray(100_000)),
    ],
    ['is sent in parts', 'HOST', (_request, response) => response.writeHead(206, { etag: ETAG }).end(FILE)],
    [
      'is sent compressed',
      'NOT_SUPPORTED',
      (_request, response) =>
        response
          .writeHead(206, {
            'content-range': `bytes 100000-${FILE.length - 1}/${FILE.length}`,
            'content-encoding': 'gzip',
          })
          .end(),
    ],
  ])('is never mixed with another: one that %s after the connection broke fails with %s', async (_what, code, next) => {
    const server = await serve((request, response) => {
      if (request.headers.range !== undefined) {
        next(request, response);
        return;
      }
      // Exactly as many bytes, so that the server's next answer can be about them.
      response.writeHead(200, { 'content-length': FILE.length, etag: ETAG });
      response.write(FILE.subarray(0, 100_000));
    });
    const transfer = await openTransfer(parseSource(`${server.url}/a`), transferOptions({ idleTimeoutMs: 300 }));
    await expect(bytesOf(transfer.stream)).rejects.toMatchObject({ code });
    expect(server.requests).toEqual(['/a', '/a bytes=100000-']);
  });

  it.each([
    ['nothing', {}],
    ['a weak ETag', { etag: 'W/"one"' }],
    [
      'a time of change as late as the answer',
      { 'last-modified': 'Sun, 01 Feb 2026 10:00:00 GMT', date: 'Sun, 01 Feb 2026 10:00:00 GMT' },
    ],
  ])('by which a server tells %s is not taken up', async (_what, headers) => {
    const server = await cutOnce(sendRightly, headers);
    await expect(fetched(`${server.url}/a`)).rejects.toMatchObject({ code: 'HOST' });
    expect(server.requests).toHaveLength(1);
  });

  it('that is announced longer than it is, is not taken as whole', async () => {
    const { url } = await serve((request, response) => {
      if (request.headers.range !== undefined) {
        response.writeHead(416).end();
        return;
      }
      response.writeHead(200, { 'content-length': 10, etag: ETAG, connection: 'close' });
      response.write('12345', () => response.socket?.end());
    });
    await expect(fetched(`${url}/a`)).rejects.toMatchObject({ code: 'STALE' });
  });

  it('that is too large is refused, at once where the server tells, otherwise on the way', async () => {
    const { url } = await serve(sendRightly);
    await expect(openTransfer(parseSource(`${url}/a`), transferOptions({ limitBytes: 299_999 }))).rejects.toMatchObject(
      {
        code: 'BAD_VALUE',
      },
    );
    expect((await fetched(`${url}/a`, { limitBytes: 300_000 })).length).toBe(300_000);
    let sentBytes = 0;
    const endless = await serve((_request, response) => {
      const more = (): void => {
        if (response.destroyed) return;
        sentBytes += FILE.length;
        response.write(FILE, more);
      };
      more();
    });
    await expect(fetched(`${endless.url}/a`, { limitBytes: 1_000_000 })).rejects.toMatchObject({ code: 'BAD_VALUE' });
    expect(sentBytes).toBeLessThan(50_000_000);
  });

  it('comes no faster than it is read', async () => {
    let sentBytes = 0;
    const { url } = await serve((_request, response) => {
      const more = (): void => {
        if (response.destroyed) return;
        sentBytes += FILE.length;
        response.write(FILE, more);
      };
      more();
    });
    const { stream } = await openTransfer(parseSource(`${url}/a`), transferOptions({ limitBytes: 2 ** 40 }));
    const pieces = stream[Symbol.asyncIterator]();
    await pieces.next();
    let before = -1;
    await waitUntil(
      'the server can send no more',
      () => {
        const isSame = before === sentBytes;
        before = sentBytes;
        return isSame;
      },
      10_000,
      300,
    );
    expect(sentBytes).toBeLessThan(50_000_000);
    stream.destroy();
  });

  it.each([
    [404, 'NO_SUCH_FILE'],
    [410, 'NO_SUCH_FILE'],
    [401, 'DENIED'],
    [403, 'DENIED'],
    [204, 'HOST'],
    [206, 'HOST'],
    [304, 'HOST'],
    [500, 'HOST'],
    [503, 'HOST'],
  ])('that is answered with status %i fails with %s', async (status, code) => {
    const { url } = await serve((_request, response) => response.writeHead(status).end());
    await expect(fetched(`${url}/a`)).rejects.toMatchObject({ code });
  });

  it('that is compressed is refused', async () => {
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    );
    await expect(fetched(`${url}/a`)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  it('of a server that says nothing, at first or in the middle, is not waited for', async () => {
    const silent = await serve(() => undefined);
    await expect(fetched(`${silent.url}/a`, { idleTimeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    const stalling = await serve((request, response) => {
      if (request.headers.range !== undefined) return;
      response.writeHead(200, { 'content-length': FILE.length, etag: ETAG });
      response.write(FILE.subarray(0, 1000));
    });
    await expect(fetched(`${stalling.url}/a`, { idleTimeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('of a server that cannot be reached fails at once', async () => {
    await expect(fetched('http://127.0.0.1:1/a')).rejects.toMatchObject({ code: 'HOST' });
  });

  it('is given up when the caller wants so, before it begins, while it is waited for and in the middle', async () => {
    await expect(fetched('http://127.0.0.1:1/a', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    const connections = new Set<IncomingMessage>();
    const { requests, url } = await serve((request, response) => {
      connections.add(request);
      request.on('close', () => connections.delete(request));
      if (request.url === '/stalls') response.writeHead(200, { 'content-length': 10 }).write('x');
    });
    const waiting = new AbortController();
    const opened = fetched(`${url}/silent`, { signal: waiting.signal });
    await waitUntil('it has asked', () => requests.length === 1);
    waiting.abort();
    await expect(opened).rejects.toMatchObject({ code: 'CANCELLED' });
    const reading = new AbortController();
    const { stream } = await openTransfer(parseSource(`${url}/stalls`), transferOptions({ signal: reading.signal }));
    stream.once('data', () => reading.abort());
    await expect(bytesOf(stream)).rejects.toMatchObject({ code: 'CANCELLED' });
    await waitUntil('no connection is left', () => connections.size === 0);
  });

  it('leaves no connection when its reader goes away', async () => {
    let isOpen = false;
    const { url } = await serve((request, response) => {
      isOpen = true;
      request.on('close', () => {
        isOpen = false;
      });
      response.writeHead(200, { 'content-length': 10 }).write('x');
    });
    const { stream } = await openTransfer(parseSource(`${url}/a`), transferOptions());
    expect(isOpen).toBe(true);
    stream.destroy();
    await waitUntil('the connection is closed', () => !isOpen);
  });

  it('that is empty is an empty stream', async () => {
    const { url } = await serve(filesAt({ '/a': '' }));
    expect((await fetched(`${url}/a`)).length).toBe(0);
  });
});
