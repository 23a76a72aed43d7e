import { describe, expect, it } from 'vitest';
import { describeSource, parseSource, sourceBeside, sourceInside, sourceName } from '../../../src/transfers/source.ts';
import { failureOf } from '../../support/failure-of.ts';

describe('a source', () => {
  it.each([
    ['http://host/a/b.img', { kind: 'http', url: 'http://host/a/b.img' }],
    ['HTTPS://host:8443/a.img?x=1&y=2', { kind: 'https', url: 'https://host:8443/a.img?x=1&y=2' }],
    ['http://[::1]:80/a%20b.img', { kind: 'http', url: 'http://[::1]/a%20b.img' }],
    ['http://host', { kind: 'http', url: 'http://host/' }],
    ['ftp://host/~me/a.img', { kind: 'ftp', url: 'ftp://host/~me/a.img' }],
    [
      'ftp://me%40home:se%3Acret@host/a',
      { kind: 'ftp', url: 'ftp://host/a', credentials: { user: 'me@home', password: 'se:cret' } },
    ],
    ['nfs:host:/pool/a.img', { kind: 'nfs', host: 'host', path: '/pool/a.img' }],
    ['nfs://10.0.0.1/pool/a.img', { kind: 'nfs', host: '10.0.0.1', path: '/pool/a.img' }],
    ['nfs:[fe80::1]:/a', { kind: 'nfs', host: '[fe80::1]', path: '/a' }],
    ['nfs://[fe80::1]/a', { kind: 'nfs', host: '[fe80::1]', path: '/a' }],
    ['file:///OVS/seed_pool/a.img', { kind: 'file', path: '/OVS/seed_pool/a.img' }],
    ['file://localhost/a%2Bb', { kind: 'file', path: '/a+b' }],
    ['/OVS/seed_pool/a.img', { kind: 'file', path: '/OVS/seed_pool/a.img' }],
  ])('%s is understood', (text, expected) => {
    expect(parseSource(text)).toEqual(expected);
  });

  it.each([
    [''],
    ['a.img'],
    ['./a.img'],
    ['http:/host/a'],
    ['http:///a'],
    ['http:host/a'],
    ['http://host/a b'],
    ['http://host/a\nb'],
    ['http://host/a\0'],
    ['http://host/a;sleep'],
    ['http://host/$(id)'],
    ['http://host/`id`'],
    ['http://host/a|b'],
    ['http://host/a&b'],
    ['http://host/a#b'],
    ['http://host/a[1-9]'],
    ['ftp://host/{a,b}'],
    ['ftp://host/a?b'],
    ['http://host/a%0d%0ab'],
    ['http://host/a%zz'],
    ['http://host/a/../b'],
    ['http://host/a/%2e%2E/b'],
    ['http://host/./b'],
    ['http://user%0a:x@host/b'],
    ['http://us%ffer:x@host/b'],
    ['http://-host/b'],
    ['http://host:99999/b'],
    ['http://hóst/b'],
    ['nfs:host'],
    ['nfs:host:a'],
    ['nfs://host'],
    ['nfs:-o,rw:/a'],
    ['nfs:host:/a b'],
    ['nfs:host:/../a'],
    ['file://other/a'],
    ['file:a'],
    ['file:///a%20b'],
    ['file:///a%00b'],
    ['file:///a%ff'],
    ['/a/../etc/shadow'],
    ['/a b'],
    ["/a'b"],
    [`/${'a'.repeat(2048)}`],
  ])('%j is refused', text => {
    expect(failureOf(() => parseSource(text)).code).toBe('BAD_VALUE');
  });

  it.each(['sftp', 'gopher', 'dict', 'smb', 'javascript'])('of the scheme %s is refused by its name', scheme => {
    expect(failureOf(() => parseSource(`${scheme}://host/a`)).message).toContain(`"${scheme}"`);
  });

  it.each([
    ['http://me:hunter2@host/a b'],
    ['http://me:hunter2/x@host/a'],
    ['sftp://me:hunter2@host/a'],
    ['me:hunter2@host'],
    ['ftp://me:hun@ter2@host/$'],
    ['http://host/a b?token=hunter2'],
  ])('%s does not show its secret when it is refused', text => {
    const { message } = failureOf(() => parseSource(text));
    expect(message).not.toMatch(/hunter2|ter2/);
  });

  it('is described without user, password and query', () => {
    const source = parseSource('https://me:hunter2@host/a/b.img?token=abc');
    expect(describeSource(source)).toBe('https://host/a/b.img?…');
    expect(sourceName(source)).toBe('b.img');
  });

  it.each([
    ['http://me:pw@host/tree', 'http://host/tree/images/vmlinuz'],
    ['ftp://host/tree/', 'ftp://host/tree/images/vmlinuz'],
    ['http://host', 'http://host/images/vmlinuz'],
    ['nfs:host:/', 'nfs:host:/images/vmlinuz'],
    ['/tree//', '/tree/images/vmlinuz'],
  ])('as the directory %s holds what lies inside', (text, inside) => {
    expect(describeSource(sourceInside(parseSource(text), 'images/vmlinuz'))).toBe(inside);
  });

  it('has a neighbour with user and password as before, unless it has a query', () => {
    expect(sourceBeside(parseSource('http://me:pw@host/a.img'), '.sha256')).toEqual({
      kind: 'http',
      url: 'http://host/a.img.sha256',
      credentials: { user: 'me', password: 'pw' },
    });
    expect(failureOf(() => sourceBeside(parseSource('http://host/get?a.img'), '.sha256')).code).toBe('BAD_VALUE');
  });
});
