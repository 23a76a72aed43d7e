import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, createServer, type SecureVersion, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type AgentCertificate,
  type CertificateParts,
  ensureCertificate,
  publicKeyFingerprint,
} from '../../../src/wire/certificate.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const DAY_MS = 86_400_000;

/** One key for the tests that are not about how it is made. */
const sharedKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

class Place {
  readonly directory = join(temporaryDirectory(), 'cert');
  readonly keyFile = join(this.directory, 'key.pem');
  readonly certificateFile = join(this.directory, 'certificate.pem');
  /** The real time, because those who check a certificate have that one. */
  readonly clock = new ManualClock(Date.now());

  /** @param key empty for none */
  constructor(key = sharedKey) {
    mkdirSync(this.directory, { mode: 0o700 });
    if (key !== '') writeFileSync(this.keyFile, key, { mode: 0o600 });
  }

  ensure(changes: Partial<CertificateParts> = {}): Promise<AgentCertificate> {
    return ensureCertificate({
      directory: this.directory,
      names: ['vm1.example.com', 'localhost'],
      addresses: ['10.1.1.1', '2001:db8::1', '127.0.0.1', '::1'],
      keyBits: 2048,
      validDays: 825,
      renewDays: 30,
      clock: this.clock,
      ...changes,
    });
  }

  get files(): Record<string, string> {
    return Object.fromEntries(
      readdirSync(this.directory).map(name => [name, readFileSync(join(this.directory, name), 'utf8')]),
    );
  }

  /** A pair as an administrator makes it. */
  putForeign(...algorithm: string[]): void {
    openssl(
      ...['req', '-x509', '-newkey', ...algorithm, '-nodes', '-days', '1', '-subj', '/CN=site.example.com/O=Site'],
      ...['-keyout', this.keyFile, '-out', this.certificateFile],
    );
    chmodSync(this.keyFile, 0o600);
  }
}

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const parsed = ({ certificate }: AgentCertificate): X509Certificate => new X509Certificate(certificate);
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('the certificate of an agent', () => {
  it('is made at the first start, with a key of its own, both closed to others', async () => {
    const [one, other] = [new Place(''), new Place('')];
    rmSync(one.directory, { recursive: true });
    const [made, second] = await Promise.all([one.ensure({ keyBits: 3072 }), other.ensure()]);
    expect(made.made).toBe('created');
    expect(one.files).toEqual({ 'key.pem': made.key, 'certificate.pem': made.certificate });
    expect([one.directory, one.keyFile, one.certificateFile].map(modeOf)).toEqual([0o700, 0o600, 0o600]);
    expect(createPrivateKey(made.key).asymmetricKeyDetails).toMatchObject({ modulusLength: 3072 });
    expect(createPrivateKey(second.key).asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 });
    expect(publicKeyFingerprint(made.certificate)).not.toBe(publicKeyFingerprint(second.certificate));
    expect(parsed(made).serialNumber).not.toBe(parsed(second).serialNumber);
  });

  it('names the hosts and addresses, signs itself with SHA-256, and holds for its days', async () => {
    const place = new Place();
    const found = await place.ensure();
    const certificate = parsed(found);
    expect(certificate.subjectAltName).toBe(
      'DNS:vm1.example.com, DNS:localhost, IP Address:10.1.1.1, IP Address:2001:DB8:0:0:0:0:0:1, ' +
        'IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(certificate.checkPrivateKey(createPrivateKey(found.key))).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(openssl('x509', '-in', place.certificateFile, '-noout', '-text')).toMatch(
      /Signature Algorithm: sha256WithRSAEncryption/,
    );
    const second = Math.floor(place.clock.now() / 1000) * 1000;
    expect(found.notAfter.getTime()).toBe(second + 825 * DAY_MS);
    expect(Date.parse(certificate.validTo)).toBe(found.notAfter.getTime());
    expect(Date.parse(certificate.validFrom)).toBe(second - DAY_MS);
    // Positive and of at most 20 octets (RFC 5280, section 4.1.2.2).
    expect(certificate.serialNumber).toMatch(/^01[0-9A-F]{30}$/);
  });

  it('may hold beyond 2049, where certificates write dates in another form (RFC 5280, section 4.1.2.5)', async () => {
    const place = new Place();
    const { notAfter } = await place.ensure({ validDays: 36_500 });
    expect(Math.abs(notAfter.getTime() - place.clock.now() - 36_500 * DAY_MS)).toBeLessThan(1000);
  });

  it('may have a name that is longer than a common name can be', async () => {
    const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`;
    const place = new Place();
    expect(parsed(await place.ensure({ names: [name] })).checkHost(name)).toBe(name);
    expect((await place.ensure({ names: [name] })).made).toBe('kept');
  });

  it('is kept to the byte from start to start', async () => {
    const place = new Place();
    const first = await place.ensure();
    const files = place.files;
    expect(await place.ensure()).toEqual({ ...first, made: 'kept' });
    expect(place.files).toEqual(files);
  });

  it('is kept until few days are left, then made anew for the same key, which clients remember', async () => {
    const place = new Place();
    const first = await place.ensure();
    await place.clock.advance(first.notAfter.getTime() - 30 * DAY_MS - place.clock.now());
    expect((await place.ensure()).made).toBe('kept');
    await place.clock.advance(1);
    const renewed = await place.ensure();
    expect(renewed.made).toBe('renewed');
    expect(renewed.key).toBe(first.key);
    expect(publicKeyFingerprint(renewed.certificate)).toBe(publicKeyFingerprint(first.certificate));
    expect(renewed.notAfter.getTime() - first.notAfter.getTime()).toBeGreaterThan(794 * DAY_MS);
    expect(parsed(renewed).serialNumber).not.toBe(parsed(first).serialNumber);
    expect(place.files).toEqual({ 'key.pem': first.key, 'certificate.pem': renewed.certificate });
    expect(modeOf(place.certificateFile)).toBe(0o600);
    expect((await place.ensure()).made).toBe('kept');
  });

  it.each([
    ['an IPv4 address', { addresses: ['10.1.1.1', '10.1.1.2'] }, '10.1.1.2'],
    ['an IPv6 address', { addresses: ['2001:db8::2'] }, '2001:db8::2'],
  ])('is made anew for the same key when it lacks %s of the server', async (_what, changes, address) => {
    const place = new Place();
    const first = await place.ensure();
    const renewed = await place.ensure(changes);
    expect(renewed).toMatchObject({ made: 'renewed', key: first.key });
    expect(parsed(renewed).checkIP(address)).toBe(address);
    expect((await place.ensure(changes)).made).toBe('kept');
  });

  it('is made anew when the server has another name', async () => {
    const place = new Place();
    await place.ensure();
    const changes = { names: ['vm2.example.com', 'localhost'] };
    const renewed = await place.ensure(changes);
    expect(renewed.made).toBe('renewed');
    expect(parsed(renewed).checkHost('vm2.example.com')).toBe('vm2.example.com');
    expect((await place.ensure(changes)).made).toBe('kept');
  });

  it('is kept when an address of the server went away, as it does with a network that is down', async () => {
    const place = new Place();
    await place.ensure();
    expect((await place.ensure({ addresses: ['127.0.0.1'], names: ['LOCALHOST'] })).made).toBe('kept');
  });

  it('is made for a key that has none, as after a crash between the two', async () => {
    const place = new Place();
    expect(await place.ensure()).toMatchObject({ made: 'created', key: sharedKey });
    rmSync(place.certificateFile);
    expect(await place.ensure()).toMatchObject({ made: 'created', key: sharedKey });
  });

  it('closes its directory when that was open to others', async () => {
    const place = new Place();
    chmodSync(place.directory, 0o755);
    await place.ensure();
    expect(modeOf(place.directory)).toBe(0o700);
  });
});

describe('a certificate that the administrator put there', () => {
  it.each([[['rsa:2048']], [['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']], [['ed25519']]])(
    'of the kind %j is served and never touched, though it nears its end and lacks every address',
    async algorithm => {
      const place = new Place('');
      place.putForeign(...algorithm);
      const files = place.files;
      await place.clock.advance(10 * DAY_MS);
      const found = await place.ensure();
      expect(found).toMatchObject({ made: 'foreign', key: files['key.pem'], certificate: files['certificate.pem'] });
      expect(found.notAfter.getTime()).toBeLessThan(place.clock.now());
      expect(place.files).toEqual(files);
    },
  );

  it('is served with the certificates of those who signed it', async () => {
    const place = new Place('');
    place.putForeign('rsa:2048');
    const chain = readFileSync(place.certificateFile, 'utf8') + (await new Place().ensure()).certificate;
    writeFileSync(place.certificateFile, chain);
    const found = await place.ensure();
    expect(found.certificate).toBe(chain);
    expect(parsed(found).subject).toContain('O=Site');
  });

  it('needs to be there for a key of another kind than the agent makes', async () => {
    const place = new Place('');
    place.putForeign('ed25519');
    rmSync(place.certificateFile);
    await expect(place.ensure()).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: `${place.keyFile}: it is no RSA key and has no certificate; put its certificate there, or remove it for a new one`,
    });
    expect(existsSync(place.certificateFile)).toBe(false);
  });
});

describe('files of a certificate that cannot be used', () => {
  it.each([
    ['its group can read', 0o640],
    ['others can read', 0o604],
    ['its group can write', 0o620],
    ['others can write', 0o602],
  ])('are a key that %s, with what to do', async (_who, mode) => {
    const place = new Place();
    chmodSync(place.keyFile, mode);
    await expect(place.ensure()).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: `${place.keyFile}: others can read or write it; run "chmod 600 ${place.keyFile}", and make a new one if they did`,
    });
    expect(modeOf(place.keyFile)).toBe(mode);
    expect(existsSync(place.certificateFile)).toBe(false);
  });

  it('are a certificate without its key: a new key would be another identity', async () => {
    const place = new Place();
    await place.ensure();
    rmSync(place.keyFile);
    await expect(place.ensure()).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: expect.stringContaining(`its key ${place.keyFile} is missing`) as string,
    });
    expect(Object.keys(place.files)).toEqual(['certificate.pem']);
  });

  it('are a certificate and a key of two pairs', async () => {
    const place = new Place();
    await place.ensure();
    writeFileSync(place.keyFile, openssl('genpkey', '-algorithm', 'ed25519'));
    await expect(place.ensure()).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: expect.stringContaining('does not belong to key.pem') as string,
    });
  });

  const cut = (text: string): string => text.slice(0, text.length / 2);
  const password = 'a secret';
  const encrypted = createPrivateKey(sharedKey)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password })
    .toString();

  it.each([
    ['an empty key', 'key.pem', () => '', 'no private key'],
    ['a key that was cut', 'key.pem', cut, 'no private key'],
    ['a key that is another text', 'key.pem', () => 'hello\n', 'no private key'],
    ['a public key', 'key.pem', () => publicKey(sharedKey), 'no private key'],
    ['a key behind a password', 'key.pem', () => encrypted, 'no private key'],
    ['an empty certificate', 'certificate.pem', () => '', 'no certificate'],
    ['a certificate that was cut', 'certificate.pem', cut, 'no certificate'],
    ['a certificate that is another text', 'certificate.pem', () => 'hello\n', 'no certificate'],
  ])('are %s, and stay as they are', async (_what, name, damage, reason) => {
    const place = new Place();
    await place.ensure();
    const file = join(place.directory, name);
    writeFileSync(file, damage(readFileSync(file, 'utf8')));
    const files = place.files;
    const failure = await place.ensure().then(String, (error: unknown) => error as Error);
    expect(failure).toMatchObject({ code: 'BAD_CONFIG' });
    expect((failure as Error).message).toMatch(new RegExp(`^${file}: it is ${reason} .*; restore it, or remove it`));
    expect((failure as Error).message).not.toContain(sharedKey.split('\n')[3]);
    expect(place.files).toEqual(files);
  });
});

function publicKey(privateKey: string): string {
  return execFileSync('openssl', ['pkey', '-pubout'], { input: privateKey, encoding: 'utf8' });
}

describe('a client that trusts the certificate', () => {
  async function serve({ certificate, key }: AgentCertificate): Promise<number> {
    const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.2' }, socket => {
      socket.on('error', () => undefined);
      socket.end('hello');
    });
    onTestFinished(() => void server.close());
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  }

  /** @returns the protocol that was agreed on, and what the server said */
  function converse(port: number, ca: string, host: string, version: SecureVersion = 'TLSv1.3'): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const isAddress = /^[\d.:]+$/.test(host);
      const socket: TLSSocket = connect({
        ...{ host: '127.0.0.1', port, ca, minVersion: version, maxVersion: version },
        ...(isAddress ? {} : { servername: host }),
      });
      socket.once('secureConnect', () => {
        text = `${String(socket.getProtocol())} `;
      });
      socket.on('data', (data: Buffer) => (text += data.toString()));
      socket.once('end', () => resolve(text));
      socket.once('error', reject);
    });
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('reaches the agent by %s, by address and by name', async version => {
    const made = await new Place().ensure();
    const port = await serve(made);
    expect(await converse(port, made.certificate, '127.0.0.1', version)).toBe(`${version} hello`);
    expect(await converse(port, made.certificate, 'localhost', version)).toBe(`${version} hello`);
    expect(await converse(port, made.certificate, 'vm1.example.com', version)).toBe(`${version} hello`);
  });

  it('does not take it for a host that it does not name', async () => {
    const made = await new Place().ensure();
    const port = await serve(made);
    await expect(converse(port, made.certificate, 'vm2.example.com')).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    const elsewhere = await new Place().ensure({ addresses: ['10.1.1.1'] });
    await expect(converse(await serve(elsewhere), elsewhere.certificate, '127.0.0.1')).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  it('does not take that of another agent', async () => {
    const port = await serve(await new Place().ensure());
    const other = await new Place('').ensure();
    await expect(converse(port, other.certificate, 'localhost')).rejects.toMatchObject({
      code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO_VERIFY|SIGNATURE/) as string,
    });
  });

  it('trusts the renewed one too, once it has that', async () => {
    const place = new Place();
    await place.ensure({ addresses: ['10.1.1.1'] });
    const renewed = await place.ensure();
    expect(await converse(await serve(renewed), renewed.certificate, '127.0.0.1')).toBe('TLSv1.3 hello');
  });

  it('may be OpenSSL at its strictest, as a server, as a client, by name and by address', async () => {
    const place = new Place();
    await place.ensure();
    const file = place.certificateFile;
    const verify = (...options: string[]): string =>
      openssl('verify', '-x509_strict', '-check_ss_sig', '-CAfile', file, ...options, file).trim();
    expect(verify('-purpose', 'sslserver', '-verify_hostname', 'vm1.example.com')).toBe(`${file}: OK`);
    expect(verify('-purpose', 'sslserver', '-verify_ip', '2001:db8::1')).toBe(`${file}: OK`);
    expect(verify('-purpose', 'sslclient')).toBe(`${file}: OK`);
    expect(() => verify('-verify_ip', '10.1.1.9')).toThrow(/[Mm]ismatch/);
  });

  it('remembers the fingerprint of its key that OpenSSL calculates (RFC 7469, appendix A)', async () => {
    const place = new Place();
    const { certificate } = await place.ensure();
    const digest = execFileSync('openssl', ['dgst', '-sha256', '-binary'], {
      input: execFileSync('openssl', ['pkey', '-pubin', '-outform', 'der'], {
        input: openssl('x509', '-in', place.certificateFile, '-noout', '-pubkey'),
      }),
    });
    expect(publicKeyFingerprint(certificate)).toBe(`sha256:${digest.toString('base64')}`);
  });
});
