import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { AgentError, messageOf } from '../errors.ts';
import { makePrivateDirectory, writeFileAtomically } from '../host/atomic-file.ts';
import type { Clock } from '../host/clock.ts';

export interface CertificateParts {
  readonly directory: string;
  /** Host names and addresses by which the agent is called. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly keyBits: number;
  readonly validDays: number;
  /** A certificate with less time left than this is renewed. */
  readonly renewDays: number;
  readonly clock: Clock;
}

export interface AgentCertificate {
  readonly key: string;
  /** As it is in the file: a foreign one may have those of its signers behind it. */
  readonly certificate: string;
  readonly notAfter: Date;
  /** What was done: `foreign` is one that the administrator put there, which is never touched. */
  readonly made: 'created' | 'renewed' | 'kept' | 'foreign';
}

export interface FoundCertificate extends Omit<AgentCertificate, 'made'> {
  /** Whether the administrator put it there. */
  readonly isForeign: boolean;
}

/** By this organisation in its subject a certificate is known as one that the agent made, and so may renew. */
const ORGANISATION = 'ovs-agent self-signed';
const DAY_MS = 86_400_000;
const MODE = 0o600;

const generate = promisify(generateKeyPair);

/**
 * The agent's key and certificate, made at the first start. A certificate that nears its end, or lacks a name or an
 * address of this server, is made anew for the same key, because clients pin the key.
 * @throws AgentError BAD_CONFIG when files are damaged, open to others, or do not belong together
 */
export async function ensureCertificate(parts: CertificateParts): Promise<AgentCertificate> {
  const { certificateFile, keyFile } = filesIn(parts.directory);
  makePrivateDirectory(parts.directory);
  const found = findCertificate(parts.directory);
  if (found?.isForeign) return describe(found.certificate, found.key, 'foreign');
  if (found && !isDue(new X509Certificate(found.certificate), parts))
    return describe(found.certificate, found.key, 'kept');
  if (!existsSync(keyFile)) {
    const { privateKey } = await generate('rsa', {
      modulusLength: parts.keyBits,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    writeFileAtomically(keyFile, privateKey, MODE);
  }
  const key = readKey(keyFile);
  const text = selfSigned(key, keyFile, parts);
  writeFileAtomically(certificateFile, text, MODE);
  return describe(text, key, found === undefined ? 'created' : 'renewed');
}

/**
 * The key and certificate that are there, whatever their dates.
 * @returns undefined when there is no certificate yet
 * @throws AgentError BAD_CONFIG when files are damaged, open to others, or do not belong together
 */
export function findCertificate(directory: string): FoundCertificate | undefined {
  const { certificateFile, keyFile } = filesIn(directory);
  if (!existsSync(certificateFile)) return undefined;
  if (!existsSync(keyFile)) {
    throw new AgentError(
      'BAD_CONFIG',
      `${certificateFile}: its key ${keyFile} is missing; put it there, or remove the certificate`,
    );
  }
  const key = readKey(keyFile);
  const certificate = readFileSync(certificateFile, 'utf8');
  const { subject, validTo } = parseCertificate(certificate, certificateFile, key);
  return { key, certificate, notAfter: new Date(validTo), isForeign: !subject.includes(`O=${ORGANISATION}`) };
}

function filesIn(directory: string): { readonly certificateFile: string; readonly keyFile: string } {
  return { certificateFile: join(directory, 'certificate.pem'), keyFile: join(directory, 'key.pem') };
}

/** SHA-256 of a certificate's public key (RFC 7469, section 2.4), as `sha256:BASE64`: what clients remember. */
export function publicKeyFingerprint(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('base64')}`;
}

function isDue(certificate: X509Certificate, { addresses, clock, names, renewDays }: CertificateParts): boolean {
  if (Date.parse(certificate.validTo) - clock.now() < renewDays * DAY_MS) return true;
  return (
    names.some(name => certificate.checkHost(name) === undefined) ||
    addresses.some(address => certificate.checkIP(address) === undefined)
  );
}

function selfSigned(privateKey: string, keyFile: string, parts: CertificateParts): string {
  if (createPrivateKey(privateKey).asymmetricKeyType !== 'rsa') {
    throw new AgentError(
      'BAD_CONFIG',
      `${keyFile}: it is no RSA key and has no certificate; put its certificate there, or remove it for a new one`,
    );
  }
  const certificate = forge.pki.createCertificate();
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string;
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  // Positive, and random enough that no two certificates of one name share it (RFC 5280, section 4.1.2.2).
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  const now = parts.clock.now();
  // Clocks of clients may be behind ours.
  certificate.validity.notBefore = new Date(now - DAY_MS);
  certificate.validity.notAfter = new Date(now + parts.validDays * DAY_MS);
  const subject = [
    { name: 'commonName', value: parts.names[0]?.slice(0, 64) ?? 'ovs-agent' },
    { name: 'organizationName', value: ORGANISATION },
  ];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true, pathLenConstraint: 0 },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, keyCertSign: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    { name: 'subjectKeyIdentifier' },
    {
      name: 'subjectAltName',
      altNames: [
        ...parts.names.map(value => ({ type: 2, value })),
        ...parts.addresses.filter(address => isIP(address) !== 0).map(ip => ({ type: 7, ip })),
      ],
    },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(pkcs1(privateKey)), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}

function pkcs1(privateKey: string): string {
  return createPrivateKey(privateKey).export({ type: 'pkcs1', format: 'pem' }) as string;
}

function readKey(file: string): string {
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new AgentError(
      'BAD_CONFIG',
      `${file}: others can read or write it; run "chmod 600 ${file}", and make a new one if they did`,
    );
  }
  const text = readFileSync(file, 'utf8');
  try {
    createPrivateKey(text);
    return text;
  } catch (cause) {
    throw new AgentError(
      'BAD_CONFIG',
      `${file}: it is no private key (${messageOf(cause)}); restore it, or remove it for a new one`,
      { cause },
    );
  }
}

function parseCertificate(text: string, file: string, key: string): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(text);
  } catch (cause) {
    throw new AgentError(
      'BAD_CONFIG',
      `${file}: it is no certificate (${messageOf(cause)}); restore it, or remove it for a new one`,
      { cause },
    );
  }
  if (!certificate.checkPrivateKey(createPrivateKey(key))) {
    throw new AgentError(
      'BAD_CONFIG',
      `${file}: it does not belong to key.pem beside it; put the two of one pair there`,
    );
  }
  return certificate;
}

function describe(certificate: string, key: string, made: AgentCertificate['made']): AgentCertificate {
  return { key, certificate, notAfter: new Date(new X509Certificate(certificate).validTo), made };
}
