import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Answer, filesAt, serve } from '../../support/file-server.ts';
import { selfSigned } from '../../support/identity.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { fetched } from '../../support/transfers.ts';

function leadTo(location: string | undefined, status = 302): Answer {
  return (_request, response) => response.writeHead(status, location === undefined ? {} : { location }).end('moved');
}

/** File with a certificate, as an administrator would name it. */
function fileOf(certificate: string): string {
  const file = join(temporaryDirectory(), 'authorities.pem');
  writeFileSync(file, certificate);
  return file;
}

describe('a server that leads elsewhere', () => {
  it.each([301, 302, 303, 307, 308])('with status %i is followed, also by a relative path', async status => {
    const { requests, url } = await serve((request, response) => {
      if (request.url === '/b/c') response.end('here');
      else leadTo('../b/c', status)(request, response);
    });
    expect((await fetched(`${url}/a/x`)).toString()).toBe('here');
    expect(requests).toEqual(['/a/x', '/b/c']);
  });

  it('is asked for the rest of a broken transfer where it led to', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/a') {
        leadTo('/b')(request, response);
        return;
      }
      if (request.headers.range === undefined) {
        response.writeHead(200, { 'content-length': 4, etag: '"1"' }).write('ab', () => response.destroy());
      } else {
        const from = Number(/\d+/.exec(request.headers.range)![0]);
        response.writeHead(206, { 'content-range': `bytes ${from}-3/4` }).end('abcd'.slice(from));
      }
    });
    expect((await fetched(`${server.url}/a`)).toString()).toBe('abcd');
    expect(server.requests.slice(0, 2)).toEqual(['/a', '/b']);
    expect(server.requests.slice(2)).not.toContain('/a');
  });

  it('in circles, or too often, is refused', async () => {
    const { requests, url } = await serve(leadTo('/a'));
    await expect(fetched(`${url}/a`)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(requests).toHaveLength(6);
  });

  it.each([[undefined], ['ftp://127.0.0.1/a'], ['file:///etc/passwd'], ['http://'], ['data:text/plain,a']])(
    'to %s is refused',
    async location => {
      const { url } = await serve(leadTo(location));
      await expect(fetched(`${url}/a`)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    },
  );

  it('does not learn user and password that are for another, nor choose them', async () => {
    const seen: unknown[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('x');
    });
    const { url } = await serve(leadTo(`${other.url.replace('//', '//him:self@')}/a`));
    await fetched(`${url.replace('//', '//me:pw@')}/a`);
    expect(seen).toEqual([undefined]);
  });

  it('from http to https of the same host is followed with user and password, back to http it is not', async () => {
    const identity = await selfSigned(['127.0.0.1']);
    const authoritiesFile = fileOf(identity.certificate);
    const seen: unknown[] = [];
    const secure = await serve((request, response) => {
      seen.push(request.headers.authorization !== undefined);
      response.end('x');
    }, identity);
    const up = await serve(leadTo(`${secure.url}/a`));
    expect((await fetched(`${up.url.replace('//', '//me:pw@')}/a`, { authoritiesFile })).toString()).toBe('x');
    expect(seen).toEqual([true]);
    const plain = await serve(filesAt({ '/a': 'x' }));
    const down = await serve(leadTo(`${plain.url}/a`), identity);
    await expect(fetched(`${down.url}/a`, { authoritiesFile })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(plain.requests).toEqual([]);
  });
});

describe('a file behind https', () => {
  it('comes from a server whose certificate is that of an authority that the caller names', async () => {
    const identity = await selfSigned(['127.0.0.1']);
    const { requests, url } = await serve(filesAt({ '/a': 'x' }), identity);
    await expect(fetched(`${url}/a`)).rejects.toMatchObject({
      code: 'HOST',
      message: expect.stringContaining('its certificate is not trusted') as string,
    });
    expect(requests).toEqual([]);
    expect((await fetched(`${url}/a`, { authoritiesFile: fileOf(identity.certificate) })).toString()).toBe('x');
  });

  it('does not come from a server whose certificate is for another', async () => {
    const identity = await selfSigned(['127.0.0.2']);
    const { requests, url } = await serve(filesAt({ '/a': 'x' }), identity);
    await expect(fetched(`${url}/a`, { authoritiesFile: fileOf(identity.certificate) })).rejects.toMatchObject({
      code: 'HOST',
      message: expect.stringContaining('its certificate is not trusted') as string,
    });
    expect(requests).toEqual([]);
  });

  it('is not fetched when the file of authorities is missing or is none', async () => {
    const missing = join(temporaryDirectory(), 'none.pem');
    await expect(fetched('https://127.0.0.1:1/a', { authoritiesFile: missing })).rejects.toMatchObject({
      code: 'BAD_CONFIG',
    });
    await expect(fetched('https://127.0.0.1:1/a', { authoritiesFile: fileOf('a letter') })).rejects.toMatchObject({
      code: 'BAD_CONFIG',
    });
  });
});
