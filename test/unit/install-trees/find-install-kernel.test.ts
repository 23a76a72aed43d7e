import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findInstallKernel } from '../../../src/install-trees/find-install-kernel.ts';
import type { InstallTree, WantedKernel } from '../../../src/install-trees/install-tree.ts';
import type { TransferOptions } from '../../../src/transfers/whole-content.ts';
import { describeSource, parseSource } from '../../../src/transfers/source.ts';
import { type Answer, filesAt, serve } from '../../support/file-server.ts';
import { FtpServer } from '../../support/ftp-server.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { transferOptions } from '../../support/transfers.ts';

const SUM = 'a'.repeat(64);

/** Files of a tree, each of which holds its own path. */
function tree(paths: readonly string[], texts: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...Object.fromEntries(paths.map(path => [path, path])), ...texts };
}

function find(
  location: string,
  wanted: Partial<WantedKernel> = {},
  changes: Partial<TransferOptions> = {},
): Promise<InstallTree> {
  return findInstallKernel(
    parseSource(location),
    { kind: 'xen', architecture: 'x86_64', ...wanted },
    transferOptions(changes),
  );
}

/** Serves a tree below `/tree`. */
function serveTree(files: Readonly<Record<string, string>>): ReturnType<typeof serve> {
  return serve(filesAt(Object.fromEntries(Object.entries(files).map(([path, text]) => [`/tree/${path}`, text]))));
}

async function pathsIn(files: Readonly<Record<string, string>>, wanted: Partial<WantedKernel> = {}): Promise<string[]> {
  const { url } = await serveTree(files);
  const { family, kernel, ramdisk } = await find(`${url}/tree`, wanted);
  expect([kernel, ramdisk].map(({ source }) => describeSource(source))).toEqual([
    `${url}/tree/${kernel.path}`,
    `${url}/tree/${ramdisk.path}`,
  ]);
  expect([kernel.totalBytes, ramdisk.totalBytes]).toEqual([files[kernel.path]!.length, files[ramdisk.path]!.length]);
  return [family, kernel.path, ramdisk.path];
}

const RED_HAT_5 = [
  'images/xen/vmlinuz',
  'images/xen/initrd.img',
  'images/pxeboot/vmlinuz',
  'images/pxeboot/initrd.img',
];
const DEBIAN_NETBOOT = 'main/installer-amd64/current/images/netboot';
const DEBIAN_SUITE = ['vmlinuz', 'initrd.gz']
  .map(name => `${DEBIAN_NETBOOT}/xen/${name}`)
  .concat(['linux', 'initrd.gz'].map(name => `${DEBIAN_NETBOOT}/debian-installer/amd64/${name}`));
const UBUNTU_SUITE = ['linux', 'initrd.gz'].map(
  name => `main/installer-amd64/current/legacy-images/netboot/ubuntu-installer/amd64/${name}`,
);
const DEBIAN_DISC = [
  'install.amd/xen/vmlinuz',
  'install.amd/xen/initrd.gz',
  'install.amd/vmlinuz',
  'install.amd/initrd.gz',
];
const SUSE_11 = [
  'boot/x86_64/vmlinuz-xen',
  'boot/x86_64/initrd-xen',
  'boot/x86_64/loader/linux',
  'boot/x86_64/loader/initrd',
];

/** A mirror with suites, and a page that lists them. */
function mirror(suites: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  const paths = Object.entries(suites).flatMap(([suite, files]) => files.map(file => `dists/${suite}/${file}`));
  const page = Object.keys(suites).map(suite => `<a href="${suite}/">${suite}/</a>`);
  return tree(paths, { 'dists/': page.join('\n') });
}

describe('the kernel of an installation tree', () => {
  it.each<[string, Record<string, string>, Partial<WantedKernel>, string[]]>([
    ['Red Hat 5, paravirtual', tree(RED_HAT_5), {}, ['redhat', ...RED_HAT_5.slice(0, 2)]],
    ['Red Hat 5, hardware', tree(RED_HAT_5), { kind: 'hvm' }, ['redhat', ...RED_HAT_5.slice(2)]],
    ['Red Hat of today', tree(RED_HAT_5.slice(2)), {}, ['redhat', ...RED_HAT_5.slice(2)]],
    [
      'a Red Hat disc',
      tree(['isolinux/vmlinuz', 'isolinux/initrd.img']),
      {},
      ['redhat', 'isolinux/vmlinuz', 'isolinux/initrd.img'],
    ],
    ['SUSE 11, paravirtual', tree(SUSE_11), {}, ['suse', ...SUSE_11.slice(0, 2)]],
    ['SUSE 11, hardware', tree(SUSE_11), { kind: 'hvm' }, ['suse', ...SUSE_11.slice(2)]],
    [
      'SUSE for i386',
      tree(['boot/i386/loader/linux', 'boot/i386/loader/initrd']),
      { architecture: 'i386' },
      ['suse', 'boot/i386/loader/linux', 'boot/i386/loader/initrd'],
    ],
    ['a Debian disc, paravirtual', tree(DEBIAN_DISC), {}, ['debian', ...DEBIAN_DISC.slice(0, 2)]],
    ['a Debian disc, hardware', tree(DEBIAN_DISC), { kind: 'hvm' }, ['debian', ...DEBIAN_DISC.slice(2)]],
    [
      'a Debian disc for i386',
      tree(['install.386/vmlinuz', 'install.386/initrd.gz']),
      { architecture: 'i386' },
      ['debian', 'install.386/vmlinuz', 'install.386/initrd.gz'],
    ],
    [
      'an Ubuntu disc',
      tree(['install/netboot/ubuntu-installer/amd64/linux', 'install/netboot/ubuntu-installer/amd64/initrd.gz']),
      {},
      ['debian', 'install/netboot/ubuntu-installer/amd64/linux', 'install/netboot/ubuntu-installer/amd64/initrd.gz'],
    ],
    ['a suite of Debian', tree(DEBIAN_SUITE), {}, ['debian', ...DEBIAN_SUITE.slice(0, 2)]],
    [
      'the installer of Debian',
      tree(DEBIAN_SUITE.map(path => path.replace('main/installer-amd64/', ''))),
      { kind: 'hvm' },
      ['debian', ...DEBIAN_SUITE.slice(2).map(path => path.replace('main/installer-amd64/', ''))],
    ],
    [
      'a mirror of Debian, of which the stable suite is taken',
      mirror({ bookworm: DEBIAN_SUITE, sid: DEBIAN_SUITE, stable: DEBIAN_SUITE }),
      {},
      ['debian', ...DEBIAN_SUITE.slice(0, 2).map(path => `dists/stable/${path}`)],
    ],
    [
      'a mirror of Ubuntu with one suite that has an installer',
      mirror({ focal: UBUNTU_SUITE, 'focal-updates': UBUNTU_SUITE, jammy: ['Release'] }),
      {},
      ['debian', ...UBUNTU_SUITE.map(path => `dists/focal/${path}`)],
    ],
  ])('of %s is found', async (_what, files, wanted, expected) => {
    expect(await pathsIn(files, wanted)).toEqual(expected);
  });

  it('is where the .treeinfo says, with its version and its checksum', async () => {
    const info = `[general]\nfamily = Fedora\nversion = 39\n[images-x86_64]\nkernel = other/vmlinuz\ninitrd = other/initrd.img\n[checksums]\nother/vmlinuz = sha256:${SUM}\n`;
    const { url } = await serveTree(tree([...RED_HAT_5, 'other/vmlinuz', 'other/initrd.img'], { treeinfo: info }));
    expect(await find(`${url}/tree/`)).toMatchObject({
      family: 'redhat',
      distribution: 'Fedora',
      version: '39',
      kernel: { path: 'other/vmlinuz', sha256: SUM },
      ramdisk: { path: 'other/initrd.img' },
    });
  });

  it('is in the usual place where the .treeinfo names what is not there, or may not be read', async () => {
    const info = '[images-x86_64]\nkernel = none/vmlinuz\ninitrd = none/initrd.img\n';
    expect(await pathsIn(tree(RED_HAT_5, { '.treeinfo': info }))).toEqual(['redhat', ...RED_HAT_5.slice(0, 2)]);
    const files = filesAt(Object.fromEntries(RED_HAT_5.map(path => [`/${path}`, path])));
    const hidesDots: Answer = (request, response) => {
      if (request.url?.startsWith('/.')) response.writeHead(403).end();
      else files(request, response);
    };
    const { url } = await serve(hidesDots);
    expect((await find(url)).kernel.path).toBe(RED_HAT_5[0]);
  });

  it('of a disc comes with the version that the disc tells', async () => {
    const { url } = await serveTree(
      tree(DEBIAN_DISC, { '.disk/info': 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 DVD Binary-1\n' }),
    );
    expect(await find(`${url}/tree`)).toMatchObject({ family: 'debian', distribution: 'Debian', version: '12.5.0' });
  });

  it('needs its ramdisk', async () => {
    expect(await pathsIn(tree(['images/xen/vmlinuz', ...RED_HAT_5.slice(2)]))).toEqual([
      'redhat',
      ...RED_HAT_5.slice(2),
    ]);
  });

  it('is not chosen from several suites by chance', async () => {
    const { url } = await serveTree(mirror({ focal: UBUNTU_SUITE, bionic: UBUNTU_SUITE }));
    await expect(find(`${url}/tree`)).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: expect.stringContaining(
        `bionic, focal; that of one is needed, such as ${url}/tree/dists/bionic`,
      ) as string,
    });
    expect((await find(`${url}/tree/dists/bionic`)).kernel.path).toBe(UBUNTU_SUITE[0]);
  });

  it('is not looked for outside of the tree', async () => {
    const info = '[images-x86_64]\nkernel = ../vmlinuz\ninitrd = ../initrd.img\n';
    const { requests, url } = await serveTree({ '.treeinfo': info });
    await expect(find(`${url}/tree`)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(requests).toEqual(['/tree/.treeinfo']);
  });

  it('that is nowhere is refused with what was looked for', async () => {
    const { url } = await serveTree({ README: 'x' });
    await expect(find(`${url}/tree`)).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
      message: expect.stringMatching(
        /images\/xen\/vmlinuz, .*images\/pxeboot\/vmlinuz, .*boot\/x86_64\/loader\/linux, .*debian-installer\/amd64\/linux/,
      ) as string,
    });
    const closed = await serve((_request, response) => response.writeHead(401).end());
    await expect(find(closed.url)).rejects.toMatchObject({ code: 'DENIED' });
    await expect(find('http://127.0.0.1:1/tree')).rejects.toMatchObject({ code: 'HOST' });
  });

  it('is found behind ftp', async () => {
    const server = await FtpServer.start();
    for (const path of DEBIAN_SUITE.slice(2)) {
      server.files.set(`/debian/dists/bookworm/${path}`, { bytes: Buffer.from(path), changed: '20260101000000' });
    }
    expect((await find(`${server.url}/debian`, { kind: 'hvm' })).kernel.path).toBe(`dists/bookworm/${DEBIAN_SUITE[2]}`);
  });

  it('is found on this server and, through a mount, on an NFS server', async () => {
    const directory = temporaryDirectory();
    for (const path of DEBIAN_SUITE.map(file => join(directory, 'dists/bookworm', file))) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, 'x');
    }
    const expected = `dists/bookworm/${DEBIAN_SUITE[0]}`;
    expect((await find(directory)).kernel.path).toBe(expected);
    let mounts = 0;
    const openNfs = (_host: string, path: string) => {
      mounts += 1;
      return Promise.resolve({
        path: path.replace('/export', directory),
        release: () => {
          mounts -= 1;
          return Promise.resolve();
        },
      });
    };
    const found = await find('nfs:filer:/export', {}, { openNfs });
    expect([found.kernel.path, describeSource(found.kernel.source)]).toEqual([
      expected,
      `nfs:filer:/export/${expected}`,
    ]);
    expect(mounts).toBe(0);
  });
});
