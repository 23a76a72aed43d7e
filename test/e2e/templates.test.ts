import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.ts';
import { serveFiles } from '../support/web-server.ts';
import { mountSmall, unmount } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const GUEST = '/OVS/running_pool/guest';
const MIB = 2 ** 20;

let daemon: Daemon;
const cleanUp: (() => void)[] = [];

beforeEach(async () => {
  daemon = await new Daemon().start();
});

afterEach(async () => {
  for (const undo of cleanUp.splice(0)) undo();
  await daemon.dispose();
});

const place = (path: string): string => daemon.paths.onDisk(path);
const call = async (method: string, ...args: unknown[]): Promise<string> => String(await daemon.local(method, ...args));
const sumOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

/** A registered guest with a disk of 64 MiB, most of it a hole. */
async function makeGuest(): Promise<void> {
  daemon.makeGuest('guest', [
    `disk = ['file:${GUEST}/System.img,xvda,w']`,
    "vif = ['mac=00:16:3e:12:34:56']",
    "uuid = '01234567-89ab-cdef-0123-456789abcdef'",
  ]);
  const image = place(`${GUEST}/System.img`);
  writeFileSync(image, Buffer.alloc(MIB, 'contents '));
  truncateSync(image, 64 * MIB);
  // The tests need no network of their own.
  expect(await call('register_vm', GUEST)).toBe('success');
}

async function makeTemplate(): Promise<string> {
  await makeGuest();
  expect(await call('pack_vm', GUEST, 'template')).toBe('success:template=/OVS/seed_pool/template.tgz');
  return place('/OVS/seed_pool/template.tgz');
}

/** Every file below the repository with its content, for comparison. */
function everything(): Record<string, string> {
  const root = place('/OVS');
  return Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true }).map(entry => {
      const file = join(entry.parentPath, entry.name);
      return [file.slice(root.length), entry.isFile() ? sumOf(file) : 'directory'];
    }),
  );
}

/** A server that cuts each connection after some bytes, and goes on where it is asked to. */
async function serveInPieces(file: string, pieceBytes: number): Promise<{ url: string; requests: () => number }> {
  let requests = 0;
  const size = statSync(file).size;
  const server: Server = createServer((request, response) => {
    if (request.url !== '/template.tgz') {
      response.writeHead(404).end();
      return;
    }
    requests += 1;
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const common = { etag: '"one"', 'accept-ranges': 'bytes', 'content-length': size - start };
    if (start === 0) response.writeHead(200, common);
    else response.writeHead(206, { ...common, 'content-range': `bytes ${start}-${size - 1}/${size}` });
    const end = Math.min(size, start + pieceBytes) - 1;
    createReadStream(file, { start, end })
      .on('end', () => response.destroy())
      .pipe(response, { end: false });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanUp.push(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/template.tgz`, requests: () => requests };
}

describe('a template', () => {
  it('is packed, fetched from elsewhere, made a guest, booted, cloned and deleted, and nothing else has changed', async () => {
    const archive = await makeTemplate();
    // Holes take no space in it, and tar of any system reads it.
    expect(statSync(archive).size).toBeLessThan(MIB);
    expect(execFileSync('tar', ['tzf', archive], { encoding: 'utf8' })).toMatch(/vm\.cfg/);
    const elsewhere = temporaryDirectory();
    writeFileSync(join(elsewhere, 'oel.tgz'), readFileSync(archive));
    writeFileSync(join(elsewhere, 'oel.tgz.sha256'), `${sumOf(archive)}  oel.tgz\n`);
    expect(await call('delete_template', 'template')).toBe('success');
    const before = everything();

    const url = await serveFiles(elsewhere);
    expect(await call('import_template', `${url}/oel.tgz`, 'oel')).toBe('success:template=/OVS/seed_pool/oel');
    const imported = place('/OVS/seed_pool/oel/System.img');
    expect(sumOf(imported)).toBe(sumOf(place(`${GUEST}/System.img`)));
    expect(statSync(imported).blocks * 512).toBeLessThan(4 * MIB);
    expect(await daemon.local('list_templates')).toEqual([
      { name: 'oel', path: '/OVS/seed_pool/oel', form: 'directory' },
    ]);

    const made = '/OVS/running_pool/made';
    expect(await call('create_vm_from_template', 'oel', 'made', { memory: 112, vcpus: 1 })).toBe(
      `success:path=${made}`,
    );
    const clone = '/OVS/running_pool/clone';
    expect(await call('clone_vm', made, clone)).toBe('success');
    const text = (path: string): string => readFileSync(place(`${path}/vm.cfg`), 'utf8');
    const valueOf = (path: string, key: string): string =>
      new RegExp(`^${key}\\s*=\\s*(.*)$`, 'm').exec(text(path))?.[1] ?? '';
    for (const key of ['uuid', 'vif', 'name']) {
      expect(new Set([GUEST, made, clone].map(path => valueOf(path, key))).size, key).toBe(3);
    }
    for (const path of [made, clone]) {
      expect(valueOf(path, 'disk')).toContain(`file:${path}/System.img,xvda,w`);
      expect(text(path)).not.toContain('00:16:3e:12:34:56');
      expect(valueOf(path, 'memory')).toBe('112');
      expect(statSync(place(`${path}/System.img`)).blocks * 512).toBeLessThan(4 * MIB);
      // There is no bridge on the machine of the test; what counts here is that it boots from its own disk.
      expect(await call('set_vm_config', path, { vif: [] })).toMatch(/^success/);
      expect(await call('start_vm', path)).toMatch(/^success/);
    }
    for (const path of [made, clone]) {
      expect(await daemon.status(path)).toBe('RUNNING');
      expect(daemon.qemuOf(path)).toBeDefined();
      expect(await call('pack_vm', path, 'x')).toMatch(/^failed:WRONG_STATE/);
      expect(await call('clone_vm', path, '/OVS/running_pool/another')).toMatch(/^failed:WRONG_STATE/);
      expect(await call('stop_vm', path, true)).toMatch(/^success/);
      expect(await call('delete_vm', path)).toBe('success');
    }
    expect(await call('delete_template', 'oel')).toBe('success');
    expect(everything()).toEqual(before);
  });

  it('is fetched over a connection that breaks again and again', async () => {
    const archive = await makeTemplate();
    const size = statSync(archive).size;
    const { requests, url } = await serveInPieces(archive, Math.ceil(size / 3));
    expect(await call('import_template', url, 'resumed')).toMatch(/^success/);
    expect(requests()).toBeGreaterThanOrEqual(3);
    expect(sumOf(place('/OVS/seed_pool/resumed/System.img'))).toBe(sumOf(place(`${GUEST}/System.img`)));
  });

  it('is refused when it is not what it should be, and nothing is left of it', async () => {
    const archive = await makeTemplate();
    const elsewhere = temporaryDirectory();
    const url = await serveFiles(elsewhere);
    const before = everything();
    const put = (name: string, data: Buffer | string): string => {
      writeFileSync(join(elsewhere, name), data);
      return `${url}/${name}`;
    };
    const good = put('good.tgz', readFileSync(archive));
    const bad = put('damaged.tgz', readFileSync(archive).subarray(0, -100));
    writeFileSync(join(elsewhere, 'sum.tgz'), readFileSync(archive));
    writeFileSync(join(elsewhere, 'sum.tgz.sha256'), `${'0'.repeat(64)}\n`);
    const tarOf = (name: string, ...args: string[]): string => {
      execFileSync('tar', ['czf', join(elsewhere, name), ...args]);
      return `${url}/${name}`;
    };
    const content = temporaryDirectory();
    mkdirSync(join(content, 'empty'));
    execFileSync('ln', ['-s', '/etc/shadow', join(content, 'vm.cfg')]);
    const refusals: [readonly unknown[], RegExp][] = [
      [[good, 'x', '0'.repeat(64)], /BAD_VALUE.*SHA-256/],
      [[`${url}/sum.tgz`, 'x'], /BAD_VALUE.*SHA-256/],
      [[good, 'x', 'nonsense'], /BAD_VALUE.*64 hexadecimal digits/],
      [[bad, 'x'], /BAD_VALUE/],
      [[put('text.tgz', 'hello'), 'x'], /BAD_VALUE/],
      [[tarOf('link.tgz', '-C', content, 'vm.cfg'), 'x'], /BAD_VALUE/],
      [[tarOf('empty.tgz', '-C', content, 'empty'), 'x'], /BAD_VALUE.*no vm.cfg and no System.img/],
      [[`${url}/none.tgz`, 'x'], /NO_SUCH_FILE/],
      [['http://127.0.0.1:1/x.tgz', 'x'], /HOST/],
      [['/etc/passwd', 'x'], /BAD_VALUE.*outside the repositories/],
      [['gopher://x/y', 'x'], /BAD_VALUE/],
      [[good, 'template'], /EXISTS/],
      [[good, '../x'], /BAD_VALUE/],
      [[good, '/OVS/running_pool/x'], /BAD_VALUE/],
    ];
    for (const [args, reason] of refusals)
      expect(await call('import_template', ...args), String(args[0])).toMatch(reason);
    expect(await call('create_vm_from_template', 'none', 'made')).toMatch(/NO_SUCH_FILE/);
    expect(await call('create_vm_from_template', 'template', 'guest')).toMatch(/EXISTS/);
    expect(await call('create_vm_from_template', 'template', 'made', { memory: 'much' })).toMatch(
      /BAD_CONFIG|BAD_VALUE/,
    );
    expect(await call('create_vm_from_template', 'template', 'a/../b')).toMatch(/BAD_VALUE/);
    expect(await call('clone_vm', GUEST, GUEST)).toMatch(/EXISTS/);
    expect(await call('pack_vm', GUEST, 'template')).toMatch(/EXISTS/);
    expect(await call('delete_template', 'none')).toMatch(/NO_SUCH_FILE/);
    expect(everything()).toEqual(before);
  });

  it('for which there is no space is given up before the disk is full', async () => {
    const archive = await makeTemplate();
    const kept = readFileSync(archive);
    // The guests' pool is as large as an image of which 48 MiB are data would need, and less.
    const other = '/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF';
    mountSmall(place(other), 40);
    cleanUp.push(() => unmount(place(other)));
    for (const pool of ['running_pool', 'seed_pool']) mkdirSync(place(`${other}/${pool}`));
    writeFileSync(place(`${GUEST}/System.img`), Buffer.alloc(48 * MIB, 'data'));
    expect(await call('clone_vm', GUEST, `${other}/running_pool/clone`)).toMatch(/^failed:NO_RESOURCES/);
    expect(await call('pack_vm', GUEST, 'large')).toMatch(/^success/);
    expect(await call('import_template', '/OVS/seed_pool/large.tgz', `${other}/seed_pool/large`)).toMatch(
      /^failed:NO_RESOURCES/,
    );
    for (const pool of ['running_pool', 'seed_pool']) expect(readdirSync(place(`${other}/${pool}`)), pool).toEqual([]);
    expect(readFileSync(archive)).toEqual(kept);
    expect(existsSync(place(`${GUEST}/vm.cfg`))).toBe(true);
  });
});
