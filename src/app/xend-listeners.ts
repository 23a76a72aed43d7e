import { createPrivateKey, X509Certificate } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { AgentPaths } from '../config/paths.ts';
import type { XendConfig } from '../config/xend-config.ts';
import { AgentError, messageOf } from '../errors.ts';
import type { Listeners, TlsMaterial } from '../wire/listeners.ts';

const READABLE_BY_OTHERS = 0o077;

/**
 * Listens where xend listened, as far as xend-config.sxp says so: on a TCP port and on a Unix socket.
 * @returns the network addresses
 * @throws AgentError BAD_CONFIG when key or certificate cannot be used, HOST when an address or the socket cannot be had
 */
export async function listenAsXend(
  listeners: Listeners,
  xend: XendConfig,
  paths: AgentPaths,
): Promise<readonly { readonly address: string; readonly port: number }[]> {
  const { tcpAddress, tcpPort, tcpServer, unixServer } = xend.values;
  const tls = readXendTls(xend, paths);
  if (unixServer && xend.says('unixServer')) {
    await refuseForeignSocket(paths.xendSocket);
    mkdirSync(dirname(paths.xendSocket), { recursive: true, mode: 0o700 });
    await listeners.listenLocally(paths.xendSocket);
  }
  if (!tcpServer) return [];
  try {
    return await listeners.listen(tcpAddress, tcpPort, tls);
  } catch (cause) {
    throw new AgentError('HOST', `${xend.file}: xend-tcp-xmlrpc-server: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Key and certificate of the TCP server of xend-config.sxp.
 * @returns undefined where there is no such server, or where it has the agent's own transport
 * @throws AgentError BAD_CONFIG when they are missing, open to others, damaged, or do not belong together
 */
export function readXendTls({ file, values }: XendConfig, paths: AgentPaths): TlsMaterial | undefined {
  const { tcpCertificateFile, tcpKeyFile, tcpServer } = values;
  if (!tcpServer || (tcpKeyFile === '' && tcpCertificateFile === '')) return undefined;
  const refused = (what: string): AgentError =>
    new AgentError('BAD_CONFIG', `${file}: key and certificate of xend-tcp-xmlrpc-server: ${what}`);
  if (tcpKeyFile === '') throw refused('the key is not named; xend-tcp-xmlrpc-server-ssl-key-file is needed');
  if (tcpCertificateFile === '')
    throw refused('the certificate is not named; xend-tcp-xmlrpc-server-ssl-cert-file is needed');
  const [keyFile, certificateFile] = [paths.onDisk(tcpKeyFile), paths.onDisk(tcpCertificateFile)];
  const read = <T>(place: string, what: string, parse: (text: string) => T): { text: string; parsed: T } => {
    try {
      const text = readFileSync(place, 'utf8');
      return { text, parsed: parse(text) };
    } catch (cause) {
      throw refused(`${place} cannot be used (${messageOf(cause)}); ${what} in PEM form is needed`);
    }
  };
  const key = read(keyFile, 'a private key', createPrivateKey);
  const certificate = read(certificateFile, 'a certificate', text => new X509Certificate(text));
  if ((statSync(keyFile).mode & READABLE_BY_OTHERS) !== 0)
    throw refused(`others can read ${keyFile}; run "chmod 600 ${keyFile}", and make a new one if they did`);
  if (!certificate.parsed.checkPrivateKey(key.parsed))
    throw refused(`${certificateFile} does not belong to ${keyFile}; name the two of one pair`);
  return { key: key.text, certificate: certificate.text };
}

/**
 * A socket that a killed agent left may be taken; that of a xend that runs, or a file of another kind, may not.
 * @throws AgentError HOST
 */
async function refuseForeignSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new AgentError('HOST', `listen on ${path}: it is no socket; remove it`);
  if (await isAnswered(path)) {
    throw new AgentError(
      'HOST',
      `listen on ${path}: another program listens there; stop it, or set (xend-unix-xmlrpc-server no)`,
    );
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', error => resolve((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED'));
  });
}
