import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/temporary.ts';

const project = resolve(import.meta.dirname, '../..');
const { bin } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { bin: Record<string, string> };

function build(version: string): string {
  const output = execFileSync('bash', ['scripts/package-deb.sh'], {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, PACKAGE_VERSION: version },
  });
  return join(project, output.trim().split('\n').at(-1)!);
}

/** A real package, and a real dpkg that installs it below a directory. */
describe('the Debian package', () => {
  let first: string;
  let second: string;

  beforeAll(() => {
    [first, second] = [build('9.9.1'), build('9.9.2')];
  }, 120_000);

  const filesOf = (file: string): string[] =>
    execFileSync('dpkg-deb', ['--contents', file], { encoding: 'utf8', maxBuffer: 2 ** 26 })
      .trim()
      .split('\n')
      .map(line => line.split(/\s+/)[5]!);

  /** A root with dpkg's own files and nothing else; the package's scripts run outside of it, and know it by DPKG_ROOT. */
  function makeRoot(): { root: string; dpkg: (...args: string[]) => ReturnType<typeof spawnSync> } {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'var/lib/dpkg/info'), { recursive: true });
    mkdirSync(join(root, 'var/lib/dpkg/updates'));
    writeFileSync(join(root, 'var/lib/dpkg/status'), '');
    const force = '--force-not-root,depends,script-chrootless,confold';
    const dpkg = (...args: string[]): ReturnType<typeof spawnSync> =>
      spawnSync('dpkg', [`--root=${root}`, `--log=${root}/dpkg.log`, force, ...args], { encoding: 'utf8' });
    return { root, dpkg };
  }

  const statusIn = (root: string): string =>
    /^Status: (.*)$/m.exec(readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8'))?.[1] ?? 'not there';

  it('has programs, units, manual pages and the paths of the original, and no key and no account', () => {
    const files = filesOf(first);
    for (const name of Object.keys(bin)) {
      expect(files).toContain(`./usr/bin/${name}`);
      expect(files).toContain(`./usr/share/man/man8/${name}.8.gz`);
    }
    for (const file of [
      './lib/systemd/system/ovs-agent.service',
      './lib/systemd/system/ovs-guests.service',
      './lib/systemd/system/ovsrepositories.service',
      './usr/lib/ovs/ovs-makerepo',
      './usr/lib/ovs/ovs-offlinerepo',
      './usr/share/man/man5/agent.ini.5.gz',
      './etc/ovs-agent/agent.ini',
      './opt/ovs-agent-latest',
      './opt/ovs-agent-2.2/utils/do_rpc.py',
      './opt/ovs-agent-2.2/db/db_kfv.py',
      './opt/ovs-agent-2.2/db/db_del.py',
      './opt/ovs-agent-2.2/node_modules/better-sqlite3/build/Release/better_sqlite3.node',
      './usr/share/doc/ovs-agent/copyright',
      './usr/share/doc/ovs-agent/changelog.gz',
    ]) {
      expect(files).toContain(file);
    }
    expect(files.filter(file => /\.(?:pem|key|db|db-wal|ts)$|passwd$|\/tests?\//.test(file))).toEqual([]);
    const settings = files.filter(file => file.startsWith('./etc/'));
    expect(settings).toEqual(['./etc/', './etc/ovs-agent/', './etc/ovs-agent/agent.ini']);
  });

  it('is the same when it is made again from the same sources', () => {
    const bytes = readFileSync(first);
    expect(build('9.9.1')).toBe(first);
    expect(readFileSync(first).equals(bytes)).toBe(true);
  });

  it('has manual pages that groff takes without a warning, with what the programs say of themselves', () => {
    const root = temporaryDirectory();
    execFileSync('dpkg-deb', ['--extract', first, root]);
    const pages = ['man8', 'man5'].flatMap(section =>
      readdirSync(join(root, 'usr/share/man', section)).map(name => join(root, 'usr/share/man', section, name)),
    );
    expect(pages).toHaveLength(Object.keys(bin).length + 1);
    for (const page of pages) {
      const text = gunzipSync(readFileSync(page)).toString();
      const { status, stderr, stdout } = spawnSync('groff', ['-man', '-Tutf8', '-ww'], {
        input: text,
        encoding: 'utf8',
      });
      expect({ page, status, stderr }).toEqual({ page, status: 0, stderr: '' });
      expect(stdout.length).toBeGreaterThan(500);
    }
    expect(gunzipSync(readFileSync(join(root, 'usr/share/man/man8/ovs-agent.8.gz'))).toString()).toContain(
      '.SS console',
    );
  });

  it('is installed, upgraded without the loss of settings, removed and purged; guests stay', () => {
    const { dpkg, root } = makeRoot();
    const guest = join(root, 'OVS/running_pool/guest');
    mkdirSync(guest, { recursive: true });
    writeFileSync(join(guest, 'vm.cfg'), 'memory = 64\n');

    expect(dpkg('--install', first)).toMatchObject({ status: 0 });
    expect(statusIn(root)).toBe('install ok installed');
    expect(dpkg('--verify', 'ovs-agent').stdout).toBe('');
    for (const name of Object.keys(bin)) {
      // A link to where the package lies on a server.
      const { status, stdout } = spawnSync(process.execPath, [join(root, 'opt/ovs-agent-2.2/bin', name), '--help'], {
        encoding: 'utf8',
      });
      expect({ name, status }).toEqual({ name, status: 0 });
      expect(stdout).toMatch(/^Usage: /);
    }

    appendFileSync(join(root, 'etc/ovs-agent/agent.ini'), '# mine\n');
    writeFileSync(join(root, 'etc/ovs-agent/passwd'), 'admin:…\n');
    mkdirSync(join(root, 'etc/ovs-agent/db'));
    expect(dpkg('--install', second)).toMatchObject({ status: 0 });
    expect(readFileSync(join(root, 'etc/ovs-agent/agent.ini'), 'utf8')).toMatch(/# mine\n$/);

    expect(dpkg('--remove', 'ovs-agent')).toMatchObject({ status: 0 });
    expect(statusIn(root)).toBe('deinstall ok config-files');
    expect(existsSync(join(root, 'opt/ovs-agent-2.2'))).toBe(false);
    expect(existsSync(join(root, 'usr/bin/ovs-agent'))).toBe(false);
    expect(readdirSync(join(root, 'etc/ovs-agent')).sort()).toEqual(['agent.ini', 'db', 'passwd']);

    expect(dpkg('--install', second)).toMatchObject({ status: 0 });
    expect(dpkg('--purge', 'ovs-agent')).toMatchObject({ status: 0 });
    expect(existsSync(join(root, 'etc/ovs-agent'))).toBe(false);
    expect(existsSync(join(root, 'var/log/ovs-agent'))).toBe(false);
    expect(readFileSync(join(guest, 'vm.cfg'), 'utf8')).toBe('memory = 64\n');
  });

  it('is left unconfigured, with what to do, where Node.js does not load its compiled module', () => {
    const { dpkg, root } = makeRoot();
    expect(dpkg('--unpack', first)).toMatchObject({ status: 0 });
    const native = join(root, 'opt/ovs-agent-2.2/node_modules/better-sqlite3/build/Release/better_sqlite3.node');
    const whole = readFileSync(native);
    writeFileSync(native, 'made for another Node.js');
    const refused = dpkg('--configure', 'ovs-agent');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("does not load the package's compiled module");
    expect(refused.stderr).toContain('dpkg --configure ovs-agent');
    expect(statusIn(root)).toBe('install ok half-configured');
    writeFileSync(native, whole);
    expect(dpkg('--configure', 'ovs-agent')).toMatchObject({ status: 0 });
  });
});
