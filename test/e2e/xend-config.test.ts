import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
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

describe('an agent with xend-config.sxp', () => {
  it("listens where xend's clients look, with the same users, and with its own key where one is named", async () => {
    daemon = new Daemon();
    const port = await freePort();
    const directory = daemon.paths.onDisk('/etc/xen');
    mkdirSync(directory, { recursive: true });
    await ensureCertificate({
      directory,
      names: ['xend'],
      addresses: [],
      keyBits: 2048,
      validDays: 2,
      renewDays: 1,
      clock: systemClock,
    });
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
    expect(daemon.program('ovs-agent', ['config', 'show', '--all']).stdout).toMatch(
      /xend\.xend-http-server +yes +.*line 3/,
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
