import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon, PASSWORD } from '../support/daemon.ts';

/** Runs a program that is not ours. */
function run(
  program: string,
  args: readonly string[],
  input = '',
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', input, timeout: 60_000 });
  return { status, stdout, stderr };
}

describe('clients that are not ours', () => {
  let daemon: Daemon;
  let path: string;
  let certificate: string;

  beforeAll(async () => {
    daemon = await new Daemon().start();
    path = daemon.makeGuest('guest');
    certificate = join(daemon.paths.certificateDirectory, 'certificate.pem');
  }, 60_000);

  afterAll(() => daemon.dispose());

  it("Python's xmlrpc.client, with the certificate checked, runs a guest's whole life", () => {
    const script = `
import ssl, sys, xmlrpc.client, urllib.parse
context = ssl.create_default_context(cafile=${JSON.stringify(certificate)})
url = 'https://admin:%s@127.0.0.1:${daemon.port}/' % urllib.parse.quote(${JSON.stringify(PASSWORD)})
agent = xmlrpc.client.ServerProxy(url, context=context)
path = ${JSON.stringify(path)}
print(agent.echo('hello'))
print(agent.register_vm(path))
print(agent.start_vm(path)[:11])
print(agent.db_get_vm(path)['status'])
print([vm['name'] for vm in agent.list_vms()])
print(agent.pause_vm(path), agent.unpause_vm(path))
print(agent.stop_vm(path, True))
print(agent.db_get_vm(path)['status'])
many = xmlrpc.client.MultiCall(agent)
many.echo('one'); many.no_such_method(); many.echo('two')
results = many()
print(results[0], results[2])
try:
    results[1]
except xmlrpc.client.Fault as fault:
    print(fault.faultCode, fault.faultString)
print('start_vm' in agent.system.listMethods())
print(agent.system.methodSignature('start_vm'))
try:
    agent.echo()
except xmlrpc.client.Fault as fault:
    print(fault.faultCode)
`;
    const { stdout, stderr } = run('python3', ['-c', script]);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      'success:echo=hello',
      'success',
      'success=ip=',
      'RUNNING',
      "['guest']",
      'success success',
      'success',
      'DOWN',
      'success:echo=one success:echo=two',
      '-32601 method "no_such_method" is not supported',
      'True',
      "[['string', 'string'], ['string', 'string', 'string'], ['string', 'string', 'string', 'struct']]",
      '-32602',
    ]);
  });

  const body =
    '<?xml version="1.0"?><methodCall><methodName>echo</methodName><params><param><value>hi</value></param></params></methodCall>';
  const curl = (...args: string[]): string => {
    const { stdout, stderr } = run('curl', [
      '--silent',
      '--show-error',
      '--noproxy',
      '*',
      '--cacert',
      certificate,
      ...args,
    ]);
    return stdout + stderr;
  };
  const url = (place = '/'): string => `https://127.0.0.1:${daemon.port}${place}`;
  const login = ['--user', `admin:${PASSWORD}`];

  it('curl posts a call to / and to /RPC2', () => {
    for (const place of ['/', '/RPC2']) {
      expect(curl(...login, '--data-binary', body, '-H', 'Content-Type: text/xml', url(place))).toContain(
        'success:echo=hi',
      );
    }
  });

  it('curl speaks TLS 1.2 and 1.3, and nothing older', () => {
    for (const version of ['1.2', '1.3']) {
      expect(curl(...login, `--tlsv${version}`, '--tls-max', version, '--data-binary', body, url())).toContain(
        'success:echo=hi',
      );
    }
    expect(curl(...login, '--tlsv1.0', '--tls-max', '1.1', '--data-binary', body, url())).toMatch(/curl: \(35\)/);
  });

  it('curl is asked for a login, and a wrong one is refused', () => {
    const head = curl('--head', url());
    expect(head).toMatch(/^HTTP\/1\.1 401/);
    expect(head).toMatch(/WWW-Authenticate: Basic realm="OVSAgentServer"/i);
    expect(curl('--head', '--user', 'admin:wrong', url())).toMatch(/^HTTP\/1\.1 401/);
    expect(curl('--head', '--user', `nobody:${PASSWORD}`, url())).toMatch(/^HTTP\/1\.1 401/);
  });

  it('curl gets the page of methods', () => {
    const page = curl(...login, url());
    expect(page).toContain('<title>Python: OVSAgentServer Document</title>');
    expect(page).toContain('start_vm(vm_path, [server_ip], [overrides])');
  });

  it("Perl's RPC::XML calls, and reads structs", () => {
    const script = `
use RPC::XML; use RPC::XML::Client;
my $client = RPC::XML::Client->new('${url()}', useragent => [ssl_opts => {SSL_ca_file => '${certificate}'}]);
$client->credentials('OVSAgentServer', 'admin', '${PASSWORD}');
my $reply = $client->send_request('echo', RPC::XML::string->new('from perl'));
print ref $reply ? $reply->value : $reply, "\\n";
my $record = $client->send_request('db_get_vm', '${path}');
print ref $record ? $record->value->{status} : $record, "\\n";
my $fault = $client->send_request('no_such_method');
print $fault->is_fault ? $fault->code : 'no fault', "\\n";
`;
    const { stdout, stderr } = run('perl', ['-e', script]);
    expect(`${stdout}${stderr}`.trim().split('\n')).toEqual(['success:echo=from perl', 'DOWN', '-32601']);
  });

  it('cannot see one call in the log of another, nor any password', () => {
    const log = daemon.log() + daemon.output + readFileSync(join(daemon.paths.logDirectory, 'audit.log'), 'utf8');
    expect(log).toContain('start_vm');
    expect(log).not.toContain(PASSWORD);
    expect(log).not.toContain(Buffer.from(`admin:${PASSWORD}`).toString('base64'));
    const ids = [...daemon.log().matchAll(/"call":"([^"]+)".*?"method":"start_vm"/g)].map(match => match[1]!);
    expect(ids.length).toBeGreaterThan(0);
    for (const id of ids) {
      const lines = daemon
        .log()
        .split('\n')
        .filter(line => line.includes(`"call":"${id}"`));
      expect(lines.some(line => line.includes('QEMU started'))).toBe(true);
    }
  });
});

describe('an agent with ssl=disable', () => {
  let daemon: Daemon;

  beforeAll(async () => {
    daemon = await new Daemon(['ssl=disable']).start();
  });

  afterAll(() => daemon.dispose());

  it('answers over plain HTTP, as clients of 2.3 call it', () => {
    const script = `
import xmlrpc.client, urllib.parse
agent = xmlrpc.client.ServerProxy('http://admin:%s@127.0.0.1:${daemon.port}/RPC2' % urllib.parse.quote(${JSON.stringify(PASSWORD)}))
print(agent.echo('hello'))
`;
    expect(run('python3', ['-c', script]).stdout).toBe('success:echo=hello\n');
  });

  it('makes do_rpc over https print the text of the guide and name the setting', () => {
    const secure = daemon.url().replace('http:', 'https:');
    const { exitCode, stderr } = daemon.program('do_rpc', ['--accept-new', secure, 'echo', 'hello']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/socket error! code=1, msg=.*unknown protocol\n/);
    expect(stderr).toContain('ssl=enable');
  });
});
