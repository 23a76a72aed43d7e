import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/host/clock.ts';
import { ensureCertificate } from '../../src/wire/certificate.ts';
import { callAgent } from '../../utils/rpc-client.ts';
import { Daemon, PASSWORD, runProgram } from '../support/daemon.ts';
import { connectRfb, securityTypes } from '../support/rfb-client.ts';

let daemon: Daemon;
afterEach(() => daemon.dispose());

function write(...lines: string[]): void {
  const file = daemon.paths.xendConfigFile;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${lines.join('\n')}\n`);
}

/** A port that is free now, and most likely still when the agent takes it. */
function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A key and its certificate, in key.pem and certificate.pem. */
async function makePair(directory: string): Promise<void> {
  const sizes = { keyBits: 2048, validDays: 2, renewDays: 1 };
  await ensureCertificate({ directory, names: ['xend'], addresses: [], ...sizes, clock: systemClock });
}

/** What an agent that cannot start says. */
function refusal(): string {
  const { exitCode, stderr } = daemon.program('ovs-agent', ['start', '--foreground']);
  expect(exitCode).toBe(1);
  return stderr;
}

describe('an agent with xend-config.sxp', () => {
  it("listens where xend's clients look, with the same users, and with its own key where one is named", async () => {
    daemon = new Daemon();
    const port = await freePort();
    const directory = daemon.paths.onDisk('/etc/xen');
    mkdirSync(directory, { recursive: true });
    await makePair(directory);
    write(
      '(xend-tcp-xmlrpc-server yes)',
      `(xend-tcp-xmlrpc-server-port ${port})`,
      '(xend-tcp-xmlrpc-server-ssl-key-file key.pem)',
      '(xend-tcp-xmlrpc-server-ssl-cert-file certificate.pem)',
      '(xend-unix-xmlrpc-server yes)',
      '(logfile /var/log/xen/xend.log)',
      '(loglevel DEBUG)',
    );
    await daemon.start();
    const curl = (password: string): string =>
      execFileSync('curl', [
        '-s',
        '--cacert',
        join(directory, 'certificate.pem'),
        '--connect-to',
        `xend:${port}:127.0.0.1:${port}`,
        '-u',
        `admin:${password}`,
        '-d',
        '<methodCall><methodName>echo</methodName><params><param><value>hi</value></param></params></methodCall>',
        '-w',
        '%{http_code}',
        `https://xend:${port}/RPC2`,
      ]).toString();
    expect(curl(PASSWORD)).toMatch(/success:echo=hi[\s\S]*200$/);
    expect(curl('wrong')).toMatch(/401$/);
    const socketPath = daemon.paths.xendSocket;
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    expect(await callAgent({ socketPath, path: '/' }, 'echo', ['hi'], 5000)).toBe('success:echo=hi');
    expect(readFileSync(daemon.paths.onDisk('/var/log/xen/xend.log'), 'utf8')).toContain('the agent is ready');
    expect(daemon.log()).toContain('"level":"debug"');
  });

  it.each([
    ['enable', true],
    ['disable', false],
  ])('has its own transport on the TCP port where no key is named: ssl=%s', async (ssl, isSecure) => {
    daemon = new Daemon([`ssl=${ssl}`]);
    const port = await freePort();
    write('(xend-tcp-xmlrpc-server yes)', `(xend-tcp-xmlrpc-server-port ${port})`);
    await daemon.start();
    const ask = (scheme: string): string =>
      spawnSync('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', `${scheme}://127.0.0.1:${port}/RPC2`])
        .stdout.toString()
        .trim();
    expect([ask('https'), ask('http')]).toEqual(isSecure ? ['401', '000'] : ['000', '401']);
  });

  it('reads loglevel again on SIGHUP, and keeps the old one while the file is broken', async () => {
    daemon = new Daemon();
    write('(loglevel WARNING)');
    await daemon.start();
    const isLogged = async (): Promise<boolean> => {
      await daemon.local('echo', 'x');
      return daemon.log().includes('"level":"debug"');
    };
    expect(await isLogged()).toBe(false);
    write('(loglevel LOUD)');
    process.kill(daemon.processId, 'SIGHUP');
    await expect.poll(() => daemon.log()).toMatch(/line 1: loglevel .*LOUD.* cannot be used/);
    expect(await isLogged()).toBe(false);
    write('(loglevel DEBUG)');
    process.kill(daemon.processId, 'SIGHUP');
    await expect.poll(isLogged).toBe(true);
  });

  it.each([
    [['-key-file /var/a/key.pem'], /the certificate is not named; xend-tcp-xmlrpc-server-ssl-cert-file is needed/],
    [['-key-file none', '-cert-file cert'], /etc\/xen\/none cannot be used \(ENOENT.*\); a private key in PEM form/],
    [
      ['-key-file /var/a/key.pem', '-cert-file cert'],
      /etc\/xen\/cert cannot be used \(.*\); a certificate in PEM form/,
    ],
    [['-key-file /var/a/key.pem', '-cert-file /var/b/certificate.pem'], /does not belong to .*a\/key\.pem/],
    [['-key-file /var/open/key.pem', '-cert-file /var/open/certificate.pem'], /others can read .*; run "chmod 600/],
  ])('does not start with a key and a certificate that cannot be used: %s', async (options, message) => {
    daemon = new Daemon();
    write('(xend-tcp-xmlrpc-server yes)', ...options.map(option => `(xend-tcp-xmlrpc-server-ssl${option})`));
    writeFileSync(daemon.paths.onDisk('/etc/xen/cert'), 'nothing');
    for (const name of ['a', 'b', 'open']) await makePair(daemon.paths.onDisk(`/var/${name}`));
    chmodSync(daemon.paths.onDisk('/var/open/key.pem'), 0o640);
    expect(refusal()).toMatch(message);
    const { exitCode, stdout } = daemon.program('ovs-agent', ['doctor']);
    expect(stdout).toMatch(/ERROR +XEND_CERTIFICATE/);
    expect(stdout).toMatch(message);
    expect(exitCode).toBe(1);
  });

  it('leaves a xend its socket, and takes what a killed one left', async () => {
    daemon = new Daemon();
    write('(xend-unix-xmlrpc-server yes)');
    const path = daemon.paths.xendSocket;
    mkdirSync(dirname(path), { recursive: true });
    const xend = createServer().listen(path);
    await new Promise(resolve => xend.once('listening', resolve));
    onTestFinished(() => void xend.close());
    expect(refusal()).toContain('another program listens there; stop it, or set (xend-unix-xmlrpc-server no)');
    expect(existsSync(path)).toBe(true);
    await new Promise(resolve => xend.close(resolve));
    await daemon.start();
    await daemon.signal('SIGKILL');
    expect(existsSync(path)).toBe(true);
    await daemon.start();
    expect(await callAgent({ socketPath: path, path: '/' }, 'echo', ['hi'], 5000)).toBe('success:echo=hi');
  });

  it.each([
    ['/var/log', 'it is no file'],
    ['/var/log/ovs-agent/audit.log', "the agent's own logs lie there"],
  ])('does not log to %s', (file, message) => {
    daemon = new Daemon();
    write(`(logfile ${file})`);
    mkdirSync(daemon.paths.onDisk('/var/log'), { recursive: true });
    expect(refusal()).toContain(`logfile ${daemon.paths.onDisk(file)}: ${message}; name another file`);
  });

  it('names the option whose port is in use', async () => {
    daemon = new Daemon();
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => other.once('listening', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    write('(xend-tcp-xmlrpc-server yes)', `(xend-tcp-xmlrpc-server-port ${port})`);
    expect(refusal()).toMatch(
      new RegExp(`xend-config\\.sxp: xend-tcp-xmlrpc-server: listen on 127\\.0\\.0\\.1: port ${port} is in use`),
    );
  });

  it('without the file has none of these', async () => {
    daemon = await new Daemon().start();
    expect(existsSync(daemon.paths.xendSocket)).toBe(false);
    expect(existsSync(daemon.paths.onDisk('/var/log/xen'))).toBe(false);
  });

  it('gives guests its display address and password where their files say nothing', async () => {
    daemon = new Daemon();
    write('(vnc-listen 127.0.0.2)', '(vncpasswd fromxend)');
    await daemon.start();
    const path = daemon.makeGuest('silent', ["vfb = ['type=vnc,vnclisten=127.0.0.1']"]);
    expect(await daemon.local('start_vm', path)).toMatch(/^success/);
    const port = Number(String(await daemon.local('xen_get_vnc_port', 'silent')).split('=')[1]);
    expect(await connectRfb(port, 'fromxend')).toMatchObject({ offered: [securityTypes.password], isIn: true });
    const other = daemon.makeGuest('other', ["vfb = ['type=vnc']"]);
    expect(await daemon.local('start_vm', other)).toMatch(/^success/);
    const listening = execFileSync('ss', ['-ltnH']).toString();
    const otherPort = String(await daemon.local('xen_get_vnc_port', 'other')).split('=')[1];
    expect(listening).toContain(`127.0.0.2:${otherPort}`);
  });

  it('keeps the memory of a guest that crashed, where enable-dump says so', async () => {
    daemon = new Daemon();
    write('(enable-dump yes)');
    await daemon.start();
    const path = daemon.makeGuest('crashing', ["on_crash = 'destroy'"], 'demo.crash=1');
    expect(await daemon.local('start_vm', path)).toMatch(/^success/);
    await expect.poll(() => daemon.status(path), { timeout: 30_000 }).toBe('DOWN');
    const dumps = execFileSync('ls', [daemon.paths.dumpDirectory]).toString();
    expect(dumps).toMatch(/^crashing-\d{8}T\d{6}Z\.core\n$/);
    const file = join(daemon.paths.dumpDirectory, dumps.trim());
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(file).size).toBeGreaterThan(90 * 2 ** 20);
  });

  it('that cannot be read does not start, and says where', () => {
    daemon = new Daemon();
    write('(dom0-min-mem 256)', '(xend-tcp-xmlrpc-server maybe)');
    const { exitCode, stderr } = daemon.program('ovs-agent', ['start', '--foreground']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /xend-config\.sxp line 2: xend-tcp-xmlrpc-server "maybe" cannot be used; it must be yes or no/,
    );
  });
});

describe('"ovs-agent config show" and "ovs-agent doctor"', () => {
  it('tell each setting that holds and where it came from, and never a password', () => {
    daemon = new Daemon(['[log]', 'files_kept=3']);
    write('(loglevel WARNING)', '(vncpasswd geheim)', '(xend-http-server yes)', '(nonsense 1)');
    const { stdout } = daemon.program('ovs-agent', ['config', 'show', '--json']);
    const rows = JSON.parse(stdout) as { name: string; value: string; from: string }[];
    const row = (name: string) => rows.find(candidate => candidate.name === name);
    expect(row('log.files_kept')).toEqual({
      name: 'log.files_kept',
      value: '3',
      from: `${daemon.paths.settingsFile} line 5`,
    });
    expect(row('log.level')).toMatchObject({ value: 'warn', from: `${daemon.paths.xendConfigFile} line 1` });
    expect(row('port')).toMatchObject({ value: '0' });
    expect(row('guests.stop_timeout')).toMatchObject({ value: '600', from: 'default' });
    expect(row('xend.vncpasswd')?.value).toBe('(set, not shown)');
    expect(stdout).not.toContain('geheim');
    expect(row('xend.xend-http-server')).toBeUndefined();
    expect(row('xend.loglevel')).toBeUndefined();
    write('(vncpaswd geheim)');
    const typo = daemon.program('ovs-agent', ['config', 'show', '--all']).stdout;
    expect(typo).toMatch(/xend\.vncpaswd +\(unknown, not shown\)/);
    expect(typo).not.toContain('geheim');
    write("(vncpasswd 'geheim)");
    const broken = daemon.program('ovs-agent', ['config', 'show']);
    expect(broken.stderr).toMatch(/line 1, column 12: the text that begins here is not closed/);
    expect(broken.stderr).not.toContain('geheim');
    write('(loglevel WARNING)', '(xend-http-server yes)', '(dom0-min-mem 512)');
    expect(daemon.program('ovs-agent', ['config', 'show']).stdout).toMatch(/^guests\.memory_reserve +512 .*line 3$/m);
    expect(daemon.program('ovs-agent', ['config', 'show', '--all']).stdout).toMatch(
      /xend\.xend-http-server +yes +.*line 2/,
    );
    expect(daemon.program('ovs-agent', ['config', 'show', '--nonsense']).exitCode).toBe(2);
  });

  it('find what is without effect, unknown, or wrong', () => {
    daemon = new Daemon();
    write('(xend-http-server yes)', '(nonsense 1)', '(xend-relocation-server yes)');
    const examine = (): { code: string; severity: string; message: string }[] =>
      JSON.parse(daemon.program('ovs-agent', ['doctor', '--json']).stdout) as [];
    const found = examine();
    const message = (code: string) =>
      found
        .filter(finding => finding.code === code)
        .map(finding => finding.message)
        .join('\n');
    expect(message('XEND_WITHOUT_EFFECT')).toMatch(/line 1: xend-http-server has no effect here/);
    expect(message('XEND_WITHOUT_EFFECT')).toMatch(
      /line 3: xend-relocation-server takes effect with live migration only/,
    );
    expect(message('XEND_UNKNOWN')).toMatch(/line 2: nonsense is no option of xend/);
    expect(found.filter(finding => finding.severity === 'error')).toEqual([]);
    chmodSync(daemon.paths.passwordFile, 0o644);
    expect(examine()).toContainEqual(expect.objectContaining({ code: 'PASSWORD', severity: 'error' }));
    expect(runProgram('ovs-agent', ['doctor', '--root', daemon.root]).exitCode).toBe(1);
  });
});
