import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AgentPaths } from '../config/paths.ts';
import type { XendConfig } from '../config/xend-config.ts';
import { AgentError, messageOf } from '../errors.ts';
import type { Listeners, TlsMaterial } from '../wire/listeners.ts';

const READABLE_BY_OTHERS = 0o077;

/**
 * Listens where xend listened, as far as xend-config.sxp says so: on a TCP port and on a Unix socket.
 * @returns the network addresses
 * @throws AgentError BAD_CONFIG when key or certificate cannot be used, HOST when an address cannot be had
 */
export async function listenAsXend(
  listeners: Listeners,
  xend: XendConfig,
  paths: AgentPaths,
): Promise<readonly { readonly address: string; readonly port: number }[]> {
  const { tcpAddress, tcpPort, tcpServer, unixServer } = xend.values;
  if (unixServer && xend.says('unixServer')) {
    mkdirSync(dirname(paths.xendSocket), { recursive: true, mode: 0o700 });
    await listeners.listenLocally(paths.xendSocket);
  }
  return tcpServer ? listeners.listen(tcpAddress, tcpPort, readTls(xend, paths)) : [];
}

/** Undefined leaves it to the agent's own transport. */
function readTls({ file, values }: XendConfig, paths: AgentPaths): TlsMaterial | undefined {
  const { tcpCertificateFile, tcpKeyFile } = values;
  if (tcpKeyFile === '' && tcpCertificateFile === '') return undefined;
  if (tcpKeyFile === '' || tcpCertificateFile === '') {
    throw new AgentError(
      'BAD_CONFIG',
      `${file}: of the key and the certificate of its TCP server one is missing; name both`,
    );
  }
  const [keyFile, certificateFile] = [paths.onDisk(tcpKeyFile), paths.onDisk(tcpCertificateFile)];
  try {
    const [key, certificate] = [readFileSync(keyFile, 'utf8'), readFileSync(certificateFile, 'utf8')];
    if ((statSync(keyFile).mode & READABLE_BY_OTHERS) !== 0)
      throw new Error(`${keyFile} can be read by others; "chmod 600" mends that`);
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
      throw new Error('they do not belong together');
    return { key, certificate };
  } catch (cause) {
    throw new AgentError(
      'BAD_CONFIG',
      `${file}: key ${tcpKeyFile} and certificate ${tcpCertificateFile} cannot be used: ${messageOf(cause)}`,
      { cause },
    );
  }
}
